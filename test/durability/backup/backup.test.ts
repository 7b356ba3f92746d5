import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bank, type BankProcess, openBank } from '../bank.ts';
import { Tpp } from '../tpp.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

let bank: Bank;
let tpp: Tpp;
beforeAll(async () => {
  bank = await openBank();
  tpp = new Tpp(bank);
}, 60_000);
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

describe('backup and restore, as docs/backup.md has them', () => {
  it('bring back the store of the backup, and what to do about what was ended since', async () => {
    const server = await bank.start({ shutdown: { noticeSeconds: 0 } });
    const [kept, ended] = [await consented(server), await consented(server)];
    const backup = inFolder('backup.sqlite');
    expect(await tallystick('store', 'backup', '--out', backup)).toMatchObject({ status: 0, stderr: '' });
    const again = await tallystick('store', 'backup', '--out', backup);
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('is there already')]);
    const checked = await tallystick('store', 'check', backup, '--json');
    expect(JSON.parse(checked.stdout)).toMatchObject({ file: backup, schema: 2, secret: 'fits' });

    expect((await tpp.revoke(server, ended.refresh_token)).status).toBe(200);
    expect((await tpp.refresh(server, ended.refresh_token)).status).toBe(400);
    const later = await consented(server);
    const inUse = await tallystick('store', 'restore', '--from', backup);
    expect([inUse.status, inUse.stderr]).toEqual([3, expect.stringContaining('has the store open')]);
    await server.stop();

    const restored = await tallystick('store', 'restore', '--from', backup);
    expect([restored.status, restored.stderr]).toEqual([0, '']);
    expect(restored.stdout).toContain('alive again');
    const rotated = await tallystick('keys', 'rotate', '--compromised');
    expect([rotated.status, rotated.stderr]).toEqual([0, '']);

    const after = await server.again();
    expect((await tpp.refresh(after, kept.refresh_token)).status).toBe(200);
    // The danger of every restore: a grant that was ended after the backup is there again.
    const revived = await tpp.refresh(after, ended.refresh_token);
    expect(revived.status).toBe(200);
    expect((await tpp.refresh(after, later.refresh_token)).json.error).toBe('invalid_grant');
    // The JWTs of before have lost their key, whatever was revoked; those since have the new one.
    expect(await isPublished(after, ended.access_token)).toBe(false);
    expect(await isPublished(after, revived.json.access_token)).toBe(true);
    await after.stop();
  }, 180_000);

  it('end everything at once with another secret, which `store check` notices', async () => {
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
