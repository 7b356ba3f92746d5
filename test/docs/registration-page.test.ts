import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';
import { blocksOf, readPage } from './pages.ts';

const hasCurl = spawnSync('curl', ['--version']).error === undefined;

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

/** The shell lines of the page as one script, at the addresses of this sandbox. */
function scriptOfPage(): string {
  const { mtlsUrl, registers } = sandbox.description;
  return blocksOf(readPage('docs/registration.md'))
    .filter(({ language }) => language === 'sh')
    .map(({ code }) => code)
    .join('\n')
    .replace('cd .tallystick', `cd '${sandbox.folder}'`)
    .replaceAll(' node -e', ` '${process.execPath}' -e`)
    .replaceAll('https://localhost:8444', mtlsUrl)
    .replaceAll('https://127.0.0.1:8448', new URL(registers?.softwareDirectoryUrl ?? '').origin);
}

describe('docs/registration.md', () => {
  it.skipIf(!hasCurl)(
    'has lines that register, use and delete a client, and register as in the UK',
    async () => {
      const { stdout } = await promisify(execFile)('sh', ['-ec', scriptOfPage()]);
      const answers = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(answers.map(({ error, token_type: type, profile }) => error ?? type ?? profile)).toEqual([
        'fapi2-security',
        'Bearer',
        'Bearer',
        'invalid_client',
        'uk-open-banking',
        'unapproved_software_statement',
      ]);
    },
  );
});
