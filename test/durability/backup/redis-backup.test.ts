import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openAudit } from '../../../src/server/audit/opened-audit.ts';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { openBank } from '../bank.ts';
import { Tpp } from '../tpp.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

async function dumped(redis: RedisProcess): Promise<string> {
  const before = await redis.admin.lastsave();
  await redis.admin.bgsave();
  // The time of a save has whole seconds.
  await expect
    .poll(async () => /rdb_bgsave_in_progress:0/.test(await redis.admin.info('persistence')), {
      timeout: 20_000,
    })
    .toBe(true);
  expect(await redis.admin.lastsave()).toBeGreaterThanOrEqual(before);
  const [, folder = ''] = (await redis.admin.config('GET', 'dir')) as string[];
  return folder;
}

it.skipIf(!hasRedis)(
  'a dump of Redis is restored as docs/backup.md has it, and ends since are repeated',
  async () => {
    const redis = await startRedis();
    const bank = await openBank({ redis: { url: `redis://127.0.0.1:${redis.port}` } });
    const tpp = new Tpp(bank);
    onTestFinished(async () => {
      tpp.close();
      await bank.close();
    });
    const audit = { folder: 'audit', signingKeyFile: 'audit-key.pem' };
    const server = await bank.start({ shutdown: { noticeSeconds: 0 }, audit });
    const consented = async () => (await tpp.exchange(server, await tpp.code(server))).json;
    const [kept, ended] = [await consented(), await consented()];
    const folder = await dumped(redis);
    const copy = join(bank.folder, 'dump.rdb');
    copyFileSync(join(folder, 'dump.rdb'), copy);
    const since = systemClock.now().toISOString();
    expect((await tpp.revoke(server, ended.refresh_token)).status).toBe(200);
    const later = await consented();
    const consentId = String(decodeJwt(String(ended.access_token)).consent_id);
    await server.stop();
    const { audit: record, log } = await openAudit(
      {
        ...{ folder: join(bank.folder, 'audit'), signingKeyFile: join(bank.folder, 'audit-key.pem') },
        ...{ required: true, rotateMegabytes: 64, rotateHours: 24 },
      },
      { clock: systemClock, log: silentLog },
    );
    log.emit('dashboard.access.ended', { clientId: tpp.clientId, consentId });
    await record?.close();

    await redis.kill();
    rmSync(join(folder, 'appendonlydir'), { recursive: true });
    copyFileSync(copy, join(folder, 'dump.rdb'));
    const configured = join(folder, 'redis.conf');
    writeFileSync(configured, readFileSync(configured, 'utf8').replace('appendonly yes', 'appendonly no'));
    const restored = await redis.restart();
    onTestFinished(() => restored.kill());
    await expect
      .poll(async () => (await restored.admin.info('persistence')).includes('loading:0'))
      .toBe(true);
    expect(await restored.admin.config('SET', 'appendonly', 'yes')).toBe('OK');

    const words = [
      'store',
      'repeat-ends',
      '--since',
      since,
      '--json',
      '--config',
      join(bank.folder, 'process-1.json'),
    ];
    const repeated = await new Promise<string>((resolve) =>
      execFile(process.execPath, [MAIN, ...words], (_error, stdout, stderr) => resolve(stdout || stderr)),
    );
    expect(JSON.parse(repeated).repeated).toEqual([
      { kind: 'consent', id: consentId, outcome: 'ended' },
      // The grant of the revoked token is that of the consent.
      { kind: 'grant', id: consentId, outcome: 'over' },
    ]);
    const after = await server.again();
    expect((await tpp.refresh(after, kept.refresh_token)).status).toBe(200);
    expect((await tpp.refresh(after, ended.refresh_token)).json.error).toBe('invalid_grant');
    expect((await tpp.refresh(after, later.refresh_token)).json.error).toBe('invalid_grant');
    await after.stop();
  },
  240_000,
);
