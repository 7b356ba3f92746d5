import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { walkPages } from '../../src/sandbox/demo/demo-browser.ts';
import { answerOnPhone } from '../../src/sandbox/demo/phone.ts';
import { confirmedBy } from '../../src/sandbox/demo/second-element.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';
import { blocksOf, readPage } from './pages.ts';

const hasTools = ['curl', 'openssl'].every((tool) => spawnSync(tool, ['version']).error === undefined);

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox({ strongAuthentication: true });
});
afterAll(() => sandbox.stop());

/** The lines of the page as one script, at the addresses of this sandbox; the code comes from the test. */
function scriptOfPage(): string {
  const { issuer, mtlsUrl, resourceUrl } = sandbox.description;
  const lines = blocksOf(readPage('docs/first-payment.md')).map(({ code }) => code);
  return lines
    .filter((code) => !code.startsWith('npm'))
    .join('\n')
    .replace('cd .tallystick', `cd '${sandbox.folder}'`)
    .replace('CODE=…', 'read -r CODE')
    .replaceAll('https://localhost:8443', issuer)
    .replaceAll('https://localhost:8444', mtlsUrl)
    .replaceAll('https://localhost:8445', resourceUrl);
}

/** A person with a browser and a phone. */
function approve(address: string): Promise<URL> {
  const { description } = sandbox;
  const [alice] = description.customers;
  if (alice === undefined) throw new Error('there is no customer');
  const { username } = alice;
  const second = confirmedBy((comparison) => answerOnPhone(description, 'approve', { username, comparison }));
  const answer = { decision: 'allow', ...alice, second } as const;
  return walkPages(new URL(address), { caFile: description.caFile, answer });
}

describe('docs/first-payment.md', () => {
  it.skipIf(!hasTools)('has lines that pay once, and as the customer approved', async () => {
    const shell = spawn('sh', ['-c', scriptOfPage()], { stdio: ['pipe', 'pipe', 'inherit'] });
    const printed: string[] = [];
    for await (const line of createInterface({ input: shell.stdout })) {
      if (line.includes('/authorize?')) {
        const callback = await approve(line);
        shell.stdin.end(`${callback.searchParams.get('code')}\n`);
      } else if (line !== '') printed.push(line);
    }
    if (shell.exitCode === null) await once(shell, 'exit');
    const answers = printed.map((line) => JSON.parse(line) as Record<string, string>);
    expect(answers.map(({ error, status }) => error ?? status)).toEqual([
      'consent_mismatch',
      'settled',
      'invalid_token',
    ]);
    expect(answers[2]?.error_description).toContain('ERR_TOKEN_REVOKED');
  });
});
