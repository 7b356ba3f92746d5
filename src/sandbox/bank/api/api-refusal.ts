import type { Middleware } from 'koa';
import type { Log } from '../../../index.ts';

/** The facts of a refusal, before a family of APIs gives it its form. */
export interface RefusalFacts {
  readonly status: number;
  /** Of the family's own list; absent: the family has one for the status. */
  readonly code?: string | undefined;
  readonly text: string;
  /** The member or the header that was wrong. */
  readonly path?: string | undefined;
}

/** A refusal of one of the bank's APIs. */
export class ApiRefusal extends Error {
  readonly facts: RefusalFacts;

  constructor(facts: RefusalFacts) {
    super(facts.text);
    this.facts = facts;
  }
}

/**
 * Answers each refusal below a path in the form of a family of APIs: those of handlers, of our protection, of the router
 * and of the parser.
 */
export function refusalsBelow(
  base: string,
  { form, log }: { readonly form: (facts: RefusalFacts) => unknown; readonly log: Log },
): Middleware {
  return async (ctx, next) => {
    if (!ctx.path.startsWith(`${base}/`)) return next();
    try {
      await next();
      const text = protectionText(ctx.body);
      if (ctx.status >= 400 && (text !== undefined || ctx.body === undefined)) {
        // A body alone would turn the status into 200.
        const { status } = ctx;
        ctx.body = form({ status, text: text ?? 'there is no such resource' });
        ctx.status = status;
      }
    } catch (error) {
      const facts = factsOf(error);
      if (facts.status >= 500) log.emit('bank.unexpected', { error });
      ctx.status = facts.status;
      ctx.body = form(facts);
    }
  };
}

/** The sentence of a refusal that our protection has answered (RFC 6750 §3). */
function protectionText(body: unknown): string | undefined {
  const isOurs = typeof body === 'object' && body !== null && 'error' in body && 'error_description' in body;
  return isOurs ? String(body.error_description) : undefined;
}

function factsOf(error: unknown): RefusalFacts {
  if (error instanceof ApiRefusal) return error.facts;
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  return status >= 500
    ? { status: 500, text: 'the request could not be processed' }
    : { status, text: 'the body is not a small JSON document' };
}
