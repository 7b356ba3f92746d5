import { userInfo } from 'node:os';
import { Command, Option } from 'commander';
import type { Role } from '../management/operators/operator.ts';

interface Flags {
  readonly config: string;
  readonly role: readonly Role[];
  readonly name?: string;
  readonly token?: true;
}

/** `tallystick console`: the proof of a person on this machine,, for the console and the management API. */
export function consoleCommand(): Command {
  return new Command('console')
    .description('a one-time link to the console of a server on this machine, good for two minutes')
    .requiredOption('--config <file>', 'the configuration of the server')
    .addOption(
      new Option('--role <role...>', 'what you may do')
        .choices(['viewer', 'support', 'operator', 'security'])
        .default(['viewer']),
    )
    .option('--name <name>', 'to whom changes are attributed; default: your account on this machine')
    .option('--token', 'print a bearer token for programs, good for 15 minutes')
    .action(async (flags: Flags) => {
      const [{ openSecret }, { LocalTickets }, { systemClock }, { readConfig }] = await Promise.all([
        import('../server/opened-secret.ts'),
        import('../management/operators/local-tickets.ts'),
        import('../clock.ts'),
        import('./environment.ts'),
      ]);
      const config = await readConfig(flags.config);
      const secret = await openSecret(config.storage.secretFile);
      const tickets = new LocalTickets({ secret, clock: systemClock });
      const name = (flags.name ?? userInfo().username).slice(0, 64);
      const operator = { name, roles: flags.role };
      const { host, port } = config.listen.health;
      if (flags.token === true) console.log(tickets.create('bearer', operator));
      else
        console.log(
          `http://${host.includes(':') ? `[${host}]` : host}:${port}/console/enter?ticket=${tickets.create('link', operator)}`,
        );
    });
}
