import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCommand } from '../../conformance/command-options.ts';
import { startStubSuite, type StubSuite } from './stub-suite.ts';

const script = fileURLToPath(new URL('../../conformance/run.ts', import.meta.url));
const odd = { result: 'WARNING', src: 'Odd', msg: 'is odd', requirements: [] };
const entry = {
  combinations: 'cc-*',
  modules: '*odd',
  result: 'WARNING',
  conditions: ['Odd'],
  because: 'the stub of the suite ends like this',
};
const because = 'another thing that never happens';
let folder: string;
let good: StubSuite;
let bad: StubSuite;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-conformance-'));
  good = await startStubSuite(
    [
      { name: 'good', result: 'PASSED' },
      { name: 'odd', result: 'WARNING', log: [odd] },
    ],
    { token: 'a-token' },
  );
  bad = await startStubSuite([{ name: 'good', result: 'FAILED' }]);
});
afterAll(async () => {
  await Promise.all([good.close(), bad.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command in a process of its own, with a folder of its own. */
async function command(name: string, stub: URL, expected: readonly unknown[], ...more: readonly string[]) {
  const at = (file: string) => join(folder, name, file);
  const page = join(folder, `${name}.md`);
  await writeFile(page, '# Page\n<!-- results -->\n<!-- /results -->\n');
  await writeFile(join(folder, `${name}.json`), JSON.stringify(expected));
  const flags = ['--output', join(folder, name), '--page', page, '--expected', join(folder, `${name}.json`)];
  const words = [
    script,
    '--suite',
    stub.href,
    '--keys',
    'ES256',
    '--combinations',
    'cc-mtls-mtls',
    ...flags,
    ...more,
  ];
  const env = { ...process.env, CONFORMANCE_TOKEN: 'a-token' };
  const { code, output } = await new Promise<{ readonly code: unknown; readonly output: string }>(
    (resolve) => {
      execFile(process.execPath, words, { env }, (error, out, err) => {
        resolve({ code: error?.code ?? 0, output: out + err });
      });
    },
  );
  const read = (file: string) => readFile(file, 'utf8').catch(() => '');
  return { code, output, page: await read(page), junit: await read(at('junit.xml')), at };
}

describe('npm run conformance', () => {
  it('starts a server, runs the plan, writes page and JUnit, and ends with 0 when all is as expected', async () => {
    const { code, output, page, junit, at } = await command('good', good.url, [entry]);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain('1 combinations, 2 modules, 0 not as expected');
    expect(page).toMatch(/\| `cc-mtls-mtls` \| 2 \| 1 \| 0 \| 0 \| 1 \| 0 \| 0 \| \d+ \| [0-9a-f]{10}\+? \|/);
    expect(junit).toContain('tests="2" failures="0"');
    const configuration = JSON.parse(await readFile(at('cc-mtls-mtls.configuration.json'), 'utf8'));
    expect(configuration).toMatchObject({ alias: 'tallystick-cc-mtls-mtls' });
    expect(new Set(good.calls.map(({ name }) => name))).toContain('POST plan');
  });

  it('ends with 1 for an ending that is not expected, and for an expectation of no use', async () => {
    const { code, output, page, junit } = await command('bad', bad.url, [
      { ...entry, combinations: 'cc-mtls-mtls', because },
    ]);
    expect({ code, output }).toMatchObject({ code: 1 });
    expect(output).toContain('cc-mtls-mtls good: FAILED is not expected');
    expect(output).toContain('an expectation is of no use: cc-mtls-mtls *odd');
    expect(page).toContain('| `cc-mtls-mtls` | 1 | 0 | 0 | 0 | 0 | 1 | 0 |');
    expect(junit).toContain('failures="1"');
  });

  it('ends with 2 for settings that the server refuses', async () => {
    const settings = join(folder, 'settings.yaml');
    await writeFile(settings, 'accessToken: { lifetimeSeconds: 90000 }\n');
    const { code, output } = await command('settings', good.url, [entry], '--settings', settings);
    expect({ code, output }).toMatchObject({ code: 2 });
    expect(output).toContain('accessToken.lifetimeSeconds');
  });

  it('serves with --serve until it is interrupted, with a configuration for each combination', async () => {
    const at = join(folder, 'served');
    const words = [script, '--suite', 'https://localhost:9', '--serve', '--no-page', '--keys', 'ES256'];
    const served = spawn(process.execPath, [...words, '--combinations', 'cc-*', '--output', at]);
    const ended = once(served, 'exit');
    let output = '';
    for await (const part of served.stdout) {
      output += String(part);
      if (output.includes('Ctrl+C')) served.kill('SIGINT');
    }
    expect(await ended).toEqual([0, null]);
    const configuration = await readFile(join(at, 'cc-jwt-mtls.configuration.json'), 'utf8');
    expect(JSON.parse(configuration)).toMatchObject({ alias: 'tallystick-cc-jwt-mtls' });
  });

  it('ends with 3 when no suite answers', async () => {
    const { code, output } = await command('none', new URL('https://localhost:9'), []);
    expect({ code, output }).toMatchObject({ code: 3 });
    expect(output).toMatch(/^no suite answers at https:\/\/localhost:9: /);
  });

  it.each([
    [['--suite', 'http://suite.example'], /--suite/],
    [[], /--suite/],
    [['--suite', 'https://suite.example', '--keys', 'RS256'], /--keys/],
    [['--suite', 'https://suite.example', '--alias', 'a/b'], /--alias/],
    [['--suite', 'https://suite.example', '--at-once', '0'], /--at-once/],
    [['--suite', 'https://suite.example', '--combinations', 'none'], /--combinations/],
    [['--suite', 'https://suite.example', '--unknown'], /--unknown/],
  ])('refuses the flags %j', (words, place) => {
    expect(() => parseCommand(words)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG_INVALID',
        details: expect.objectContaining({
          problems: [
            expect.toSatisfy((problem: unknown) => place.test(JSON.stringify(problem)), 'names the flag'),
          ],
        }),
      }),
    );
  });
});
