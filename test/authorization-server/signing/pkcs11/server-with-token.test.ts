import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bank, type BankProcess, openBank } from '../../../durability/bank.ts';
import { Tpp } from '../../../durability/tpp.ts';
import { NO_SOFT_HSM, TestToken } from './soft-hsm.ts';

const run = promisify(execFile);
const MAIN = new URL('../../../../src/cli/main.ts', import.meta.url).pathname;

/** The process of the token, of a server process. */
async function tokenProcessOf(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  const named = await Promise.all(
    children.map(async (one) => ({ one, line: await readFile(`/proc/${one}/cmdline`, 'utf8') })),
  );
  return Number(named.find(({ line }) => line.includes('token-child'))?.one);
}

describe.skipIf(NO_SOFT_HSM !== undefined)('an authorization server whose keys are in a token', () => {
  let token: TestToken;
  let bank: Bank;
  let server: BankProcess;
  let tpp: Tpp;
  let stopped: number | undefined;
  const more = () => ({
    signingKeysFile: undefined,
    signingKeys: {
      pkcs11: {
        moduleFile: token.moduleFile,
        tokenLabel: token.label,
        pinFile: token.pinFile,
        timeoutMilliseconds: 500,
      },
    },
  });
  beforeAll(async () => {
    token = await TestToken.create();
    bank = await openBank();
    tpp = new Tpp(bank);
  });
  afterAll(async () => {
    tpp.close();
    await bank.close();
    await token.remove();
  });

  const clientCredentials = () =>
    tpp.post(server, '/token', { grant_type: 'client_credentials', scope: 'accounts' });

  it('gets its keys by `tallystick keys rotate`, and starts with them', async () => {
    const file = join(bank.folder, 'keys.json');
    await writeFile(file, JSON.stringify(bank.configuration({ front: 0, mtls: 0, health: 0 }, more())));
    const { stdout } = await run(process.execPath, [MAIN, 'keys', 'rotate', '--config', file]);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('  ')[2]),
    ).toEqual(['signing', 'signing']);
    expect(stdout).toContain('tallystick@');
    server = await bank.start(more());
    const { status, json } = await clientCredentials();
    expect(status).toBe(200);
    expect(stdout).toContain(String(decodeProtectedHeader(String(json.access_token)).kid));
  }, 90_000);

  it('refuses with 503 while the module hangs (SIGSTOP), serves others, and keeps the code for later (N15)', async () => {
    const code = await tpp.code(server);
    stopped = await tokenProcessOf(server.child.pid ?? 0);
    process.kill(stopped, 'SIGSTOP');
    const first = await clientCredentials();
    expect([first.status, Number(first.headers['retry-after']) > 0]).toEqual([503, true]);
    expect(first.json.error_description).toContain('ERR_SIGNING_UNAVAILABLE');
    // Known by now: the module cannot sign.
    const asked = await Promise.all([tpp.exchange(server, code), tpp.code(server), clientCredentials()]);
    expect([asked[0].status, typeof asked[1].code]).toEqual([503, 'string']);
    await expect.poll(async () => (await clientCredentials()).status).toBe(200);
    expect((await tpp.exchange(server, code)).status).toBe(200);
    // The server has killed it.
    expect(() => process.kill(stopped ?? 0, 'SIGKILL')).toThrow('ESRCH');
  });

  it('comes back by itself when the process of the module was killed, and keeps the code for later', async () => {
    const code = await tpp.code(server);
    process.kill(await tokenProcessOf(server.child.pid ?? 0), 'SIGKILL');
    await expect.poll(async () => (await clientCredentials()).status, { interval: 20 }).toBe(503);
    const [exchanged, pushed] = await Promise.all([tpp.exchange(server, code), tpp.pushed(server)]);
    expect(pushed.requestUri).toMatch(/^urn:/);
    // The new process may be there already.
    if (exchanged.status !== 200) {
      expect([exchanged.status, exchanged.json.error]).toEqual([503, 'temporarily_unavailable']);
      await expect.poll(async () => (await clientCredentials()).status, { timeout: 15_000 }).toBe(200);
      expect((await tpp.exchange(server, code)).status).toBe(200);
    }
  }, 30_000);
});
