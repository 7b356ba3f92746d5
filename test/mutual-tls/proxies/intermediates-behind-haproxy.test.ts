import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClientCertificateSource } from '../../../src/mutual-tls/client-certificate.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };

describe.skipIf(!isInstalled('haproxy'))(
  `HAProxy with ssl_c_der and ssl_c_chain_der, format haproxy${absence('haproxy')}`,
  () => {
    let root: Authority;
    let issuing: Authority;
    let client: IssuedCertificate;
    let app: Server;
    let proxy: RunningProxy;

    beforeAll(async () => {
      root = await createAuthority({ name: 'Root', ...PERIOD });
      issuing = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
      client = await issuing.issue({ profile: 'qwac', subject: { commonName: 'tpp' }, ...PERIOD });
      const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
      const source = createClientCertificateSource({
        from: 'proxy',
        format: 'haproxy',
        trustedProxies: ['127.0.0.1'],
      });
      app = createServer((request, response) => {
        const { certificate, intermediates } = source.read(request);
        response.end(JSON.stringify([certificate?.thumbprint ?? 'none', ...intermediates.map(thumbprintOf)]));
      });
      await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
      proxy = await startProxy('haproxy', {
        tls: { ...server, caPem: root.certificatePem },
        apiPort: (app.address() as AddressInfo).port,
        change: (text) =>
          text.replace(
            / *http-request set-header Client-Cert .*\n/,
            '  http-request set-header X-SSL-Client-DER %[ssl_c_der,base64]\n' +
              '  http-request set-header X-SSL-Client-Chain-DER %[ssl_c_chain_der,base64]\n',
          ),
      });
    });
    afterAll(async () => {
      await proxy?.close();
      await new Promise((resolve) => app.close(resolve));
    });

    const seenBy = async (certificatePem?: string): Promise<readonly string[]> => {
      const certificate =
        certificatePem === undefined ? undefined : { certificatePem, privateKeyPem: client.privateKeyPem };
      const request = rawRequest('/', ['Host: x', 'X-SSL-Client-Chain-DER: AAAA', 'x-ssl-client-der: AAAA']);
      const { body } = await rawExchange(request, {
        port: proxy.port,
        caPem: root.certificatePem,
        certificate,
      });
      return JSON.parse(body.slice(body.indexOf('['), body.lastIndexOf(']') + 1));
    };

    it('forwards the certificate and what else the client sent, and nothing of a header of the client', async () => {
      const own = thumbprintOf(client.der);
      const [leaf, ...hints] = await seenBy(client.chainPem);
      expect(leaf).toBe(own);
      expect(hints).toContain(thumbprintOf(issuing.der));
      expect((await seenBy(client.certificatePem))[0]).toBe(own);
      expect(await seenBy()).toEqual(['none']);
    });
  },
);
