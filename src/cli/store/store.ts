import { Command } from 'commander';
import type { BackupFlags, CheckFlags, RestoreFlags } from './store-commands.ts';

/** `tallystick store`: copies of the SQLite store of a server. */
export function storeCommand(): Command {
  return new Command('store')
    .description('back up, check and restore the SQLite store of a server')
    .addCommand(
      configured('backup')
        .description('copy the store as it is at this moment, while servers go on')
        .requiredOption('--out <file>', 'the copy; there must be no such file')
        .action(async (flags: BackupFlags) => (await import('./store-commands.ts')).backUp(flags)),
    )
    .addCommand(
      configured('check')
        .description('read the whole store, or a copy; exit code 3 when it is damaged, 1 for another secret')
        .argument('[copy]', 'a copy of the store; default: the store')
        .action(async (copy: string | undefined, flags: CheckFlags) =>
          (await import('./store-commands.ts')).check(copy, flags),
        ),
    )
    .addCommand(
      configured('restore')
        .description(
          'put a copy in the place of the store, while no server runs; the store is kept beside it',
        )
        .requiredOption('--from <file>', 'the copy')
        .action(async (flags: RestoreFlags) => (await import('./store-commands.ts')).restore(flags)),
    );
}

function configured(name: string): Command {
  return new Command(name)
    .requiredOption('--config <file>', 'the configuration of the server')
    .option('--json', 'as JSON');
}
