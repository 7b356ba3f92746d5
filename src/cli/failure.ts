import { getSystemErrorMessage } from 'node:util';
import { isRefusal, type OpenBankingError, type Problem } from '../errors.ts';

/** The lines that a person reads when a command ends with this error. Only a fault of the program has a stack trace. */
export function failureLines(error: unknown): string[] {
  if (isRefusal(error)) return refusalLines(error);
  if (isSystemError(error)) return [error.syscall === 'listen' ? listenFailure(error) : fileFailure(error)];
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}

function refusalLines({ rule, message, details, cause }: OpenBankingError): string[] {
  const reason = cause instanceof Error ? [`  cause: ${cause.message}`] : [];
  if (!('source' in details && 'problems' in details))
    return [`${message} ${JSON.stringify(details)}`, ...reason];
  const problems = details.problems.map((problem) => `  ${problemLine(problem)}`);
  // The problem says already that a file cannot be read, and why.
  return [`${details.source}: ${rule}`, ...problems, ...(isSystemError(cause) ? [] : reason)];
}

/** `tallystick.yaml:12: clients[0].scope: …`, or without the origin where that is not known. */
function problemLine({ path, message, origin }: Problem): string {
  const where = [origin, path].filter((part) => part !== undefined && part !== '');
  return [...(where.length === 0 ? ['(whole file)'] : where), message].join(': ');
}

type SystemError = Error & { errno: number; code: string; syscall: string; path?: string } & {
  readonly address?: string;
  readonly port?: number;
};

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error && 'errno' in error && typeof error.errno === 'number';
}

const WHERE = '`listen` of the configuration, or a flag of the sandbox';

function listenFailure({ code, errno, address = '', port }: SystemError): string {
  if (code === 'EADDRINUSE') {
    return `Port ${port} of ${address} is in use. Choose another port (${WHERE}); 0 takes any free one.`;
  }
  if (code === 'EACCES')
    return `This user may not listen on port ${port} of ${address}. Choose another port (${WHERE}).`;
  const family = address.includes(':') ? ' Without IPv6, 0.0.0.0 is every address.' : '';
  return `The address ${address} is none of this machine's: ${getSystemErrorMessage(errno)} (${WHERE}).${family}`;
}

function fileFailure({ errno, syscall, path, message }: SystemError): string {
  return path === undefined ? message : `${path}: ${getSystemErrorMessage(errno)} (${syscall})`;
}
