import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { type AuditGate, OPEN_GATE } from '../../audit/audit-gate.ts';
import type { Clock } from '../../clock.ts';
import { type EventFields, hexPrefix, type Log } from '../../events.ts';
import { peerAddress } from '../../mutual-tls/client-certificate.ts';
import { findSocketCertificate } from '../../mutual-tls/socket-certificate.ts';
import { RequestScope } from '../../storage/request-scope.ts';
import { PROBLEM_TYPE, problemOf } from '../operations/problem.ts';
import { refuseUnrouted, RequestParts } from '../operations/request-parts.ts';
import { findRefusal } from '../request/oauth-error.ts';
import { assertMay, type BankCaller, BankCallers } from './bank-callers.ts';
import type { Operation } from './contract.ts';
import { bankApiDocument } from './document.ts';
import { requestFault } from './request-fault.ts';

export interface BankApiOptions {
  readonly callers: readonly BankCaller[];
  readonly operations: readonly Operation[];
  /** The audit record, where there is one: no change is answered without its line. */
  readonly audit?: AuditGate | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const OPEN_API_PATH = '/openapi.json';
const parts = new RequestParts(requestFault);

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
    const document = bankApiDocument(options.operations);
    router.get(OPEN_API_PATH, (ctx) => {
      ctx.state.route = OPEN_API_PATH;
      ctx.body = document;
    });
    for (const one of options.operations) {
      const { method, path } = one.contract;
      router[method](path.replaceAll(/\{(\w+)\}/g, ':$1'), parts.readBody, (ctx) => this.#run(ctx, one));
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
      params: parts.parsed(contract.params, ctx.params, 'path'),
      query: parts.parsed(contract.query, { ...ctx.query }, 'query'),
      body: parts.parsed(contract.body, ctx.request.body ?? {}, 'body'),
      caller: caller.name,
      idempotencyKey: contract.isIdempotent ? parts.idempotencyKeyOf(ctx) : '',
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
