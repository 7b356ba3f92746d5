import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import type { Ports } from '../../durability/bank.ts';
import { type Answer, Tpp } from '../../durability/tpp.ts';
import { startFaultProxy } from '../../storage/redis/fault-proxy.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { until } from '../../storage/redis/redis-groups.ts';
import { hasRedis, startRedis } from '../../storage/redis/redis-servers.ts';
import type { FullDiskReport } from './full-disk-child.ts';
import { startTestSandbox } from '../running-sandbox.ts';
import { secondConnection } from '../../storage/sqlite/second-connection.ts';

/** Issue 4: an answer in 2 s. Two operations that wait for their whole time take longer than this. */
const ANSWER_MILLISECONDS = 1900;
const FULL_DISK = fileURLToPath(new URL('./full-disk-child.ts', import.meta.url));
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startBank(store: Store): Promise<{ tpp: Tpp; to: { readonly ports: Ports } }> {
  const sandbox = await startTestSandbox({ store });
  const tpp = new Tpp(sandbox);
  closing.push(sandbox.stop, () => tpp.close());
  const { issuer, mtlsUrl } = sandbox.description;
  const [front = 0, mtls = 0] = [issuer, mtlsUrl].map((url) => Number(new URL(url).port));
  return { tpp, to: { ports: { front, mtls, health: 0 } } };
}

/** The status of the answer, and whether it came in time and says when to try again. */
async function judged(ask: () => Promise<Answer>): Promise<readonly unknown[]> {
  const from = performance.now();
  const { status, headers } = await ask();
  const milliseconds = performance.now() - from;
  return [status, headers['retry-after'] !== undefined, milliseconds < ANSWER_MILLISECONDS || milliseconds];
}

describe('a request whose store stops to answer in the middle', () => {
  it.skipIf(!hasRedis)(
    'is 503 in two seconds, after whichever command Redis hangs, with connections of their own for reads and writes (M1, R10)',
    async () => {
      const redis = await startRedis();
      const replica = await startRedis({ lines: [`replicaof 127.0.0.1 ${redis.port}`] });
      const proxy = await startFaultProxy(redis.port);
      closing.push(redis.kill, replica.kill, proxy.close);
      const settings = redisSettings({ url: `redis://127.0.0.1:${proxy.port}`, waitReplicas: 1 });
      const store = await openStore(settings);
      const { tpp, to } = await startBank(store);
      const isBack = async () => (await store.isHealthy()) && (await store.find('Any', 'any')) === undefined;
      await until(isBack);
      await tpp.exchange(to, await tpp.code(to));

      const hung = async (commands: number, ask: () => Promise<Answer>) => {
        proxy.hangAfter(commands);
        const answer = await judged(ask);
        proxy.set('none');
        await until(isBack);
        return [commands, ...answer];
      };
      // The last redirect reads and writes in turn, and writes the session when all else has failed.
      for (const commands of [2, 5]) {
        const walk = await tpp.walk(to, (await tpp.pushed(to)).requestUri);
        expect(await hung(commands, () => walk.end())).toEqual([commands, 503, true, true]);
      }
      for (const commands of [0, 3]) {
        const code = await tpp.code(to);
        expect(await hung(commands, () => tpp.exchange(to, code))).toEqual([commands, 503, true, true]);
      }
    },
    60_000,
  );

  it('is 503 in two seconds while another program holds the SQLite file (M8, R10)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tallystick-locked-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'store.sqlite');
    const { tpp, to } = await startBank(await openSqliteStore({ file, clock: systemClock, log: silentLog }));
    const walk = await tpp.walk(to, (await tpp.pushed(to)).requestUri);
    const other = secondConnection(file);
    other.exec('BEGIN IMMEDIATE');
    expect(await judged(() => walk.end())).toEqual([503, true, true]);
    other.exec('ROLLBACK');
    other.close();
    expect((await tpp.exchange(to, await tpp.code(to))).status).toBe(200);
  });

  it('is 503 in two seconds on a full disk, and the server is back in five when there is room (M9, R10)', () => {
    const report = onSmallDisk(`${process.execPath} ${FULL_DISK} /mnt`);
    if (report === undefined) {
      console.warn('skipped: no disk may be mounted here');
      return;
    }
    const { refused, isReady, recoveryMilliseconds } = JSON.parse(report) as FullDiskReport;
    expect(refused).toMatchObject({ status: 503, retryAfter: true });
    expect(refused.milliseconds).toBeLessThan(ANSWER_MILLISECONDS);
    expect(isReady).toBe(false);
    expect(recoveryMilliseconds).toBeLessThan(5000);
  });
});

/** What the command prints with four megabytes under `/mnt`, or undefined where nobody may mount. */
function onSmallDisk(command: string): string | undefined {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const script = `mount -t tmpfs -o size=4m tmpfs /mnt && ${command}`;
  return execFileSync('unshare', ['-Urm', 'sh', '-c', script], { encoding: 'utf8' });
}
