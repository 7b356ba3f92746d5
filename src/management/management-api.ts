import { randomUUID } from 'node:crypto';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { PROBLEM_TYPE, problemOf } from '../authorization-server/operations/problem.ts';
import { refuseUnrouted, RequestParts } from '../authorization-server/operations/request-parts.ts';
import { findRefusal } from '../authorization-server/request/oauth-error.ts';
import { OpenBankingError } from '../errors.ts';
import { RequestScope } from '../storage/request-scope.ts';
import { managementDocument } from './document.ts';
import type { ManagementEndpoint } from './managed-request.ts';
import { type Management, requestFault } from './management.ts';
import type { ManagementOperation } from './operations/contract.ts';
import type { LocalTickets } from './operators/local-tickets.ts';
import type { Operator } from './operators/operator.ts';
import { type ManagementState, stateOf } from './management-state.ts';
import { RequestChannel } from './request-channel.ts';

export interface ManagementApiOptions {
  readonly management: Management;
  readonly tickets: LocalTickets;
  /** The pages below `/console`, with their own entrance and their own refusals. */
  readonly console?: Middleware | undefined;
}

const OPEN_API_PATH = '/openapi.json';
const parts = new RequestParts(requestFault);

/** The management API, and the way to the console. */
export class ManagementApi {
  readonly endpoint: ManagementEndpoint;
  readonly #options: ManagementApiOptions;
  readonly #channel: RequestChannel;

  constructor(options: ManagementApiOptions) {
    this.#options = options;
    const app = new Koa();
    app.use((ctx, next) => this.#answer(ctx, next));
    app.use(async (ctx, next) => {
      const isConsole = ctx.path === '/console' || ctx.path.startsWith('/console/');
      if (isConsole && options.console !== undefined) await options.console(ctx, next);
      else await next();
    });
    app.use((ctx, next) => {
      stateOf(ctx).operator = this.#identify(ctx);
      return next();
    });
    const router = this.#router();
    app.use(router.routes());
    app.use((ctx) => refuseUnrouted(ctx, router));
    this.#channel = new RequestChannel(app.callback());
    this.endpoint = this.#channel.answer;
  }

  #router(): Router {
    const { operations } = this.#options.management;
    const router = new Router();
    const document = managementDocument(operations);
    router.get(OPEN_API_PATH, (ctx) => {
      ctx.body = document;
    });
    for (const one of Object.values(operations)) {
      const { method, path } = one.contract;
      router[method](path.replaceAll(/\{(\w+)\}/g, ':$1'), parts.readBody, (ctx) => this.#run(ctx, one));
    }
    return router;
  }

  async #answer(ctx: Context, next: () => Promise<unknown>): Promise<void> {
    const state: ManagementState = { requestId: randomUUID(), origin: this.#channel.originOf(ctx.req) };
    Object.assign(ctx.state, state);
    ctx.set({
      'x-request-id': state.requestId,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    const scope = new RequestScope();
    try {
      assertOwnOrigin(ctx);
      await scope.run(async () => void (await next()));
    } catch (error) {
      this.#refuse(ctx, error);
    }
    scope.isOver = true;
  }

  /** @throws ERR_MANAGEMENT_UNKNOWN */
  #identify(ctx: Context): Operator {
    const { origin } = stateOf(ctx);
    const [scheme, token] = ctx.get('authorization').split(' ');
    const found =
      origin.listener === 'loopback' && scheme?.toLowerCase() === 'bearer' && token !== undefined
        ? this.#options.tickets.findBearer(token)
        : origin.operator;
    if (found === undefined) throw new OpenBankingError('ERR_MANAGEMENT_UNKNOWN', {});
    return found;
  }

  async #run(ctx: Context, operation: ManagementOperation): Promise<void> {
    const { contract } = operation;
    const { operator, origin, requestId } = stateOf(ctx);
    if (operator === undefined) throw new TypeError('the operator is not identified');
    stateOf(ctx).route = contract.path;
    const { value, version } = await this.#options.management.run(operation, {
      operator,
      listener: origin.listener,
      requestId,
      params: ctx.params,
      query: { ...ctx.query },
      body: ctx.request.body,
      ...(ctx.get('idempotency-key') === '' ? {} : { idempotencyKey: ctx.get('idempotency-key') }),
      ...(ctx.get('if-match') === '' ? {} : { ifMatch: ctx.get('if-match') }),
    });
    ctx.body = value;
    ctx.status = contract.status;
    if (version !== undefined) ctx.set('etag', version);
  }

  #refuse(ctx: Context, error: unknown): void {
    const { requestId, origin, operator, route } = stateOf(ctx);
    const refusal = findRefusal(error);
    const { status, headers, body } = problemOf(refusal, requestId);
    ctx.status = status;
    ctx.set(headers);
    ctx.body = JSON.stringify(body);
    ctx.type = PROBLEM_TYPE;
    this.#options.management.report(error, {
      requestId,
      listener: origin.listener,
      method: ctx.method,
      route: route ?? '',
      status,
      ...(operator === undefined
        ? { address: origin.address }
        : { operator: operator.name, role: operator.roles.join(' ') }),
    });
  }
}

/**
 * Refuses requests that a page of another origin makes a browser send: the browser may have a client certificate or a
 * session. Programs send none of these fields. A link to the console may be anywhere.
 *
 * @throws ERR_MANAGEMENT_ORIGIN
 */
function assertOwnOrigin(ctx: Context): void {
  const { origin } = stateOf(ctx);
  const sent = ctx.get('origin');
  const site = ctx.get('sec-fetch-site');
  const isForeign = site === 'cross-site' || site === 'same-site';
  const isLink = ctx.method === 'GET' && ctx.get('sec-fetch-mode') === 'navigate';
  // With the referrer policy of some pages a browser names no origin in its own forms.
  const isOwn = sent === '' || sent === origin.url || (sent === 'null' && site === 'same-origin');
  if (isOwn && (!isForeign || isLink)) return;
  throw new OpenBankingError('ERR_MANAGEMENT_ORIGIN', { origin: sent === '' ? site : sent.slice(0, 200) });
}
