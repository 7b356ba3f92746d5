import { findConsent } from './bank-questions.ts';
import type { BankProcess } from '../bank.ts';
import type { Command } from '../server-child.ts';

/** Gives a command, which the process has taken: the reply to a question without store operations comes after it. */
export async function commanded(server: BankProcess, command: Command): Promise<void> {
  server.command(command);
  await findConsent(server, '(none)');
}

/** The names of the operations on the store in which some work results. */
export async function traced<T>(
  server: BankProcess,
  work: () => Promise<T>,
): Promise<{ readonly answer: T; readonly operations: readonly string[] }> {
  await commanded(server, 'trace');
  const answer = await work();
  const operations = server.report((report) =>
    typeof report === 'object' && 'operations' in report ? report.operations : undefined,
  );
  server.command('end trace');
  return { answer, operations: await operations };
}
