import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../clock.ts';
import type { RevocationTarget } from '../../sandbox/revocation/revoke.ts';
import { isRevocationReason, REASONS, type RevocationReason } from '../../sandbox/revocation/revocations.ts';

interface Flags {
  readonly dir: string;
  readonly tpp?: string;
  readonly serial?: string;
  readonly issuingCa?: true;
  readonly reason: RevocationReason;
  readonly undo?: true;
}

/** `tallystick sandbox revoke`: the CAs of the sandbox revoke certificates, whether the sandbox runs or not. */
export function sandboxRevokeCommand(): Command {
  return new Command('revoke')
    .description('revoke certificates of the sandbox: a running one says so from its next answer on')
    .option('--dir <folder>', 'the folder of the sandbox', '.tallystick')
    .addOption(new Option('--tpp <name>', 'every certificate of this TPP').conflicts(['serial', 'issuingCa']))
    .addOption(
      new Option('--serial <hex>', 'the certificate with this serial number')
        .conflicts('issuingCa')
        .argParser(serialNumber),
    )
    .option('--issuing-ca', 'the certificate of the issuing CA, and so every TPP')
    .option('--reason <name>', `one of ${Object.keys(REASONS).join(', ')}`, reasonName, 'unspecified')
    .option('--undo', 'take the revocation back, which only a sandbox can')
    .action(async (_flags: unknown, command: Command) => {
      // The parent command has a --dir too, and consumes the flag when it stands first.
      const flags: Flags = command.optsWithGlobals();
      const target = targetOf(flags);
      if (target === undefined) command.error('error: one of --tpp, --serial and --issuing-ca is needed');
      const { revokeInSandbox } = await import('../../sandbox/revocation/revoke.ts');
      const concerned = await revokeInSandbox(resolve(flags.dir), {
        target,
        at: systemClock.now(),
        reason: flags.reason,
        isUndone: flags.undo === true,
      });
      const verb = flags.undo === true ? 'no longer revoked' : 'revoked';
      for (const { authority, serialNumber } of concerned) {
        console.log(`${verb}: ${serialNumber}, issued by ${authority}`);
      }
    });
}

function targetOf({ tpp, serial, issuingCa }: Flags): RevocationTarget | undefined {
  if (tpp !== undefined) return { tpp };
  if (serial !== undefined) return { serialNumber: serial };
  return issuingCa === true ? { authority: 'issuing-ca' } : undefined;
}

function serialNumber(text: string): string {
  const hex = text.replaceAll(':', '').toLowerCase();
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) throw new InvalidArgumentError('It must be hexadecimal octets.');
  return hex;
}

function reasonName(text: string): RevocationReason {
  if (!isRevocationReason(text)) throw new InvalidArgumentError('It is not a reason of RFC 5280.');
  return text;
}
