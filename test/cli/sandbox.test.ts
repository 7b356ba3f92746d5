import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../src/sandbox/demo/demo-browser.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { answerOnPhone } from '../../src/sandbox/demo/phone.ts';
import { confirmedBy } from '../../src/sandbox/demo/second-element.ts';
import { DEMO_REDIRECT_URI, type SandboxDescription } from '../../src/sandbox/folder.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'tallystick-cli-')), 'a folder with spaces');
});
afterAll(() => rm(join(folder, '..'), { recursive: true, force: true }));

interface Running {
  readonly child: ChildProcess;
  readonly output: string;
}

const FREE_PORTS = ['--port', '0', '--mtls-port', '0', '--resource-port', '0', '--tpp-port', '0'];

/** The command as a user starts it, until it says that it is ready. */
function start(ports: readonly string[] = FREE_PORTS, flags: readonly string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [MAIN, 'sandbox', '--dir', folder, ...ports, ...flags]);
  return new Promise((resolve, reject) => {
    let output = '';
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Stop with Ctrl+C')) resolve({ child, output });
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`exit ${code}: ${output}`)));
  });
}

function stop({ child }: Running): Promise<number | null> {
  return new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', (code) => resolve(code));
    child.kill('SIGTERM');
  });
}

async function described(): Promise<SandboxDescription> {
  return JSON.parse(await readFile(join(folder, 'sandbox.json'), 'utf8'));
}

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('tallystick sandbox and demo', () => {
  it('prints curl lines that work, and demos with the same clients and tokens after a restart', async () => {
    const redirectUris = ['https://foreign.example/cb?x=1', DEMO_REDIRECT_URI];
    const first = await start(
      FREE_PORTS,
      redirectUris.flatMap((uri) => ['--redirect-uri', uri]),
    );
    const before = await described();
    expect((await stat(join(folder, 'tallystick.sqlite'))).mode & 0o077).toBe(0);
    if (hasCurl) {
      const [bound = '', stolen = ''] = first.output.split('\n').filter((line) => line.startsWith('ANSWER='));
      const works = await run('sh', ['-c', bound]);
      expect(works.stdout).toMatch(/"accounts":\[\][\s\S]*HTTP 200/);
      const refused = await run('sh', ['-c', stolen]);
      expect(refused.stdout).toMatch(/ERR_TOKEN_BINDING[\s\S]*HTTP 401/);
    }
    const walked = await run(process.execPath, [MAIN, 'demo', '--dir', folder]);
    expect(walked.stdout).toContain('Every step did what it should.');
    expect(walked.stdout).not.toContain('✗');
    expect(walked.stdout).toMatch(/✓ tallystick audit verify: whole: \d{3,} lines of 1 process/);
    const { refreshToken, accessToken } = await consentedTokens(before);
    expect(await stop(first)).toBe(0);
    const record = await run(process.execPath, [MAIN, 'audit', 'verify', '--sandbox', folder]);
    expect(record.stdout).toMatch(/^✓ whole: \d{3,} lines of 1 processes in 1 files/);

    // Without a flag each port is the one of the last run.
    const second = await start([]);
    const after = await described();
    expect(after).toEqual(before);
    expect(tppNamed(after, 'money-one').clients.tls_client_auth.redirect_uris).toEqual([
      DEMO_REDIRECT_URI,
      `${after.tppUrl}/callback`,
      'https://foreign.example/cb?x=1',
    ]);
    const tpp = await connectTpp({ description: after, tpp: tppNamed(after, 'money-one') });
    const called = await tpp.call('/accounts', accessToken);
    expect([called.status, (called.body.accounts as unknown[]).length]).toEqual([200, 2]);
    expect((await oauth.refreshTokenGrant(tpp.config, refreshToken)).access_token).toBeTypeOf('string');
    await tpp.close();
    const demo = await run(process.execPath, [MAIN, 'demo', '--dir', folder, '--json']);
    const steps = demo.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(steps.length).toBeGreaterThan(20);
    expect(steps.filter((step) => !step.isRight)).toEqual([]);
    const parts = steps.map(({ part }) => part);
    expect(parts).toContain('A payment that a passkey confirms');
    expect(parts.filter((part) => part === 'A TPP that registers its clients by itself').length).toBe(29);
    expect(await stop(second)).toBe(0);

    const third = await start(FREE_PORTS, ['--reset']);
    const anew = await described();
    expect(await readFile(anew.caFile, 'utf8')).not.toBe('');
    const stale = await connectTpp({ description: anew, tpp: tppNamed(anew, 'money-one') });
    await expect(oauth.refreshTokenGrant(stale.config, refreshToken)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await stale.close();
    expect(await stop(third)).toBe(0);
  }, 240_000);

  it('starts its own sandbox for the demo when none is running', async () => {
    const demo = await run(process.execPath, [MAIN, 'demo', '--dir', join(folder, 'none')]);
    expect(demo.stdout).toContain('Every step did what it should.');
  }, 150_000);

  it('tells wrong usage with exit code 2, and a port that is taken in words', async () => {
    const usage = spawnSync(process.execPath, [MAIN, 'sandbox', '--port', 'many'], { encoding: 'utf8' });
    expect([usage.status, usage.stderr]).toEqual([2, expect.stringContaining('must be a port number')]);
    const unknown = spawnSync(process.execPath, [MAIN, 'sandbx'], { encoding: 'utf8' });
    expect(unknown.status).toBe(2);
    const config = spawnSync(process.execPath, [MAIN, 'serve', '--config', join(folder, 'nothing.yaml')], {
      encoding: 'utf8',
    });
    expect([config.status, config.stderr]).toEqual([2, expect.stringContaining('cannot be read: ENOENT')]);
    const running = await start();
    const { port } = new URL((await described()).issuer);
    const taken = spawnSync(
      process.execPath,
      [
        MAIN,
        'sandbox',
        '--dir',
        join(folder, 'other'),
        '--port',
        port,
        '--mtls-port',
        '0',
        '--resource-port',
        '0',
        '--tpp-port',
        '0',
      ],
      { encoding: 'utf8' },
    );
    expect([taken.status, taken.stderr]).toEqual([3, expect.stringContaining('Choose another port')]);
    const second = [MAIN, 'sandbox', '--dir', folder, '--port', '0', '--reset'];
    const refused = spawnSync(process.execPath, second, { encoding: 'utf8' });
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringContaining(`a sandbox runs in ${folder} (process ${running.child.pid})`),
    ]);
    const { refreshToken } = await consentedTokens(await described());
    expect(refreshToken).not.toBe('');
    expect(await stop(running)).toBe(0);
  }, 60_000);
});

async function consentedTokens(description: SandboxDescription) {
  const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
  const [customer] = description.customers;
  if (customer === undefined) throw new Error('no customer');
  const verifier = oauth.randomPKCECodeVerifier();
  const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const { username } = customer;
  const onPhone = confirmedBy((comparison) =>
    answerOnPhone(description, 'approve', { username, comparison }),
  );
  const callback = await walkPages(url, {
    caFile: description.caFile,
    answer: { decision: 'allow', ...customer, second: onPhone },
  });
  const tokens = await oauth.authorizationCodeGrant(tpp.config, callback, { pkceCodeVerifier: verifier });
  await tpp.close();
  return { refreshToken: tokens.refresh_token ?? '', accessToken: tokens.access_token };
}
