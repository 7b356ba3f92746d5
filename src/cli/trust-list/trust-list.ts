import { Command, Option } from 'commander';
import type { TrustListFlags } from './trust-list-report.ts';

/** `tallystick trust-list`: the EU trusted lists of a configuration. */
export function trustListCommand(): Command {
  return new Command('trust-list')
    .description('the EU trusted lists that choose the issuers of TPP certificates')
    .addCommand(
      configured('status')
        .description('each list, its age and its issuers; exit code 1 when a list is overdue')
        .action(async (flags: TrustListFlags) => {
          const { printStatus } = await import('./trust-list-report.ts');
          if (!(await printStatus(flags))) process.exitCode = 1;
        }),
    )
    .addCommand(
      configured('show')
        .description('the issuers for website authentication of a territory, or of all')
        .argument('[territory]', 'such as DE, or EL for Greece')
        .action(async (territory: string | undefined, flags: TrustListFlags) => {
          const { printIssuers } = await import('./trust-list-report.ts');
          await printIssuers(territory, flags);
        }),
    )
    .addCommand(
      configured('fetch')
        .description('fetch and prove every list now; running servers use them at once')
        .action(async (flags: TrustListFlags) => {
          const { fetchLists } = await import('./trust-list-report.ts');
          if (!(await fetchLists(flags))) process.exitCode = 1;
        }),
    )
    .addCommand(
      configured('import')
        .description('prove lists that were fetched elsewhere, and put them into the folder')
        .argument('<file...>', 'eu-lotl.xml, its pivots under their own names, national lists')
        .action(async (files: readonly string[], flags: TrustListFlags) => {
          const { importFiles } = await import('./trust-list-report.ts');
          await importFiles(files, flags);
        }),
    );
}

function configured(name: string): Command {
  return new Command(name)
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration')
    .option('--json', 'as JSON');
}
