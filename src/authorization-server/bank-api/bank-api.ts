import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import type { z } from 'zod';
import { type AuditGate, OPEN_GATE } from '../../audit/audit-gate.ts';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { type EventFields, hexPrefix, type Log } from '../../events.ts';
import { peerAddress } from '../../mutual-tls/client-certificate.ts';
import { findSocketCertificate } from '../../mutual-tls/socket-certificate.ts';
import { RequestScope } from '../../storage/request-scope.ts';
import { findRefusal } from '../request/oauth-error.ts';
import { assertMay, type BankCaller, BankCallers } from './bank-callers.ts';
import type { Operation } from './contract.ts';
import { openApiDocument } from './open-api.ts';
import { PROBLEM_TYPE, problemOf, requestFault } from './problem.ts';

export interface BankApiOptions {
  readonly callers: readonly BankCaller[];
  readonly operations: readonly Operation[];
  /** The audit record, where there is one: no change is answered without its line. */
  readonly audit?: AuditGate | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A consent with a hundred payments; no request needs more. */
const MAX_BODY = '256kb';
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;
const OPEN_API_PATH = '/openapi.json';

/** The bank API: for the programs of the bank, and for no one else. */
export class BankApi {
  readonly handler: RequestListener;
  readonly #options: BankApiOptions;
  readonly #callers: BankCallers;
  readonly #end = new AbortController();
  readonly #routes: readonly { readonly name: string; readonly pattern: RegExp }[];

  constructor(options: BankApiOptions) {
    this.#options = options;
    this.#callers = new BankCallers(options);
    const app = new Koa();
    app.use((ctx, next) => this.#answer(ctx, next));
    const router = new Router();
    const document = openApiDocument(options.operations.map(({ contract }) => contract));
    router.get(OPEN_API_PATH, (ctx) => {
      ctx.state.route = OPEN_API_PATH;
      ctx.body = document;
    });
    for (const one of options.operations) {
      const { method, path } = one.contract;
      router[method](path.replaceAll(/\{(\w+)\}/g, ':$1'), readBody, (ctx) => this.#run(ctx, one));
    }
    const names = new Set([OPEN_API_PATH, ...options.operations.map(({ contract }) => contract.path)]);
    this.#routes = [...names].map((name) => ({
      name,
      pattern: new RegExp(`^${name.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    }));
    app.use(router.routes());
    app.use((ctx) => refuseUnrouted(ctx, router));
    this.handler = app.callback();
  }

  /** The name of the route of a path, as its contract writes it; undefined for a path that is no route. */
  routeName(path: string): string | undefined {
    return this.#routes.find(({ pattern }) => pattern.test(path))?.name;
  }

  /** Ends the requests that wait. */
  close(): void {
    this.#end.abort();
  }

  async #answer(ctx: Context, next: () => Promise<unknown>): Promise<void> {
    const requestId = randomUUID();
    ctx.state.requestId = requestId;
    ctx.set({ 'x-request-id': requestId, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    const scope = new RequestScope();
    try {
      ctx.state.caller = this.#callers.identify(ctx.req);
      await scope.run(async () => void (await next()));
    } catch (error) {
      this.#refuse(ctx, error);
    }
    scope.isOver = true;
  }

  async #run(ctx: Context, { contract, run }: Operation): Promise<void> {
    const caller = callerOf(ctx);
    ctx.state.route = contract.path;
    assertMay(caller, contract.part);
    const { log, audit = OPEN_GATE } = this.#options;
    const isChange = contract.method !== 'get';
    if (isChange) audit.assertAvailable();
    const gone = new AbortController();
    ctx.res.once('close', () => gone.abort());
    const answer = await run({
      params: parsed(contract.params, ctx.params, 'path'),
      query: parsed(contract.query, { ...ctx.query }, 'query'),
      body: parsed(contract.body, ctx.request.body ?? {}, 'body'),
      caller: caller.name,
      idempotencyKey: contract.isIdempotent ? idempotencyKeyOf(ctx) : '',
      signal: AbortSignal.any([this.#end.signal, gone.signal]),
    });
    // Cut to the schema: no member leaves that the document does not name.
    ctx.body = contract.answer.parse(answer);
    ctx.status = contract.status;
    if (!isChange) return;
    log.emit('bank.called', callFields(ctx));
    await audit.durable();
  }

  #refuse(ctx: Context, error: unknown): void {
    const refusal = findRefusal(error);
    const { status, headers, body } = problemOf(refusal, String(ctx.state.requestId));
    ctx.status = status;
    ctx.set(headers);
    ctx.body = JSON.stringify(body);
    ctx.type = PROBLEM_TYPE;
    const isKnown = ctx.state.caller !== undefined;
    const fields = {
      ...callFields(ctx),
      ...(isKnown ? {} : strangerFields(ctx)),
      error: refusal ?? error,
    };
    this.#options.log.emit(refusal === undefined ? 'server.unexpected' : 'bank.refused', fields);
  }
}

const readJson = bodyParser({
  enableTypes: ['json'],
  jsonLimit: MAX_BODY,
  jsonStrict: true,
  onError: (cause) => {
    const isLarge = 'status' in cause && cause.status === 413;
    throw isLarge
      ? new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: 262_144 })
      : requestFault('body', 'must be a JSON object', cause);
  },
});

/** @throws ERR_BANK_REQUEST for a body in another form than JSON */
const readBody: Middleware = (ctx, next) => {
  const isSent = ctx.req.headers['transfer-encoding'] !== undefined || (ctx.request.length ?? 0) > 0;
  if (!isSent) return next();
  if (ctx.is('application/json') !== 'application/json') {
    throw requestFault('header.Content-Type', 'must be application/json');
  }
  return readJson(ctx, next);
};

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const [issue] = error.issues;
  throw requestFault([place, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'is not valid');
}

function idempotencyKeyOf(ctx: Context): string {
  const key = ctx.get('idempotency-key');
  if (!IDEMPOTENCY_KEY.test(key)) {
    throw requestFault('header.Idempotency-Key', 'must be 1 to 128 printable ASCII characters');
  }
  return key;
}

/** @throws ERR_HTTP_METHOD, ERR_HTTP_NOT_FOUND */
function refuseUnrouted(ctx: Context, router: Router): void {
  const allowed = router.match(ctx.path, ctx.method).path.flatMap(({ methods }) => methods);
  if (allowed.length > 0) {
    throw new OpenBankingError('ERR_HTTP_METHOD', { method: ctx.method, allowed: [...new Set(allowed)] });
  }
  throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 100) });
}

function callerOf(ctx: Context): BankCaller {
  return ctx.state.caller as BankCaller;
}

function strangerFields({ req: { socket } }: Context): EventFields {
  const certificate = findSocketCertificate(socket);
  const address = peerAddress(socket);
  return certificate === undefined
    ? { address }
    : { address, certificate: hexPrefix(certificate.thumbprint) };
}

/** Never the path itself, which names customers and interactions. */
function callFields(ctx: Context): EventFields {
  const caller = ctx.state.caller as BankCaller | undefined;
  return {
    requestId: String(ctx.state.requestId),
    listener: 'bank',
    method: ctx.method,
    route: String(ctx.state.route ?? ''),
    status: ctx.status,
    ...(caller === undefined ? {} : { caller: caller.name }),
  };
}
