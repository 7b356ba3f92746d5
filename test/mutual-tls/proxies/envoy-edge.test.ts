import { createServer, type Server } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClientCertificateSource } from '../../../src/mutual-tls/client-certificate.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { createTestCertificates } from '../../resource-server/issuer.ts';
import { xfccOf } from '../forwarders.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

describe.skipIf(!isInstalled('envoy'))(`Envoy as the first to meet the client${absence('envoy')}`, () => {
  let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
  let caPem: string;
  let app: Server;
  let proxy: RunningProxy;
  let forwardedFor: string | undefined;

  beforeAll(async () => {
    certificates = await createTestCertificates();
    caPem = certificates.authority.certificatePem;
    const source = createClientCertificateSource({
      from: 'proxy',
      format: 'envoy',
      trustedProxies: ['127.0.0.1'],
    });
    app = createServer(async (request, response) => {
      const { certificate } = source.read(request);
      forwardedFor = request.headers['x-forwarded-for']?.toString();
      await setTimeout(request.url === '/slow' ? 300 : 0);
      response.end(`of ${certificate?.thumbprint ?? 'nobody'}`);
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    proxy = await startProxy('envoy', {
      tls: { ...certificates.server, caPem },
      apiPort: (app.address() as AddressInfo).port,
      change: (text) => text.replace(/( +)tls_params:/, '$1alpn_protocols: [h2, http/1.1]\n$&'),
    });
  });
  afterAll(async () => {
    await proxy?.close();
    await new Promise((resolve) => app.close(resolve));
  });

  it('takes no orders from it, and tells where it really comes from', async () => {
    const fields = ['Host: x', 'X-Forwarded-For: 198.51.100.7', 'x-envoy-upstream-rq-timeout-ms: 1'];
    const answer = await rawExchange(rawRequest('/slow', fields), { port: proxy.port, caPem });
    expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('of nobody')]);
    expect(forwardedFor?.split(',')).toEqual(['198.51.100.7', expect.not.stringContaining('198.51.100.7')]);
  });

  const askOverHttp2 = async (certificate?: IssuedCertificate) => {
    const session = connect(`https://localhost:${proxy.port}`, {
      ca: caPem,
      ...(certificate && { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
    });
    const forged = xfccOf(Buffer.from(certificates.two.der));
    const stream = session.request({ ':path': '/', 'x-forwarded-client-cert': forged });
    const body = Buffer.concat(await stream.toArray()).toString();
    await new Promise<void>((resolve) => session.close(resolve));
    return [session.alpnProtocol, body];
  };

  it('forwards the certificate of an HTTP/2 connection, and no header in its place (B1)', async () => {
    const ofOne = `of ${thumbprintOf(certificates.one.der)}`;
    expect(await askOverHttp2(certificates.one)).toEqual(['h2', ofOne]);
    expect(await askOverHttp2()).toEqual(['h2', 'of nobody']);
  });
});
