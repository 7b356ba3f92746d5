import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawExchange, rawRequest } from '../mutual-tls/raw-exchange.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from '../mutual-tls/proxies/real-proxy.ts';
import { createTestCertificates } from '../resource-server/issuer.ts';

const RUNS = 200;
const SEED = 9112;
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Mark: attacker\r\n\r\n';

/** Ways to tell where a body ends, and bodies that end elsewhere for somebody. */
const framing = fc.record({
  method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS'),
  fields: fc.array(
    fc.constantFrom(
      'Content-Length: 0',
      'Content-Length: 5',
      `Content-Length: ${SMUGGLED.length}`,
      `Content-Length: ${SMUGGLED.length + 5}`,
      'Content-Length: 5, 5',
      'Content-Length: 0x5',
      'Content-Length : 5',
      'Content-Length:\t5',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: Chunked',
      'Transfer-Encoding:\tchunked',
      'Transfer-Encoding : chunked',
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding: identity, chunked',
      'Transfer-Encoding: "chunked"',
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding:\r\n chunked',
      'Transfer_Encoding: chunked',
      'X: y\rTransfer-Encoding: chunked',
      'X: y\nTransfer-Encoding: chunked',
      'Expect: 100-continue',
      'Connection: keep-alive, Content-Length',
      'Connection: keep-alive, Transfer-Encoding',
      'Upgrade: h2c',
    ),
    { minLength: 1, maxLength: 3 },
  ),
  body: fc.constantFrom(
    SMUGGLED,
    `0\r\n\r\n${SMUGGLED}`,
    `0\n\n${SMUGGLED}`,
    `0;x=\r\n\r\n${SMUGGLED}`,
    `0;x="\r\n\r\n${SMUGGLED}`,
    `5\r\nabcde\r\n0\r\n\r\n${SMUGGLED}`,
    `5;a\nabcde\r\n0\r\n\r\n${SMUGGLED}`,
    `05\r\nabcde\r\n0\r\nX: y\r\n\r\n${SMUGGLED}`,
    `-1\r\n${SMUGGLED}`,
    `ffffffffffffffff5\r\nabcde\r\n0\r\n\r\n${SMUGGLED}`,
  ),
  ending: fc.constantFrom('\r\n', '\n'),
});

describe.each(
  (['nginx', 'haproxy', 'apache', 'caddy', 'envoy', 'traefik'] as const).map(
    (name) => [`${name}${absence(name)}`, name] as const,
  ),
)('our API behind %s', (_title, name) => {
  let app: Server;
  let proxy: RunningProxy;
  let caPem: string;

  beforeAll(async () => {
    if (!isInstalled(name)) return;
    const certificates = await createTestCertificates();
    caPem = certificates.authority.certificatePem;
    app = createServer((request, response) => {
      request.resume();
      request.once('end', () =>
        response.end(`${request.method} ${request.url} ${request.headers['x-mark']}`),
      );
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    const apiPort = (app.address() as AddressInfo).port;
    proxy = await startProxy(name, { tls: { ...certificates.server, caPem }, apiPort });
  });
  afterAll(async () => {
    await proxy?.close();
    app?.closeAllConnections();
  });

  it.skipIf(!isInstalled(name))(
    'gives each client the answer to its own request, whatever another one sends before (B11)',
    { timeout: 300_000 },
    async () => {
      let number = 0;
      await fc.assert(
        fc.asyncProperty(framing, async ({ method, fields, body, ending }) => {
          const host = `Host: localhost:${proxy.port}`;
          const head = [`${method} /attack HTTP/1.1`, host, 'X-Mark: attacker', ...fields].join(ending);
          const options = { port: proxy.port, caPem };
          await rawExchange(`${head}${ending}${ending}${body}`, { ...options, timeoutMilliseconds: 100 });
          number += 1;
          const own = `/victim-${number}`;
          const answer = await rawExchange(rawRequest(own, [host, `X-Mark: ${number}`]), options);
          expect([answer.status, answer.body.includes(`GET ${own} ${number}`)]).toEqual([200, true]);
          expect(answer.text).not.toMatch(/smuggled|attack/);
        }),
        { seed: SEED, numRuns: RUNS },
      );
    },
  );
});
