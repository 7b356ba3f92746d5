import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackedBank, type AttackedServer, openAttackedBank } from './attacks/attacked-bank.ts';
import type { Offer, Outcome, Spread } from './load/open-loop.ts';

const DRIVER = fileURLToPath(new URL('./load/open-loop.ts', import.meta.url));
/** A minute, as issue and README say; a shorter one to try the test itself. */
const SECONDS = Number(process.env.LOAD_SECONDS ?? 60);
/** The aim. One process misses it: docs/measured.md has the figures and the reason. */
const LEAST_GOODPUT = 0.8;
const MOST_REFUSAL_MILLISECONDS = 100;

let attacked: AttackedBank;
beforeAll(async () => {
  attacked = await openAttackedBank();
}, 60_000);
afterAll(() => attacked.close());

async function offer(server: AttackedServer, change: Partial<Offer>): Promise<Outcome> {
  const { description, folder } = attacked.bank;
  const tpp = description.tpps[0];
  if (tpp === undefined) throw new Error('the sandbox has no TPP');
  const child = fork(DRIVER, { execPath: process.execPath, execArgv: [] });
  child.send({
    port: server.ports.mtls,
    host: new URL(description.mtlsUrl).host,
    path: '/token',
    body: `grant_type=client_credentials&client_id=${tpp.clients.tls_client_auth.client_id}&scope=accounts`,
    rate: 0,
    seconds: SECONDS,
    connections: 16,
    caFile: `${folder}/pki/root.pem`,
    certificateFile: tpp.certificateFile,
    keyFile: tpp.keyFile,
    ...change,
  } satisfies Offer);
  const [outcome] = (await once(child, 'message')) as [Outcome];
  child.kill();
  return outcome;
}

const timesOf = ({ p50, p99 }: Spread) => `${p50.toFixed(0)}, ${p99.toFixed(0)}`;

function rowsOf(outcome: Outcome): string[] {
  return Object.entries(outcome.answers).map(
    ([status, { count, fromDue, fromSent }]) =>
      `| ${status} | ${(count / outcome.seconds).toFixed(0)} | ${timesOf(fromDue)} | ${timesOf(fromSent)} |`,
  );
}

describe.each([1, 2])('a server that gets four times what it can serve, with workers: %i', (workers) => {
  it('goes on serving, answers the rest at once, and recovers', { timeout: 300_000 }, async () => {
    const server = await attacked.start({
      name: 'load',
      configuration: {
        workers,
        connections: { exemptAddresses: ['127.0.0.1'], requestsPerConnection: 1_000_000 },
        requestLimits: { perTpp: 10_000_000 },
        clientLimits: { recordsPerMinute: 10_000_000 },
      },
      run: async () => '',
    });
    try {
      await offer(server, { seconds: 3 });
      const alone = await offer(server, { seconds: Math.min(SECONDS, 10), connections: 16 * workers });
      const capacity = (alone.answers['200']?.count ?? 0) / alone.seconds;
      const before = server.usage();
      const over = await offer(server, { rate: 4 * capacity, connections: 800 });
      const used = server.usage();
      const after = await offer(server, { seconds: 5, rate: capacity / 2, connections: 64 });
      const goodput = (over.answers['200']?.count ?? 0) / over.seconds / capacity;
      const { sent, unsent, lost, generatorDelay, generatorCpuSeconds } = over;
      console.log(
        [
          `workers ${workers}: ${capacity.toFixed(0)} tokens/s alone; ${(4 * capacity).toFixed(0)}/s due for ` +
            `${over.seconds.toFixed(0)} s, ${(sent / over.seconds).toFixed(0)}/s sent, ${unsent} found no free connection, ${lost} lost; ` +
            `goodput ${goodput.toFixed(2)}`,
          '| status | a second | ms from the due moment: median, p99 | from the moment sent |',
          '|---|---|---|---|',
          ...rowsOf(over),
          `generator: ${timesOf(generatorDelay)} ms late itself (median, p99), ${generatorCpuSeconds.toFixed(1)} s of CPU; ` +
            `server: ${(used.cpuSeconds - before.cpuSeconds).toFixed(1)} s of CPU, ${before.megabytes.toFixed(0)} to ${used.megabytes.toFixed(0)} MB`,
          'half of the rate afterwards:',
          ...rowsOf(after),
        ].join('\n'),
      );
      expect(Object.keys(over.answers).sort()).toEqual(['200', '503']);
      expect(lost).toBe(0);
      expect(after.answers['503']?.count ?? 0).toBe(0);
      expect(goodput).toBeGreaterThanOrEqual(LEAST_GOODPUT);
      expect(over.answers['503']?.fromDue.p99).toBeLessThan(MOST_REFUSAL_MILLISECONDS);
    } finally {
      await server.stop();
    }
  });
});
