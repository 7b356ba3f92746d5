#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { isRefusal } from '../errors.ts';
import { certificateCommand } from './certificate/certificate.ts';
import { demoCommand } from './demo.ts';
import { exitCodeOf } from './exit-codes.ts';
import { gatewayCommand } from './gateway.ts';
import { keysCommand } from './keys.ts';
import { sandboxCommand } from './sandbox.ts';
import { serveCommand } from './serve.ts';

const program = new Command('tallystick')
  .description('Open Banking (FAPI / PSD2) authorization server with certificate-bound tokens')
  .exitOverride()
  .addCommand(sandboxCommand())
  .addCommand(certificateCommand())
  .addCommand(demoCommand())
  .addCommand(serveCommand())
  .addCommand(gatewayCommand())
  .addCommand(keysCommand());
for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    report(error);
    process.exitCode = exitCodeOf(error);
  }
}

function report(error: unknown): void {
  if (isRefusal(error, 'ERR_CONFIG_INVALID', 'ERR_REGISTRY_INVALID')) {
    console.error(`${error.details.source}: ${error.rule}`);
    for (const { path, message } of error.details.problems)
      console.error(`  ${path || '(whole file)'}: ${message}`);
  } else if (isRefusal(error)) {
    console.error(`${error.message} ${JSON.stringify(error.details)}`);
    if (error.cause instanceof Error) console.error(`  cause: ${error.cause.message}`);
  } else if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    console.error(`${error.message}. Choose another port with a flag; 0 takes any free one.`);
  } else {
    console.error(error);
  }
}
