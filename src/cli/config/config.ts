import { Command } from 'commander';
import { settingOption } from '../environment.ts';
import type { ConfigFlags, PrintFlags } from './config-commands.ts';

/** `tallystick config`: the configuration of a server or gateway, without starting one. */
export function configCommand(): Command {
  return new Command('config')
    .description('check and show a configuration, without starting anything')
    .addCommand(
      configured('validate')
        .description('report every problem of the file and of the environment; exit code 2 when there is one')
        .option('--json', 'as JSON')
        .action(async (flags: ConfigFlags) => (await import('./config-commands.ts')).validate(flags)),
    )
    .addCommand(
      configured('print')
        .description('show the values in effect, secrets redacted')
        .option('--origin', 'where each value comes from: a line of the file, a variable, or the default')
        .option('--json', 'as JSON')
        .action(async (flags: PrintFlags) => (await import('./config-commands.ts')).print(flags)),
    )
    .addCommand(
      ofProgram('schema')
        .description('print the JSON Schema of the file, for editors')
        .action(async (flags: ConfigFlags) => (await import('./config-commands.ts')).printSchema(flags)),
    )
    .addCommand(
      ofProgram('env')
        .description('list the variables of the environment that set a key')
        .option('--json', 'as JSON')
        .action(async (flags: ConfigFlags) => (await import('./config-commands.ts')).printVariables(flags)),
    );
}

function configured(name: string): Command {
  return ofProgram(name)
    .requiredOption('--config <file>', 'the configuration, YAML or JSON')
    .addOption(settingOption());
}

function ofProgram(name: string): Command {
  return new Command(name).option('--gateway', 'of `tallystick gateway`, in place of `serve`');
}
