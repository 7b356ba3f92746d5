import { CommanderError } from 'commander';
import { failureLines } from './failure.ts';
import { exitCodeOf } from './process.ts';
import { createProgram } from './program.ts';

/** Runs the command of the arguments. A failure ends the process, whatever has been opened until then. */
export async function run(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else {
      for (const line of failureLines(error)) console.error(line);
      process.exit(exitCodeOf(error));
    }
  }
}
