import { Command, InvalidArgumentError, Option } from 'commander';
import type { AuditFlags } from './audit-record.ts';
import type { ExportFlags } from './audit-export.ts';
import type { VerifyFlags } from './audit-verify.ts';

/** `tallystick audit`: the audit record of a server, also while servers run. */
export function auditCommand(): Command {
  const verify = onRecord('verify')
    .description('find every changed, missing or added line; exit code 1 when there is one')
    .addOption(folderOption())
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
  const bundle = onRecord('export')
    .description('write what the record has about a TPP, for a supervisor (PSD2 article 68, RTS article 29)')
    .addOption(folderOption())
    .option('--key <files...>', 'public keys of checkpoints in PEM, beside that of the configuration')
    .requiredOption('--tpp <number>', 'the authorization number: PSDGB-FCA-123456')
    .requiredOption('--from <time>', 'the first day or instant', instant)
    .requiredOption('--to <time>', 'the day or instant at which the time ends', instant)
    .requiredOption('--out <path>', 'a new folder, or a new file whose name ends in .zip')
    .action(async (flags: ExportFlags) => {
      const { exportEvidence } = await import('./audit-export.ts');
      await exportEvidence(flags);
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
    .addCommand(bundle)
    .addCommand(key);
}

function onRecord(name: string): Command {
  return new Command(name)
    .addOption(new Option('--config <file>', 'the configuration of the server').conflicts('sandbox'))
    .option('--sandbox <folder>', 'the folder of a sandbox, in place of a configuration');
}

function folderOption(): Option {
  return new Option(
    '--folder <folder>',
    'the folder of a record, in place of a configuration; needs --key',
  ).conflicts(['config', 'sandbox']);
}

function instant(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError(
      'must be a day or an instant of RFC 3339: 2026-11-29, 2026-11-29T10:00:00Z',
    );
  }
  return at;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 upwards');
  return Number(text);
}
