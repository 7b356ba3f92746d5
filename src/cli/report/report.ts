import { Command, Option } from 'commander';
import type { ReportFlags } from './report-text.ts';

/** `tallystick report`: what an operator should know before it happens. */
export function reportCommand(): Command {
  return new Command('report').description('problems of the days ahead').addCommand(
    new Command('certificates')
      .description('the TPP certificates seen in the last 90 days; exit code 1 when one has a problem')
      .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
      .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration')
      .addOption(new Option('--json', 'as JSON').conflicts('csv'))
      .option('--csv', 'as CSV')
      .action(async (flags: ReportFlags) => {
        const { printCertificates } = await import('./report-text.ts');
        if (!(await printCertificates(flags))) process.exitCode = 1;
      }),
  );
}
