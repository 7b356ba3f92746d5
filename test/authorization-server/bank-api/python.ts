import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./bank_app.py', import.meta.url));
/** Debian's own first: CI installs the package there. */
const PYTHON = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', 'import requests']).status === 0,
);

export const isPythonMissing = PYTHON === undefined;
if (isPythonMissing && process.env.CI !== undefined) throw new Error('CI must have python3-requests');
/** For the title of tests that need Python. */
export const pythonNote = isPythonMissing
  ? ' [skipped: there is no python3 with requests on this machine]'
  : '';

function start(part: 'app' | 'core', settings: object): ChildProcess {
  const child = spawn(PYTHON ?? 'python3', [PROGRAM, part], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin?.write(`${JSON.stringify(settings)}\n`);
  return child;
}

/** The application of the bank, which ends with `close`, or with this process. */
export async function startPythonApp(settings: object): Promise<{ close(): Promise<void> }> {
  const child = start('app', settings);
  const ended = once(child, 'exit').then(() => 'ended');
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [first] = (await Promise.race([once(lines, 'line'), ended])) as readonly string[];
  if (first !== 'ready') throw new Error('the application of the bank has not started');
  return {
    close: async () => {
      child.stdin?.end();
      await ended;
    },
  };
}

/** Runs the core of the bank, and returns the JSON that it prints. */
export async function runPythonCore(settings: object): Promise<unknown> {
  const child = start('core', settings);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the core of the bank ended with ${code}`);
  return JSON.parse(text);
}
