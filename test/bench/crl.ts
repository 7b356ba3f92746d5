import { createHash, randomFillSync } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crlStatus, indexCrl } from '../../src/x509/crl/crl.ts';
import { CrlIndexer } from '../../src/x509/crl/crl-indexer.ts';
import { issue, NOW } from '../x509/certificate-factory.ts';
import { entry, writeCrl } from '../x509/crl/crl-factory.ts';
import * as der from '../x509/der-writer.ts';

// A CRL of a million entries, 49 bytes each (16-octet serial number, reason): how long verifying and indexing takes
// beside SHA-256 over the same bytes, what is kept, and what an event loop feels while a worker does it.
const ENTRIES = 1_000_000;
const ROUNDS = 9;
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const issuer = issue('authority', 'issuing');
const leaf = issue('end entity', 'tpp', { issuer });
const signers = [issuer.certificate];
const bytes = writeCrl({ issuer, raw: { entries: der.sequence(manyEntries()) } });

function manyEntries(): Buffer {
  const one = entry({ serial: '40'.padEnd(32, '0'), reason: 1 });
  const all = Buffer.alloc(ENTRIES * one.length);
  for (let at = 0; at < all.length; at += one.length) {
    one.copy(all, at);
    randomFillSync(all, at + 5, 15);
  }
  return all;
}

const timed = (run: () => void): number => {
  const before = performance.now();
  run();
  return performance.now() - before;
};
/** What earlier rounds left is freed in steps, some of them between turns of the event loop. */
const heldBytes = async (): Promise<number> => {
  for (let step = 0; step < 3; step += 1) {
    collect();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const one = (value: number): string => value.toFixed(1);

const rounds = Array.from({ length: ROUNDS }, () => {
  const hash = timed(() => createHash('sha256').update(bytes).digest());
  const usage = process.cpuUsage();
  const index = timed(() => indexCrl(bytes, signers));
  const { user, system } = process.cpuUsage(usage);
  return { hash, index, cpu: (user + system) / 1000, ratio: index / hash };
});
console.log(`${ENTRIES} entries, ${one(bytes.length / 1e6)} MB, ${ROUNDS} rounds, median`);
console.log(`SHA-256 of the bytes: ${one(median(rounds.map(({ hash }) => hash)))} ms`);
const [wall, cpu] = [median(rounds.map((round) => round.index)), median(rounds.map((round) => round.cpu))];
console.log(`verify and index: ${one(wall)} ms, ${one(cpu)} ms of it on a processor`);
console.log(`ratio of the two, by round: ${one(median(rounds.map(({ ratio }) => ratio)))}`);

const before = await heldBytes();
const list = indexCrl(bytes, signers);
console.log(`kept: ${one(((await heldBytes()) - before) / 1e6)} MB`);

const options = { issuer: issuer.certificate, crls: [list], at: NOW };
const asks = 200_000;
const all = timed(() => {
  for (let ask = 0; ask < asks; ask += 1) crlStatus(leaf.certificate, options);
});
console.log(`crlStatus of a certificate that is good: ${one((all * 1000) / asks)} µs`);

const indexer = new CrlIndexer();
for (const round of [1, 2, 3]) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  await indexer.index(bytes, signers);
  const took = performance.now() - start;
  delay.disable();
  const [p99, max] = [delay.percentile(99) / 1e6, delay.max / 1e6];
  console.log(
    `in a worker, ${round}: ${one(took)} ms; event-loop delay p99 ${one(p99)} ms, max ${one(max)} ms`,
  );
}
await indexer.close();
