import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import { settingOption } from '../environment.ts';
import type { Finding } from './findings.ts';

interface Flags {
  readonly config: string;
  readonly gateway?: true;
  readonly set: readonly string[];
  readonly certificate: readonly string[];
  readonly json?: true;
}

/** `tallystick doctor`: everything that a server or a gateway would meet, before it is started or while it runs. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check files, ports, store, registers, clock and process; exit code 1 when there is a problem',
    )
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .option('--gateway', 'of `tallystick gateway`, in place of `serve`')
    .addOption(settingOption())
    .addOption(
      new Option('--certificate <file>', 'of a TPP, PEM: reach the responders that it names; repeatable')
        .argParser((file: string, earlier: readonly string[]) => [...earlier, file])
        .default([], 'none'),
    )
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const { examine, examineGateway } = await import('./examination.ts');
      const { config, set: settings, certificate: certificates } = flags;
      const findings = await (flags.gateway === true
        ? examineGateway(config, { settings })
        : examine(config, { settings, certificates }));
      const isGood = findings.every(({ level }) => level !== 'problem');
      if (flags.json === true) console.log(JSON.stringify({ isGood, findings }, undefined, 2));
      else for (const finding of findings) console.log(lineOf(finding));
      // The bank's module may hold the process. Standard output may be a pipe, which takes its time.
      process.stdout.write('', () => process.exit(isGood ? 0 : 1));
    });
}

const COLORS = { ok: 'green', warning: 'yellow', problem: 'red' } as const;
const LEVEL_WIDTH = 'problem'.length;

function lineOf(finding: Finding): string {
  const { level, check, message } = finding;
  const remedy = finding.level === 'ok' ? '' : ` → ${finding.advice}`;
  return `${styleText(COLORS[level], level.padEnd(LEVEL_WIDTH))}  ${check}: ${message}${remedy}`;
}
