import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { pathsOf } from '../folder.ts';
import { TERRITORIES } from '../registers/register-plans.ts';
import { writeCrl } from './crl-writer.ts';
import { answerOcsp } from './ocsp-responder.ts';
import { loadAuthorities } from './published-authority.ts';
import { readRevocations } from './revocations.ts';

/** The service in which the CAs of a sandbox publish their revocations. */
export interface RevocationService {
  close(): Promise<void>;
}

export interface RevocationServiceOptions {
  readonly port: number;
  /** Address to listen on. Default: loopback. */
  readonly host?: string;
  readonly log: Log;
  /** Called with the path of each request. */
  readonly onRequest?: (path: string) => void;
}

/** Short, so that clients that cache answers see a revocation soon; a real CA sets hours or days. */
const VALID_SECONDS = 60;
/** Trusted lists, where the sandbox has them: plain HTTP is enough for signed documents. */
const LISTS: readonly string[] = ['eu-lotl', ...TERRITORIES];
/** A request with one CertID has about 100 bytes. */
const MAX_REQUEST_BYTES = 8192;

/**
 * Serves the revocations of a sandbox's folder, over plain HTTP as authorities do: OCSP by GET
 * and POST (RFC 6960 appendix A.1), a CRL and the certificate of each authority; and the trusted lists.
 *
 * @throws ERR_CONFIG_INVALID when the port is taken
 */
export async function openRevocationService(
  folder: string,
  options: RevocationServiceOptions,
): Promise<RevocationService> {
  const { port, log, host = '127.0.0.1', onRequest } = options;
  const app = new Koa();
  app.on('error', (error: { readonly expose?: boolean }) => {
    if (error.expose !== true) log.emit('sandbox.unexpected', { error });
  });
  app.use(async (ctx, next) => {
    ctx.set('cache-control', 'no-store');
    onRequest?.(ctx.path);
    await next();
  });
  const router = await routes(folder);
  app.use(router.routes()).use(router.allowedMethods());
  const server = createServer(app.callback());
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    const message = `port ${port} is taken, and the certificates name it: free it, or make new ones with --reset`;
    throw invalidConfig(folder, [{ path: 'revocation service', message }], error);
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function routes(folder: string): Promise<Router> {
  const authorities = await loadAuthorities(folder);
  /** The file is read for each answer, because another process revokes. */
  const revocations = () => readRevocations(pathsOf(folder).revocations);
  const nextCrlNumber = increasingNumbers();
  const authorityOf = (ctx: Context) =>
    authorities.find(({ name }) => name === ctx.params.name) ?? ctx.throw(404);
  const answer = async (ctx: Context, request: Buffer) => {
    ctx.type = 'application/ocsp-response';
    ctx.body = answerOcsp(request, { authorities, revoked: await revocations(), ...updates() });
  };
  return new Router()
    .get('/:name.cer', (ctx) => {
      const { certificate } = authorityOf(ctx);
      ctx.type = 'application/pkix-cert';
      ctx.body = certificate.der;
    })
    .get('/:name.crl', async (ctx) => {
      const authority = authorityOf(ctx);
      const revoked = (await revocations()).filter((one) => one.authority === authority.name);
      ctx.type = 'application/pkix-crl';
      ctx.body = writeCrl(authority, { revoked, number: nextCrlNumber(), ...updates() });
    })
    .get('/trusted-lists/:list.xml', async (ctx) => {
      const list = LISTS.find((name) => name === ctx.params.list) ?? ctx.throw(404);
      const file = pathsOf(folder).registers.published(`${list}.xml`);
      if (!existsSync(file)) ctx.throw(404);
      ctx.type = 'application/vnd.etsi.tsl+xml';
      ctx.body = await readFile(file);
    })
    .post('/ocsp', async (ctx) => answer(ctx, (await boundedBody(ctx.req)) ?? ctx.throw(413)))
    .get('/ocsp/*request', async (ctx) => answer(ctx, Buffer.from(String(ctx.params.request), 'base64')));
}

/** Greater for each later CRL, also of a later run (RFC 5280 §5.2.3). */
function increasingNumbers(): () => bigint {
  let last = 0n;
  return () => {
    const time = BigInt(systemClock.now().getTime());
    last = time > last ? time : last + 1n;
    return last;
  };
}

async function boundedBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function updates(): { readonly thisUpdate: Date; readonly nextUpdate: Date } {
  const now = systemClock.now();
  return { thisUpdate: now, nextUpdate: new Date(now.getTime() + VALID_SECONDS * 1000) };
}
