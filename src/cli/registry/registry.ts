import { Command, Option } from 'commander';
import type { RegistryFlags } from './registry-report.ts';

/** `tallystick registry`: the sources that decide who may act. */
export function registryCommand(): Command {
  return new Command('registry')
    .description('the registers that decide which TPP may act')
    .addCommand(
      configured('status')
        .description('each source, its age and its size; exit code 1 when one is overdue')
        .action(async (flags: RegistryFlags) => {
          const { printSources } = await import('./registry-report.ts');
          if (!(await printSources(flags))) process.exitCode = 1;
        }),
    )
    .addCommand(
      configured('show')
        .description('each source about one TPP, and the decision; exit code 1 when it may not act')
        .argument('<number>', 'the organization identifier, such as PSDIE-CBI-C58301')
        .action(async (number: string, flags: RegistryFlags) => {
          const { printTpp } = await import('./registry-report.ts');
          if (!(await printTpp(number, flags))) process.exitCode = 1;
        }),
    )
    .addCommand(
      configured('fetch')
        .description('ask the public registers now; running servers use the new copies at once')
        .action(async (flags: RegistryFlags) => {
          const { fetchRegister } = await import('./registry-update.ts');
          if (!(await fetchRegister(flags))) process.exitCode = 1;
        }),
    )
    .addCommand(
      configured('import')
        .description(
          'read a copy that was fetched elsewhere: a ZIP of the EBA register, or a JSON list of the UK directory',
        )
        .argument('<file>', 'such as download-PSDMD-202611290000.zip, or OBThirdPartyProviders.json')
        .option('--date <date>', 'the date of the copy, 2026-11-29; default: the one of the file name')
        .action(async (file: string, flags: RegistryFlags & { readonly date?: string }) => {
          const { importRegister } = await import('./registry-update.ts');
          await importRegister(file, flags);
        }),
    )
    .addCommand(
      configured('diff')
        .description('the changes that a newer copy makes for the clients registered here')
        .argument(
          '[file]',
          'a ZIP of the EBA register, or a JSON list of the UK directory; default: the newest copies, asked for now',
        )
        .action(async (file: string | undefined, flags: RegistryFlags) => {
          const { printDifference } = await import('./registry-difference.ts');
          await printDifference(file, flags);
        }),
    );
}

function configured(name: string): Command {
  return new Command(name)
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration')
    .option('--json', 'as JSON');
}
