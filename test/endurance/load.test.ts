import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bank, type BankProcess, openBank } from '../durability/bank.ts';
import type { Offer, Outcome } from './load/open-loop.ts';

const DRIVER = fileURLToPath(new URL('./load/open-loop.ts', import.meta.url));
/** A minute, as issue and README say; a shorter one to try the test itself. */
const SECONDS = Number(process.env.LOAD_SECONDS ?? 60);
let bank: Bank;
let server: BankProcess;
beforeAll(async () => {
  bank = await openBank();
  server = await bank.start({ requestLimits: { perTpp: 10_000_000 } });
});
afterAll(() => bank.close());

async function offer(change: Partial<Offer>): Promise<Outcome> {
  const { description, folder } = bank;
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

/** Seconds of CPU that the server has used. */
function cpuSeconds(): number {
  const [, fields = ''] = readFileSync(`/proc/${server.child.pid}/stat`, 'utf8').split(') ');
  const [user, system] = fields.split(' ').slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

const residentMegabytes = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1]) / 1024;

describe('a server that gets four times what it can serve', () => {
  it('goes on serving, answers the rest at once, and recovers', { timeout: 300_000 }, async () => {
    await offer({ seconds: 3 });
    const alone = await offer({ seconds: Math.min(SECONDS, 10) });
    const capacity = (alone.answers['200']?.count ?? 0) / alone.seconds;
    const before = cpuSeconds();
    const over = await offer({ rate: 4 * capacity, connections: 800 });
    const cpu = cpuSeconds() - before;
    const after = await offer({ seconds: 5, rate: capacity / 2, connections: 64 });
    const goodput = (over.answers['200']?.count ?? 0) / over.seconds;
    console.log(
      `capacity ${capacity.toFixed(0)}/s; offered ${(4 * capacity).toFixed(0)}/s for ${over.seconds.toFixed(0)} s: ` +
        `goodput ${goodput.toFixed(0)}/s (${(goodput / capacity).toFixed(2)}), ${JSON.stringify(over)}, ${cpu.toFixed(1)} s of CPU; ` +
        `after: ${JSON.stringify(after.answers)}; resident ${residentMegabytes().toFixed(0)} MB`,
    );
    expect(Object.keys(over.answers).sort()).toEqual(['200', '503']);
    expect(over.lost).toBe(0);
    expect(after.answers['503']?.count ?? 0).toBe(0);
  });
});
