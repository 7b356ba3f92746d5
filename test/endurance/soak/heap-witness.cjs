/*
 * Preloaded into each process of the server: collects all garbage every ten seconds, and writes what is left. Resident
 * memory alone also shows when a collector has not run yet.
 */
const { appendFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { getHeapSpaceStatistics } = require('node:v8');

const config = process.argv[process.argv.indexOf('--config') + 1];
const file = join(dirname(config ?? '.'), 'heap-witness.jsonl');

/** Compiled code grows for many minutes, while rare ways are taken for the first time; it is bounded by the program. */
const codeBytes = () =>
  getHeapSpaceStatistics()
    .filter(({ space_name: name }) => /code|trusted/.test(name))
    .reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);

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
    code: codeBytes(),
  };
  appendFileSync(file, `${JSON.stringify({ ...line, handles: handles.length })}\n`);
}, 10_000).unref();
