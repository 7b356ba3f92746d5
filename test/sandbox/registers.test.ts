import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { keptState, pathsOf } from '../../src/sandbox/folder.ts';
import { silentLog } from '../../src/events.ts';
import { openRegisterService } from '../../src/sandbox/registers/register-service.ts';
import { choosePorts } from '../../src/sandbox/ports.ts';
import { readRegistersState } from '../../src/sandbox/registers/publication.ts';
import { withdrawIssuer, withdrawTpp } from '../../src/sandbox/registers/withdrawal.ts';
import { revokeInSandbox } from '../../src/sandbox/revocation/revoke.ts';
import { type RunningSandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { layFolder } from './made-folders.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const free = { front: 0, mtls: 0, resource: 0, tpp: 0 };
let folder: string;
let sandbox: RunningSandbox;
let freeFolder: () => Promise<void>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-registers-'));
  freeFolder = await layFolder(folder);
  sandbox = await startSandbox({ folder, ports: free });
});
afterAll(async () => {
  await sandbox.close();
  await freeFolder();
  await rm(folder, { recursive: true, force: true });
});

/** A command, with its exit code. */
async function tallystick(...flags: readonly string[]) {
  const run = promisify(execFile)(process.execPath, [MAIN, ...flags]);
  const { stdout, stderr } = await run.catch((error: { stdout: string; stderr: string }) => error);
  return { code: run.child.exitCode, stdout, stderr };
}

/** `granted`, or the code in the refusal of a token request. */
async function answerTo(name: string): Promise<string> {
  const { description } = sandbox;
  const tpp = await connectTpp({ description, tpp: tppNamed(description, name) });
  try {
    await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    return 'granted';
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    return /ERR_\w+/.exec(error.error_description ?? '')?.[0] ?? 'refused without a code';
  } finally {
    await tpp.close();
  }
}

/** The answer, as soon as it is the expected one. */
async function answerSoon(name: string, expected: string): Promise<string> {
  for (let tries = 0; tries < 150; tries += 1) {
    if ((await answerTo(name)) === expected) return expected;
    await sleep(200);
  }
  return answerTo(name);
}

async function fetched(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const dispatcher = new Agent({ connect: { ca: await readFile(sandbox.description.caFile, 'utf8') } });
  try {
    const response = await fetch(url, { dispatcher });
    return { status: response.status, text: await response.text() };
  } finally {
    await dispatcher.close();
  }
}

describe('the registers of the sandbox', () => {
  it('decide about their TPPs, beside the list of the bank', async () => {
    expect(await answerTo('travel-pay')).toBe('granted');
    expect(await answerTo('home-pay')).toBe('ERR_TPP_NOT_PASSPORTED');
    expect(await answerTo('directory-pay')).toBe('granted');
    expect(await answerTo('money-one')).toBe('granted');
    expect(await answerTo('gone-fintech')).toBe('ERR_TPP_NOT_AUTHORIZED');
  });

  it('are shown by the commands beside the running sandbox', async () => {
    const status = await tallystick('trust-list', 'status', '--sandbox', folder, '--json');
    expect(status.code).toBe(0);
    const territories = (JSON.parse(status.stdout) as { lists: { territory: string; issuers: number }[] })
      .lists;
    expect(territories.map(({ territory, issuers }) => [territory, issuers])).toEqual([
      ['EU', 0],
      ['IE', 1],
      ['DE', 1],
    ]);
    const sources = await tallystick('registry', 'status', '--sandbox', folder);
    expect([sources.code, sources.stdout]).toEqual([
      0,
      expect.stringContaining('EBA register: 2 institutions'),
    ]);
    const show = await tallystick('registry', 'show', 'PSDIE-CBI-C900101', '--sandbox', folder);
    expect([show.code, show.stdout]).toEqual([0, expect.stringContaining('IE, also in GB: PSP_PI PSP_AI')]);
    const difference = await tallystick('registry', 'diff', '--sandbox', folder);
    expect(difference.stdout).toContain('0 of 8 TPPs with clients here change');
  }, 60_000);

  it('withdraw a TPP and take it back by a command, for a running sandbox and its next start', async () => {
    const withdrawn = await tallystick('sandbox', 'withdraw', 'PSDIE-CBI-C900101', '--dir', folder);
    expect(withdrawn).toMatchObject({ code: 0, stdout: 'withdrawn: PSDIE-CBI-C900101\n' });
    expect(await answerSoon('travel-pay', 'ERR_TPP_NOT_AUTHORIZED')).toBe('ERR_TPP_NOT_AUTHORIZED');
    const { description } = sandbox;
    await sandbox.close();
    sandbox = await startSandbox({ folder, ports: free });
    expect(sandbox.description).toEqual(description);
    expect(await answerTo('travel-pay')).toBe('ERR_TPP_NOT_AUTHORIZED');
    await withdrawTpp(folder, 'directory-pay', { at: new Date() });
    await withdrawTpp(folder, 'travel-pay', { at: new Date(), isUndone: true });
    expect(await answerSoon('directory-pay', 'ERR_TPP_NOT_AUTHORIZED')).toBe('ERR_TPP_NOT_AUTHORIZED');
    expect(await answerSoon('travel-pay', 'granted')).toBe('granted');
  }, 90_000);

  it('withdraw an issuer and take it back by a command', async () => {
    const withdrawn = await tallystick('sandbox', 'withdraw-issuer', 'qtsp-ie', '--dir', folder);
    expect(withdrawn).toMatchObject({ code: 0, stdout: 'withdrawn: qtsp-ie\n' });
    const refused = 'ERR_CERT_ISSUER_NOT_QUALIFIED';
    expect(await answerSoon('travel-pay', refused)).toBe(refused);
    expect(await answerTo('money-one')).toBe('granted');
    await withdrawIssuer(folder, 'qtsp-ie', { at: new Date(), isUndone: true });
    expect(await answerSoon('travel-pay', 'granted')).toBe('granted');
  }, 90_000);

  it.each<[flags: readonly string[], said: string]>([
    [['withdraw', 'money-one'], "is in the bank's own list"],
    [['withdraw', 'PSDIE-CBI-C1'], 'must be one of PSDIE-CBI-C900101, PSDDE-BAFIN-900102, PSDGB-FCA-900103'],
    [['withdraw-issuer', 'former-qtsp-de'], 'must be one of qtsp-ie, qtsp-de'],
  ])(
    'refuse to `sandbox %j`',
    async (flags, said) => {
      const before = await readRegistersState(folder);
      const refused = await tallystick('sandbox', ...flags, '--dir', folder);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(said)]);
      expect(await readRegistersState(folder)).toEqual(before);
    },
    30_000,
  );

  it('are no use to a folder without a sandbox', async () => {
    const options = { at: new Date() };
    const refusal = { code: 'ERR_CONFIG_INVALID' };
    await expect(withdrawTpp(join(folder, 'none'), 'travel-pay', options)).rejects.toMatchObject(refusal);
    await expect(withdrawIssuer(join(folder, 'none'), 'qtsp-ie', options)).rejects.toMatchObject(refusal);
  });

  it('serve their files, and no other file of the folder', async () => {
    const { ebaRegisterUrl = '', listOfListsUrl = '' } = sandbox.description.registers ?? {};
    const metadata = JSON.parse((await fetched(ebaRegisterUrl)).text);
    const downloads = metadata.golden_copy_path_context;
    expect((await fetched(`${downloads}${metadata.latest_version_relative_zip_path}`)).status).toBe(200);
    expect((await fetched(listOfListsUrl)).text).toContain('<SchemeTerritory>EU</SchemeTerritory>');
    const others = [
      `${downloads}eba-register.json`,
      `${downloads}..%2Fserver.key`,
      `${downloads}download-PSDMD-20200101000000-00000000.zip`,
      new URL('FR.xml', listOfListsUrl).href,
      new URL('..%2Fstate.xml', listOfListsUrl).href,
    ];
    const statuses = await Promise.all(others.map(async (url) => (await fetched(url)).status));
    expect(statuses).toEqual(others.map(() => 404));
  });

  it('say nothing in the log with each refresh', async () => {
    const events = (await readFile(sandbox.logFile, 'utf8')).match(/"event":"[^"]+"/g) ?? [];
    expect(events).toContain('"event":"server.started"');
    // A refresh that a busy machine delays is no such one: its event is an alarm.
    const ofRefresh = /(?:eba-register|uk-directory)\.(?:loaded|renewed)|trusted-list\.renewed|lists\.loaded/;
    expect(events.filter((event) => ofRefresh.test(event))).toEqual([]);
  });

  it("revoke a QTSP's certificates as those of the sandbox's own CA", async () => {
    const target = { tpp: 'travel-pay' };
    await revokeInSandbox(folder, { target, at: new Date(), reason: 'cessationOfOperation' });
    expect(await answerSoon('travel-pay', 'ERR_CERT_REVOKED')).toBe('ERR_CERT_REVOKED');
  }, 60_000);
});

it('does not start on a port of the register that another process has', async () => {
  const { ebaRegisterUrl = '' } = sandbox.description.registers ?? {};
  const url = new URL(new URL(ebaRegisterUrl).origin);
  await expect(openRegisterService(folder, { url, log: silentLog, tpps: [] })).rejects.toMatchObject({
    code: 'ERR_CONFIG_INVALID',
  });
});

it('makes a folder of an earlier release anew', async () => {
  const old = await mkdtemp(join(tmpdir(), 'tallystick-old-'));
  const { state, kept } = pathsOf(old);
  await writeFile(state, JSON.stringify({ version: 2, notAfter: '2099-01-01T00:00:00Z', ports: {} }));
  await writeFile(kept.trustedLists, '');
  expect(await keptState(old, { isReset: false, now: new Date() })).toBeUndefined();
  expect([state, kept.trustedLists].filter((path) => existsSync(path))).toEqual([]);
  await rm(old, { recursive: true });
});

it('moves the register to another port when the one of the last run is taken, unless that one is asked for', async () => {
  const other = createServer();
  const register = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  const ports = await choosePorts(free, { register });
  expect(ports.register).not.toBe(register);
  expect((await choosePorts({ ...free, register }, {})).register).toBe(register);
  await new Promise((resolve) => other.close(resolve));
  expect((await choosePorts(free, { register })).register).toBe(register);
});
