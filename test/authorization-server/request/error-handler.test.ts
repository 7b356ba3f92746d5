import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa, { type Middleware } from 'koa';
import { afterEach, describe, expect, it } from 'vitest';
import { accessLog } from '../../../src/authorization-server/request/access-log.ts';
import { errorHandler } from '../../../src/authorization-server/request/error-handler.ts';
import { noteListener } from '../../../src/authorization-server/request/routes.ts';
import { Pages } from '../../../src/authorization-server/customer/pages/pages.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import type { EventFields } from '../../../src/events.ts';
import { createClientCertificateSource } from '../../../src/mutual-tls/client-certificate.ts';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** The answer of a middleware behind the error handler, and what was logged about it. */
async function answered(middleware: Middleware, listener: 'front' | 'mtls') {
  const warnings: [string, EventFields | undefined][] = [];
  const app = new Koa();
  const log = {
    emit: (event: string, fields: EventFields | undefined) => void warnings.push([event, fields]),
  };
  app.use(accessLog(log, createClientCertificateSource({ from: 'socket' })));
  app.use(errorHandler(new Pages({ bankName: 'Example Bank' })));
  app.use(middleware);
  const handle = app.callback();
  server = createServer((request, response) => {
    noteListener(request, listener);
    void handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const accept = listener === 'front' ? 'text/html' : 'application/json';
  const answer = await fetch(`http://127.0.0.1:${port}/x`, { redirect: 'manual', headers: { accept } });
  return { answer, warnings };
}

const unavailable = () => new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'put' });

describe('the error handler', () => {
  it.each([
    ['front', 'throws'],
    ['mtls', 'throws'],
    ['front', 'answers for itself'],
  ] as const)(
    'leads nowhere on %s when what comes after the redirect fails, such as the session, and %s (M1)',
    async (listener, how) => {
      const { answer } = await answered((ctx) => {
        ctx.redirect('https://tpp.example/callback?code=secret');
        if (how === 'throws') throw unavailable();
        ctx.status = 503;
        ctx.set('retry-after', '5');
        ctx.body = 'not now';
      }, listener);
      expect([answer.status, answer.headers.get('location')]).toEqual([503, null]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await answer.text()).not.toContain('secret');
    },
  );

  it('logs what ended the request, not what the provider had noted before', async () => {
    const { warnings } = await answered((ctx) => {
      ctx.state.fault = Object.assign(new Error('noted'), { expose: true, error: 'unsupported_token_type' });
      throw unavailable();
    }, 'mtls');
    expect(warnings).toMatchObject([['dependency.unavailable', { status: 503 }]]);
  });
});
