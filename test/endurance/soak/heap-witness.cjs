/*
 * Preloaded into each process of the server: collects all garbage every ten seconds, and writes what is left. Resident
 * memory alone also shows when a collector has not run yet.
 */
const { appendFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

const config = process.argv[process.argv.indexOf('--config') + 1];
const file = join(dirname(config ?? '.'), 'heap-witness.jsonl');

setInterval(() => {
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  const handles = process
    .getActiveResourcesInfo()
    .filter((name) => name !== 'Timeout' && name !== 'Immediate');
  const line = {
    pid: process.pid,
    at: performance.now() + performance.timeOrigin,
    bytes: heapUsed + external,
    rss,
  };
  appendFileSync(file, `${JSON.stringify({ ...line, handles: handles.length })}\n`);
}, 10_000).unref();
