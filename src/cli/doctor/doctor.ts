import { styleText } from 'node:util';
import { Command } from 'commander';
import type { Finding } from './findings.ts';

interface Flags {
  readonly config: string;
  readonly json?: true;
}

/** `tallystick doctor`: everything that a server would meet, before it is started or while it runs. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check files, ports, store, registers, clock and process; exit code 1 when there is a problem',
    )
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { examine } = await import('./examination.ts');
      const findings = await examine(flags.config);
      const isGood = findings.every(({ level }) => level !== 'problem');
      if (flags.json === true) console.log(JSON.stringify({ isGood, findings }, undefined, 2));
      else for (const finding of findings) console.log(lineOf(finding));
      // The bank's module may hold the process. Standard output may be a pipe, which takes its time.
      process.stdout.write('', () => process.exit(isGood ? 0 : 1));
    });
}

const COLORS = { ok: 'green', warning: 'yellow', problem: 'red' } as const;
const LEVEL_WIDTH = 'problem'.length;

function lineOf({ level, check, message, advice }: Finding): string {
  const remedy = advice === undefined ? '' : ` → ${advice}`;
  return `${styleText(COLORS[level], level.padEnd(LEVEL_WIDTH))}  ${check}: ${message}${remedy}`;
}
