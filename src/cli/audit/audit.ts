import { Command, InvalidArgumentError, Option } from 'commander';
import type { AuditFlags } from './audit-record.ts';
import type { VerifyFlags } from './audit-verify.ts';

/** `tallystick audit`: the audit record of a server, also while servers run. */
export function auditCommand(): Command {
  const verify = onRecord('verify')
    .description('find every changed, missing or added line; exit code 1 when there is one')
    .addOption(
      new Option(
        '--folder <folder>',
        'the folder of a record, in place of a configuration; needs --key',
      ).conflicts(['config', 'sandbox']),
    )
    .option('--key <files...>', 'public keys of checkpoints in PEM, beside that of the configuration')
    .option(
      '--since <number>',
      'the first checkpoint that must be there: earlier files were archived',
      wholeNumber,
    )
    .option('--json', 'as JSON')
    .action(async (flags: VerifyFlags) => {
      const { printVerification } = await import('./audit-verify.ts');
      if (!(await printVerification(flags))) process.exitCode = 1;
    });
  const key = onRecord('key')
    .description('print the public key that verifies the checkpoints, in PEM')
    .action(async (flags: AuditFlags) => {
      const { printKey } = await import('./audit-record.ts');
      await printKey(flags);
    });
  return new Command('audit')
    .description('verify and export the audit record')
    .addCommand(verify)
    .addCommand(key);
}

function onRecord(name: string): Command {
  return new Command(name)
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration');
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 upwards');
  return Number(text);
}
