import { bodyParser } from '@koa/bodyparser';
import type Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { OpenBankingError } from '../../errors.ts';

/** A hundred payments; no request needs more. */
export const MAX_BODY_BYTES = 262_144;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** The refusal of a request that does not follow its contract, with the place of the fault. */
export type RequestFault = (member: string, problem: string, cause?: unknown) => OpenBankingError;

/** Reads the parts of a request to an API. Every fault is the refusal of that API. */
export class RequestParts {
  readonly #fault: RequestFault;
  readonly #readJson: Middleware;

  constructor(fault: RequestFault) {
    this.#fault = fault;
    this.#readJson = bodyParser({
      enableTypes: ['json'],
      jsonLimit: `${MAX_BODY_BYTES}b`,
      jsonStrict: true,
      onError: (cause) => {
        const isLarge = 'status' in cause && cause.status === 413;
        throw isLarge
          ? new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: MAX_BODY_BYTES })
          : fault('body', 'must be a JSON object', cause);
      },
    });
  }

  /** Refuses a body in another form than JSON. */
  readonly readBody: Middleware = (ctx, next) => {
    const isSent = ctx.req.headers['transfer-encoding'] !== undefined || (ctx.request.length ?? 0) > 0;
    if (!isSent) return next();
    if (ctx.is('application/json') !== 'application/json') {
      throw this.#fault('header.Content-Type', 'must be application/json');
    }
    // A short body may become a long one.
    if (!['', 'identity'].includes(ctx.get('content-encoding').toLowerCase())) {
      throw this.#fault('header.Content-Encoding', 'must be absent');
    }
    return this.#readJson(ctx, next);
  };

  parsed<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
    const { data, error } = schema.safeParse(value);
    if (error === undefined) return data;
    const [issue] = error.issues;
    throw this.#fault([place, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'is not valid');
  }

  idempotencyKeyOf(ctx: Context): string {
    const key = ctx.get('idempotency-key');
    if (IDEMPOTENCY_KEY.test(key)) return key;
    throw this.#fault('header.Idempotency-Key', 'must be 1 to 128 printable ASCII characters');
  }
}

/** @throws ERR_HTTP_METHOD, ERR_HTTP_NOT_FOUND */
export function refuseUnrouted(ctx: Context, router: Router): void {
  const allowed = router.match(ctx.path, ctx.method).path.flatMap(({ methods }) => methods);
  if (allowed.length > 0) {
    throw new OpenBankingError('ERR_HTTP_METHOD', { method: ctx.method, allowed: [...new Set(allowed)] });
  }
  throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 100) });
}
