#!/usr/bin/env node
import { CommanderError } from 'commander';
import { isRefusal } from '../errors.ts';
import { exitCodeOf } from './process.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync();
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
