import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { LRUCache } from 'lru-cache';
import type { Log } from '../../index.ts';
import { TPP_PINGS } from '../ciba-clients.ts';
import { tppNamed } from '../curl-lines.ts';
import { type SandboxDescription, TPP_CALLBACK } from '../folder.ts';
import type { TppConnection } from './tpp-connection.ts';
import { accountsPage, messagePage, startPage } from './tpp-pages.ts';

const TPP = 'money-one';
/** Visitors that a demonstration has; the oldest are forgotten. */
const MAX_VISITORS = 1000;
/** `Lax`: the way back from the bank is a navigation from another site. A form of another site comes without it. */
const COOKIE = { name: '__Host-visitor', attributes: 'Path=/; Secure; HttpOnly; SameSite=Lax' };
const CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** The memory of the TPP about one visitor. */
interface Visitor {
  /** The authorization that is under way. */
  started?: { readonly state: string; readonly verifier: string } | undefined;
  refreshToken?: string | undefined;
}

/**
 * The website of a TPP, "connect my bank", which shows the customer's side in a browser. The TPP's client library is
 * loaded for the first visitor: a sandbox without one does not hold its memory.
 */
export function tppPage(options: {
  readonly description: SandboxDescription;
  readonly log: Log;
}): RequestListener {
  const { description, log } = options;
  const redirectUri = `${description.tppUrl}${TPP_CALLBACK}`;
  const visitors = new LRUCache<string, Visitor>({ max: MAX_VISITORS });
  let connection: Promise<TppConnection> | undefined;
  const connect = () => {
    connection ??= import('./tpp-connection.ts').then(({ TppConnection: Connection }) =>
      Connection.open({ description, tpp: tppNamed(description, TPP), redirectUri }),
    );
    connection.catch(() => {
      connection = undefined;
    });
    return connection;
  };
  const router = new Router();

  router.get('/', async (ctx) => {
    const { refreshToken } = visitorOf(ctx, visitors);
    ctx.body =
      refreshToken === undefined ? startPage() : accountsPage(await (await connect()).accounts(refreshToken));
  });
  router.post('/connect', async (ctx) => {
    const visitor = visitorOf(ctx, visitors);
    const { url, ...started } = await (await connect()).begin();
    visitor.started = started;
    ctx.redirect(url.href);
    ctx.status = 303;
  });
  router.get(TPP_CALLBACK, async (ctx) => {
    const visitor = visitorOf(ctx, visitors);
    const { started } = visitor;
    visitor.started = undefined;
    if (started === undefined) {
      ctx.body = messagePage('There is no connection under way in this browser.');
      return;
    }
    const ended = await (await connect()).end(new URL(ctx.url, description.tppUrl), started);
    if ('error' in ended) {
      ctx.body = messagePage(`Your bank was not connected (${ended.error}).`);
      return;
    }
    visitor.refreshToken = ended.refreshToken;
    ctx.redirect('/');
  });
  // A ping brings no news that a poll would not: the demo TPP takes it and reads nothing.
  router.post(TPP_PINGS, (ctx) => {
    ctx.status = 204;
  });
  router.post('/disconnect', async (ctx) => {
    const visitor = visitorOf(ctx, visitors);
    if (visitor.refreshToken !== undefined) await (await connect()).disconnect(visitor.refreshToken);
    visitor.refreshToken = undefined;
    ctx.body = messagePage('Your bank is no longer connected.');
  });

  const app = new Koa();
  app.silent = true;
  app.use(async (ctx, next) => {
    ctx.set({ 'content-security-policy': CONTENT_SECURITY_POLICY, 'cache-control': 'no-store' });
    try {
      await next();
    } catch (error) {
      log.emit('bank.unexpected', { error });
      ctx.status = 502;
      ctx.body = messagePage(`The bank's answer: ${error instanceof Error ? error.message : error}`);
    }
  });
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app.callback();
}

function visitorOf(ctx: Context, visitors: LRUCache<string, Visitor>): Visitor {
  const sent = ctx.cookies.get(COOKIE.name) ?? '';
  const known = visitors.get(sent);
  if (known !== undefined) return known;
  const id = randomBytes(16).toString('base64url');
  const visitor: Visitor = {};
  visitors.set(id, visitor);
  ctx.append('set-cookie', `${COOKIE.name}=${id}; ${COOKIE.attributes}`);
  return visitor;
}
