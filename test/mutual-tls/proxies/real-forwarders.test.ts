import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClientCertificateSource } from '../../../src/mutual-tls/client-certificate.ts';
import { PROXY_FORMATS, type ProxyFormatName } from '../../../src/mutual-tls/proxy-formats.ts';
import { createTestCertificates } from '../../resource-server/issuer.ts';
import {
  ecKeys,
  ed25519Keys,
  extension,
  type IssueOptions,
  issue,
  type Keys,
  named,
  rsaKeys,
} from '../../x509/certificate-factory.ts';
import * as der from '../../x509/der-writer.ts';
import { FORWARDERS, pemOf } from '../forwarders.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { absence, isInstalled, type ProxyName, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

/** Envoy's is longer: see real-xfcc.test.ts. */
const FORMATS: Readonly<Record<Exclude<ProxyName, 'envoy'>, ProxyFormatName>> = {
  nginx: 'nginx',
  haproxy: 'rfc9440',
  apache: 'apache',
  caddy: 'caddy',
  traefik: 'traefik',
};

const root = issue('authority', 'root');
const issuing = issue('authority', 'issuing', { issuer: root });
const client = (change: IssueOptions = {}, keys: Keys = ecKeys()) =>
  issue('end entity', 'one', { issuer: issuing, ...change, keys });

describe.each(
  (['nginx', 'haproxy', 'apache', 'caddy', 'traefik'] as const).map(
    (name) => [`${name}${absence(name)}`, name] as const,
  ),
)('the header as %s writes it', (_title, name) => {
  const test = it.skipIf(!isInstalled(name));
  const format = FORMATS[name];
  const { header } = PROXY_FORMATS[format];
  let app: Server;
  let proxy: RunningProxy;
  let caPem: string;
  const seen: { readonly value: unknown; readonly thumbprints: readonly string[] }[] = [];

  beforeAll(async () => {
    const certificates = await createTestCertificates();
    caPem = certificates.authority.certificatePem;
    const source = createClientCertificateSource({ from: 'proxy', format, trustedProxies: ['127.0.0.1'] });
    app = createServer((request, response) => {
      const { certificate, intermediates } = source.read(request);
      seen.push({
        value: request.headers[header],
        thumbprints: [certificate?.thumbprint ?? 'none', ...intermediates.map(thumbprintOf)],
      });
      response.end();
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    const apiPort = (app.address() as AddressInfo).port;
    proxy = await startProxy(name, { tls: { ...certificates.server, caPem }, apiPort });
  });
  afterAll(async () => {
    await proxy?.close();
    await new Promise((resolve) => app.close(resolve));
  });

  const ask = async (by: ReturnType<typeof client>, chain: readonly Buffer[] = []) => {
    seen.length = 0;
    await rawExchange(rawRequest('/', [`Host: localhost:${proxy.port}`]), {
      port: proxy.port,
      caPem,
      certificate: {
        certificatePem: [by.der, ...chain].map(pemOf).join(''),
        privateKeyPem: String(by.keys.privateKey.export({ type: 'pkcs8', format: 'pem' })),
      },
    });
    return seen[0];
  };

  test('is what our other tests send, to the letter', async () => {
    const one = client();
    const hints = name === 'traefik' ? [issuing.der] : [];
    const [expected] = Object.values(FORWARDERS[format](one.der, hints));
    expect(await ask(one, [issuing.der])).toEqual({
      value: expected,
      thumbprints: [one.der, ...hints].map(thumbprintOf),
    });
  });

  test('holds a certificate of any key, name, date and length: Tallystick decides', async () => {
    const long = extension('1.3.6.1.5.5.7.1.3', der.sequence(der.octetString(Buffer.alloc(3000, 0xfb))));
    for (const own of [
      client({ extra: [long] }, rsaKeys(4096)),
      client({}, ecKeys('P-384')),
      client({}, ecKeys('P-521')),
      client({}, ed25519Keys()),
      client({ subject: named('",;=\\ é\r\n%0A') }),
      // nginx and Apache refuse this one themselves.
      ...(name === 'nginx' || name === 'apache' ? [] : [client({ notAfter: new Date('2026-02-01') })]),
      client({ issuer: issue('authority', 'unknown') }),
    ]) {
      expect((await ask(own))?.thumbprints).toEqual([thumbprintOf(own.der)]);
    }
  });
});
