import type { z } from 'zod';
import { OpenBankingError } from '../../../errors.ts';
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
      const parsed = schema.safeParse(await Promise.race([called().catch(thrown), ended]));
      if (parsed.success) return parsed.data;
      // Never the value, which may hold a password.
      throw malformedAnswer(operation, parsed.error.issues[0]?.path.join('.') ?? '');
    } finally {
      clearTimeout(timer);
    }
  }
}

/** An answer of the bank that is not of its contract. */
export function malformedAnswer(operation: string, place: string): OpenBankingError<'ERR_ASPSP_ANSWER'> {
  return new OpenBankingError('ERR_ASPSP_ANSWER', { operation, place });
}
