import type { z } from 'zod';
import { invalidConfig, OpenBankingError } from '../../../errors.ts';
import type { AspspCall } from './decoupled-approval.ts';

/**
 * Runs the calls of a bank's module: each ends within the time limit, and returns the shape that its contract says.
 */
export class TimedCalls {
  readonly #seconds: number;

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** @throws ERR_ASPSP_UNAVAILABLE when the bank throws or returns too late, ERR_ASPSP_ANSWER for another shape */
  async run<T>(
    operation: string,
    schema: z.ZodType<T>,
    work: (call: AspspCall) => Promise<unknown>,
  ): Promise<T> {
    const limit = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const problem = `no answer within ${this.#seconds} seconds`;
        reject(new OpenBankingError('ERR_ASPSP_UNAVAILABLE', { operation, problem }));
        limit.abort();
      }, this.#seconds * 1000);
    });
    const called = async () => work({ signal: limit.signal });
    const thrown = (cause: unknown) => {
      throw new OpenBankingError('ERR_ASPSP_UNAVAILABLE', { operation, problem: 'it throws' }, { cause });
    };
    try {
      return parseAnswer(operation, schema, await Promise.race([called().catch(thrown), ended]));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** An answer of the bank that is not of its contract. */
export function malformedAnswer(
  operation: string,
  place: string,
  cause?: unknown,
): OpenBankingError<'ERR_ASPSP_ANSWER'> {
  return new OpenBankingError('ERR_ASPSP_ANSWER', { operation, place }, { cause });
}

/** Calls `connect` of a module at the start. @throws ERR_CONFIG_INVALID when it throws */
export function connectBank(part: 'decoupled' | 'strong', connect: () => void): void {
  try {
    connect();
  } catch (cause) {
    const problem = { path: `${part}.connect`, message: 'throws' };
    throw invalidConfig('the module of the bank', [problem], cause);
  }
}

function parseAnswer<T>(operation: string, schema: z.ZodType<T>, answered: unknown): T {
  let parsed: z.ZodSafeParseResult<T>;
  try {
    parsed = schema.safeParse(answered);
  } catch (cause) {
    // A getter of a record of the bank's core system, for example, whose connection has been closed.
    throw malformedAnswer(operation, 'a member that throws when it is read', cause);
  }
  if (parsed.success) return parsed.data;
  // Never the value, which may hold a password.
  throw malformedAnswer(operation, parsed.error.issues[0]?.path.join('.') ?? '');
}
