import { Command, InvalidArgumentError, Option } from 'commander';
import type { ClientFlags, ListFlags } from './client-changes.ts';

const STATUSES = ['active', 'awaiting-approval', 'disabled', 'ending'];

/** `tallystick client`: the clients of the store, of registrations and of the bank, while servers run or not. */
export function clientCommand(): Command {
  return new Command('client')
    .description('the clients in the store of a server, whether it runs or not')
    .addCommand(listCommand())
    .addCommand(
      configured('show')
        .description('one client of the store or of the files; exit code 1 when there is none')
        .argument('<client_id>', 'after --, when it begins with a hyphen')
        .action(async (clientId: string, flags: ClientFlags) => {
          const { showClient } = await import('./client-changes.ts');
          await showClient(clientId, flags);
        }),
    )
    .addCommand(changeCommand('approve', 'let a client act that waits for the approval of the bank'))
    .addCommand(changeCommand('disable', 'let a client do nothing; it keeps what it has'))
    .addCommand(changeCommand('enable', 'take a disable back'))
    .addCommand(changeCommand('delete', 'end a client with every grant, token and consent'))
    .addCommand(
      configured('export')
        .description('the active clients of the store, one JSON line each, as entries of clientsFile')
        .action(async (flags: ClientFlags) => {
          const { exportClients } = await import('./client-lines.ts');
          await exportClients(flags);
        }),
    )
    .addCommand(
      configured('import')
        .description('add clients to the store: every line of the file, or none when one of them is refused')
        .argument('<file>', 'JSON lines, as export writes them; - for standard input')
        .action(async (file: string, flags: ClientFlags) => {
          const { importClients } = await import('./client-lines.ts');
          await importClients(file, flags);
        }),
    );
}

function listCommand(): Command {
  return configured('list')
    .description('clients of the store, a page at a time')
    .addOption(new Option('--status <status>', 'only those').choices(STATUSES))
    .addOption(
      new Option('--tpp <number>', 'only those of a TPP, by its organizationIdentifier').conflicts('status'),
    )
    .option('--limit <count>', 'clients of a page, at most 1000', count, 50)
    .option('--after <client_id>', 'the client after which the page begins')
    .action(async (flags: ListFlags) => {
      const { listClients } = await import('./client-changes.ts');
      await listClients(flags);
    });
}

function changeCommand(name: 'approve' | 'disable' | 'enable' | 'delete', description: string): Command {
  return configured(name)
    .description(description)
    .argument('<client_id>', 'after --, when it begins with a hyphen')
    .action(async (clientId: string, flags: ClientFlags) => {
      const { changeClient } = await import('./client-changes.ts');
      await changeClient(name, clientId, flags);
    });
}

function configured(name: string): Command {
  return new Command(name)
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration')
    .option('--json', 'as JSON');
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new InvalidArgumentError('It must be 1 to 1000.');
}
