import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { DemoStep } from '../sandbox/demo/walk.ts';
import { requireSandboxPackages } from './sandbox-packages.ts';
import { readDescription, type SandboxDescription } from '../sandbox/folder.ts';

/** `tallystick demo`: runs the flows of a TPP against a running sandbox, or against a sandbox that it starts. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('walk as a TPP would, one line a step; exit code 1 when a step did not do what it should')
    .option('--dir <folder>', 'the folder of the sandbox', '.tallystick')
    .option('--json', 'one JSON line a step')
    .action(async (flags: { readonly dir: string; readonly json?: true }, command: Command) => {
      requireSandboxPackages(command);
      const running = await runningSandbox(flags.dir);
      const isRight = running === undefined ? await withOwnSandbox(flags) : await walk(running, flags);
      if (!isRight) process.exitCode = 1;
    });
}

async function walk(description: SandboxDescription, flags: { readonly json?: true }): Promise<boolean> {
  const { runDemo } = await import('../sandbox/demo/demo.ts');
  let part = '';
  const isRight = await runDemo(description, (step) => {
    if (flags.json !== true && step.part !== part) {
      console.log(`${part === '' ? '' : '\n'}${styleText('bold', step.part)}`);
    }
    part = step.part;
    console.log(flags.json === true ? JSON.stringify(step) : lineOf(step));
  });
  if (flags.json !== true) {
    console.log(isRight ? '\nEvery step did what it should.' : '\nA step did not do what it should.');
  }
  return isRight;
}

async function withOwnSandbox(flags: { readonly json?: true }): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-demo-'));
  if (flags.json !== true) console.log('No sandbox is running: starting one for this walk.\n');
  const { startSandbox } = await import('../sandbox/sandbox.ts');
  const sandbox = await startSandbox({
    folder,
    ports: { front: 0, mtls: 0, resource: 0, tpp: 0 },
    strongAuthentication: true,
  });
  try {
    return await walk(sandbox.description, flags);
  } finally {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The sandbox of the folder if something answers at its issuer. */
async function runningSandbox(folder: string): Promise<SandboxDescription | undefined> {
  const description = await readDescription(folder);
  if (description === undefined) return undefined;
  const socket = connect(Number(new URL(description.issuer).port), '127.0.0.1');
  const isListening = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isListening ? description : undefined;
}

/** One line of a terminal for a step that went right; the whole answer of another, and in a pipe. */
function lineOf({ title, isRight, happened }: DemoStep): string {
  const mark = isRight ? styleText('green', '✓') : styleText('red', '✗');
  const text = `${title}: ${happened}`;
  const room = process.stdout.isTTY && isRight ? (process.stdout.columns || 80) - 2 : text.length;
  return `${mark} ${text.length > room ? `${text.slice(0, room - 1)}…` : text}`;
}
