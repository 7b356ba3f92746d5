import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failureLines } from '../../src/cli/failure.ts';

const fileOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const run = promisify(execFile);

async function listen(port: number, host: string): Promise<unknown> {
  const server = createServer();
  server.listen(port, host);
  return once(server, 'listening').then(
    () => server,
    (error: unknown) => error,
  );
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-failure-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The command under a Node that says it is of this release. */
function runOn(release: string, folder: string, ...command: readonly string[]) {
  const pretend = join(folder, 'pretend.cjs');
  const versions = `Object.defineProperty(process, 'versions', { value: { node: '${release}' } });`;
  return writeFile(pretend, versions).then(() =>
    run(process.execPath, ['-r', pretend, ...command]).catch(
      (error: { code: number; stderr: string }) => error,
    ),
  );
}

describe('a command that cannot start', () => {
  it('names the port in use, and where another one is chosen', async () => {
    const first = createServer();
    onTestFinished(() => void first.close());
    await once(first.listen(0, '127.0.0.1'), 'listening');
    const { port } = first.address() as AddressInfo;
    expect(failureLines(await listen(port, '127.0.0.1'))).toEqual([
      expect.stringMatching(new RegExp(`^Port ${port} of 127.0.0.1 is in use. .*configuration.*flag`)),
    ]);
  });

  it('says that an address of IPv6 is none of this machine', async () => {
    expect(failureLines(await listen(0, '2001:db8::1'))).toEqual([
      expect.stringMatching(/^The address 2001:db8::1 is none of this machine's: .*0\.0\.0\.0/),
    ]);
  });

  it('names a file in one line, without a stack trace', async () => {
    const folder = await temporaryFolder();
    const missing = join(folder, 'nothing');
    const error = await readFile(missing).catch((cause: unknown) => cause);
    expect(failureLines(error)).toEqual([`${missing}: no such file or directory (open)`]);
  });

  it('ends at once with one line when the folder of the sandbox is a file', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'file');
    await writeFile(file, '');
    const command = [fileOf('src/cli/main.ts'), 'sandbox', '--dir', file];
    const ended = await run(process.execPath, command).catch((error: unknown) => error);
    expect(ended).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(new RegExp(`^${file}: [^\\n]*\\n$`)),
    });
  });

  it('ends with one line on a Node that is too old, also as TypeScript', async () => {
    const folder = await temporaryFolder();
    const old = { code: 2, stderr: expect.stringMatching(/^[^\n]*needs Node 24 or later[^\n]*\n$/) };
    const guard = fileOf('scripts/node-release.cjs');
    expect(await runOn('20.20.2', folder, '-r', guard, fileOf('src/cli/main.ts'))).toMatchObject(old);
    expect(await runOn('22.23.3', folder, fileOf('src/cli/main.ts'))).toMatchObject(old);
  });
});
