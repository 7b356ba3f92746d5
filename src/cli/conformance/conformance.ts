import { Command } from 'commander';
import { certificatesCommand } from './certificates.ts';

/** `tallystick conformance`: tests of servers, ours or others'. */
export function conformanceCommand(): Command {
  return new Command('conformance')
    .description('test an authorization server or an API, ours or any other')
    .addCommand(certificatesCommand());
}
