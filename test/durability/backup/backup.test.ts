import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openAudit } from '../../../src/server/audit/opened-audit.ts';
import { type Bank, type BankProcess, openBank } from '../bank.ts';
import { Tpp } from '../tpp.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

let bank: Bank;
let tpp: Tpp;
beforeAll(async () => {
  bank = await openBank();
  tpp = new Tpp(bank);
});
afterAll(async () => {
  tpp.close();
  await bank.close();
});

const inFolder = (name: string) => join(bank.folder, name);

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function tallystick(...words: readonly string[]): Promise<Ended> {
  const all = [MAIN, ...words, '--config', inFolder('process-1.json')];
  return new Promise((resolve) =>
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    ),
  );
}

async function consented(server: BankProcess) {
  const answer = await tpp.exchange(server, await tpp.code(server));
  expect(answer.status).toBe(200);
  return answer.json;
}

/** Whether the keys of the server can prove the signature of a token. */
async function isPublished(server: BankProcess, token: unknown): Promise<boolean> {
  const { keys } = (await tpp.browse(server, '/jwks')).json as { readonly keys: readonly { kid: string }[] };
  return keys.some(({ kid }) => kid === decodeProtectedHeader(String(token)).kid);
}

const AUDIT = {
  shutdown: { noticeSeconds: 0 },
  audit: { folder: 'audit', signingKeyFile: 'audit-key.pem' },
};

/** Writes into the record as another process of the server would. */
async function record(events: (log: Awaited<ReturnType<typeof openAudit>>['log']) => void): Promise<void> {
  const { audit, log } = await openAudit(
    {
      ...{ folder: inFolder('audit'), signingKeyFile: inFolder('audit-key.pem') },
      ...{ required: true, rotateMegabytes: 64, rotateHours: 24 },
    },
    { clock: systemClock, log: silentLog },
  );
  events(log);
  await audit?.close();
}

describe('backup and restore, as docs/backup.md has them', () => {
  it('bring back the store of the backup, and end again what was ended since', async () => {
    const server = await bank.start(AUDIT);
    const [kept, ended, left] = [await consented(server), await consented(server), await consented(server)];
    const backup = inFolder('backup.sqlite');
    const since = systemClock.now().toISOString();
    expect(await tallystick('store', 'backup', '--out', backup)).toMatchObject({ status: 0, stderr: '' });
    const again = await tallystick('store', 'backup', '--out', backup);
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('is there already')]);
    const checked = await tallystick('store', 'check', backup, '--json');
    expect(JSON.parse(checked.stdout)).toMatchObject({ file: backup, schema: 3, secret: 'fits' });

    expect((await tpp.revoke(server, left.refresh_token)).status).toBe(200);
    expect((await tpp.refresh(server, left.refresh_token)).status).toBe(400);
    const leftId = String(decodeJwt(String(left.access_token)).consent_id);
    const consentId = String(decodeJwt(String(ended.access_token)).consent_id);
    await record((log) => {
      log.emit('dashboard.access.ended', { clientId: tpp.clientId, consentId });
      log.emit('client.status', { clientId: 'made-since', outcome: 'disabled' });
    });
    const later = await consented(server);
    const inUse = await tallystick('store', 'restore', '--from', backup);
    expect([inUse.status, inUse.stderr]).toEqual([3, expect.stringContaining('has the store open')]);
    await server.stop();

    const restored = await tallystick('store', 'restore', '--from', backup);
    expect([restored.status, restored.stderr]).toEqual([0, '']);
    expect(restored.stdout).toContain('alive again');
    const rotated = await tallystick('keys', 'rotate', '--compromised');
    expect([rotated.status, rotated.stderr]).toEqual([0, '']);

    const repeat = async (...words: readonly string[]) =>
      JSON.parse((await tallystick('store', 'repeat-ends', '--since', since, '--json', ...words)).stdout)
        .repeated;
    const found = [
      { kind: 'consent', id: consentId, outcome: 'ended' },
      { kind: 'grant', id: leftId, outcome: 'ended' },
      { kind: 'client', id: 'made-since', outcome: 'absent' },
    ];
    // The danger of every restore: a consent that was ended after the backup is there again.
    expect(await repeat('--dry-run')).toEqual(found);
    expect(await repeat()).toEqual(found);
    expect((await repeat())[0]).toEqual({ ...found[0], outcome: 'over' });

    const after = await server.again();
    const alive = await tpp.refresh(after, kept.refresh_token);
    expect(alive.status).toBe(200);
    expect((await tpp.refresh(after, ended.refresh_token)).json.error).toBe('invalid_grant');
    expect((await tpp.refresh(after, left.refresh_token)).json.error).toBe('invalid_grant');
    expect((await tpp.refresh(after, later.refresh_token)).json.error).toBe('invalid_grant');
    // The JWTs of before have lost their key, whatever was revoked; those since have the new one.
    expect(await isPublished(after, ended.access_token)).toBe(false);
    expect(await isPublished(after, alive.json.access_token)).toBe(true);
    await after.stop();
    // The record goes on over the restore.
    expect((await tallystick('audit', 'verify')).status).toBe(0);
  }, 240_000);

  it('are noticed by `store check` when the secret is another', async () => {
    const secret = readFileSync(inFolder('bank.secret'), 'utf8');
    writeFileSync(inFolder('bank.secret'), `${Buffer.alloc(32, 7).toString('base64url')}\n`);
    const checked = await tallystick('store', 'check');
    expect([checked.status, checked.stdout]).toEqual([
      1,
      expect.stringContaining('is not that of the store'),
    ]);
    writeFileSync(inFolder('bank.secret'), secret);
    expect((await tallystick('store', 'check')).status).toBe(0);
  }, 120_000);
});
