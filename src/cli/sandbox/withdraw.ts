import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../../clock.ts';
import { requireSandboxPackages } from '../sandbox-packages.ts';

interface Flags {
  readonly dir: string;
  readonly undo?: true;
}

/** `tallystick sandbox withdraw`: the register of the sandbox that has a TPP withdraws it, whether the sandbox runs or not. */
export function sandboxWithdrawCommand(): Command {
  return withdrawalCommand('withdraw')
    .description(
      'withdraw a TPP in the EBA register or the UK directory of the sandbox, which reads it within seconds',
    )
    .argument('<number>', 'organization identifier or name of the TPP, such as PSDIE-CBI-C900101')
    .action(async (number: string, _flags: unknown, command: Command) => {
      requireSandboxPackages(command);
      const { folder, options } = given(command);
      const { withdrawTpp } = await import('../../sandbox/registers/withdrawal.ts');
      console.log(`${verbOf(options)}: ${await withdrawTpp(folder, number, options)}`);
    });
}

/** `tallystick sandbox withdraw-issuer`: a trusted list of the sandbox withdraws a service. */
export function sandboxWithdrawIssuerCommand(): Command {
  return withdrawalCommand('withdraw-issuer')
    .description('withdraw the service of a QTSP in a trusted list of the sandbox, likewise')
    .argument('<name>', 'qtsp-ie or qtsp-de')
    .action(async (name: string, _flags: unknown, command: Command) => {
      requireSandboxPackages(command);
      const { folder, options } = given(command);
      const { withdrawIssuer } = await import('../../sandbox/registers/withdrawal.ts');
      await withdrawIssuer(folder, name, options);
      console.log(`${verbOf(options)}: ${name}`);
    });
}

function withdrawalCommand(name: string): Command {
  return new Command(name)
    .option('--dir <folder>', 'the folder of the sandbox', '.tallystick')
    .option('--undo', 'take the withdrawal back, as if there had been none');
}

/** The parent command has a --dir too, and consumes the flag when it stands first. */
function given(command: Command) {
  const flags: Flags = command.optsWithGlobals();
  return {
    folder: resolve(flags.dir),
    options: { at: systemClock.now(), isUndone: flags.undo === true },
  };
}

function verbOf({ isUndone }: { readonly isUndone: boolean }): string {
  return isUndone ? 'no longer withdrawn' : 'withdrawn';
}
