import { Command, InvalidArgumentError } from 'commander';
import type { RepeatFlags } from './repeated-ends.ts';
import type { BackupFlags, CheckFlags, RestoreFlags } from './store-commands.ts';

/** `tallystick store`: copies of the SQLite store of a server, and the way back to the present. */
export function storeCommand(): Command {
  return new Command('store')
    .description(
      'back up, check and restore the SQLite store of a server, and end again what was ended since',
    )
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
    )
    .addCommand(
      configured('repeat-ends')
        .description('after a restore: end consents and clients again that the audit record names as ended')
        .requiredOption('--since <time>', 'the time of the backup, as 2026-11-29T03:00:00Z', time)
        .option('--dry-run', 'print them only')
        .action(async (flags: RepeatFlags) => (await import('./repeated-ends.ts')).repeatEnds(flags)),
    );
}

function configured(name: string): Command {
  return new Command(name)
    .requiredOption('--config <file>', 'the configuration of the server')
    .option('--json', 'as JSON');
}

function time(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError('It must be a time with its zone, such as 2026-11-29T03:00:00Z.');
  }
  return at;
}
