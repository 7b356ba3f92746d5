import { Command, InvalidArgumentError, Option } from 'commander';
import { isRefusal, type OpenBankingError } from '../../errors.ts';
import type { VerifyFlags } from './certificate-decision.ts';

const PRESETS = ['eu-qualified', 'uk-directory', 'own-ca'];

/** `tallystick certificate`: shows the contents of a certificate, and the reason for its acceptance or refusal. */
export function certificateCommand(): Command {
  return new Command('certificate')
    .description('look into a certificate, or ask why it is accepted or refused')
    .addCommand(inspectCommand())
    .addCommand(verifyCommand());
}

function inspectCommand(): Command {
  return new Command('inspect')
    .description('what a certificate says; exit code 1 when a part of it cannot be read')
    .argument('<file>', 'PEM or DER; - for standard input')
    .option('--json', 'as JSON')
    .action(async (file: string, flags: { readonly json?: true }, command: Command) => {
      const { printInspection } = await import('./certificate-inspection.ts');
      if (!(await usable(command, printInspection(file, flags)))) process.exitCode = 1;
    });
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('the decision about a TPP certificate, as a tree; exit code 0 accepted, 1 refused, 2 usage')
    .argument('<file>', 'PEM or DER; - for standard input; more certificates in it are intermediates')
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration')
    .option('--intermediates <file>', 'what the TPP sends along')
    .option('--at <time>', 'decide as of this time, ISO 8601; revocation is then not asked for', time)
    .addOption(new Option('--profile <name>', 'judge by this trust profile only').choices(PRESETS))
    .option('--scope <scope>', 'a scope that the TPP asks for (repeatable)', collect, [])
    .option('--client <client_id>', 'the client that has registered a self-signed certificate')
    .option('--no-revocation', 'ask no responder')
    .option('--json', 'as JSON')
    .action(async (file: string, flags: VerifyFlags, command: Command) => {
      if (flags.config === undefined && flags.sandbox === undefined) {
        command.error('error: one of --config and --sandbox is needed');
      }
      const { printDecision } = await import('./certificate-decision.ts');
      if (!(await usable(command, printDecision(file, flags)))) process.exitCode = 1;
    });
}

/** A refusal that is thrown is about the files that were named, not about the certificate: wrong usage. */
async function usable(command: Command, work: Promise<boolean>): Promise<boolean> {
  try {
    return await work;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return command.error(`error: ${problemText(error)}`);
  }
}

function problemText(error: OpenBankingError): string {
  if (!isRefusal(error, 'ERR_CONFIG_INVALID', 'ERR_REGISTRY_INVALID')) {
    return `${error.message} ${JSON.stringify(error.details)}`;
  }
  const { source, problems } = error.details;
  return `${source}: ${problems.map(({ path, message }) => [path, message].filter(Boolean).join(': ')).join('; ')}`;
}

function time(text: string): Date {
  const at = new Date(text);
  const isWhole = /^\d{4}-\d{2}-\d{2}(?:T.*(?:Z|[+-]\d{2}:\d{2}))?$/.test(text);
  if (!isWhole || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError('It must be 2026-01-31 or 2026-01-31T12:00:00Z.');
  }
  return at;
}

function collect(text: string, earlier: readonly string[]): string[] {
  return [...earlier, ...text.split(' ').filter(Boolean)];
}
