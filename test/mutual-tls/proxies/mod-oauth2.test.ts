import { existsSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthorizer, createProtection, nodeProtection } from '../../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  type TestIssuer,
} from '../../resource-server/issuer.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

const MODULE = '/usr/lib/apache2/modules/mod_oauth2.so';
const isThere = isInstalled('apache') && existsSync(MODULE);

describe.skipIf(!isThere)(
  `Apache’s mod_oauth2 and our API, on the same tokens and certificates${isThere ? '' : ' (skipped: libapache2-mod-oauth2 is not installed)'}`,
  () => {
    let issuer: TestIssuer;
    let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
    let proxy: RunningProxy;
    const servers: Server[] = [];

    const serve = async (listener: RequestListener): Promise<number> => {
      const server = createServer(listener);
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as AddressInfo).port;
    };
    const seconds = () => Math.floor(Date.now() / 1000);
    const tokenFor = (claims: Record<string, unknown> = {}, key?: TestIssuer['privateKey']) =>
      issuer.token(thumbprintOf(certificates.one.der), {
        claims: { iat: seconds(), exp: seconds() + 600, ...claims },
        ...(key === undefined ? {} : { key }),
      });

    beforeAll(async () => {
      issuer = await createTestIssuer();
      certificates = await createTestCertificates();
      const protection = createProtection({
        authorizer: createAuthorizer({
          issuer: ISSUER,
          audience: AUDIENCE,
          jwks: issuer.jwks,
          fetchDocument: async () =>
            Buffer.from(await issuer.statusList([], { iat: seconds(), exp: seconds() + 60 })),
        }),
        clientCertificate: { from: 'proxy', format: 'apache', trustedProxies: ['127.0.0.1'] },
      });
      const ours = await serve(
        nodeProtection(protection, { scopes: [], roles: [] }, (_request, response) => {
          response.end('ours');
        }),
      );
      const plain = await serve((_request, response) => response.end('theirs'));
      const theirs = `
      <Location /theirs>
        AuthType oauth2
        Require valid-user
        OAuth2TokenVerify jwk '${JSON.stringify(issuer.jwks.keys[0])}' kid=one&type=mtls&mtls.policy=required&verify.exp=required
      </Location>
      ProxyPass /theirs http://127.0.0.1:${plain}/`;
      proxy = await startProxy('apache', {
        tls: { ...certificates.server, caPem: certificates.authority.certificatePem },
        apiPort: ours,
        modules: ['authn_core', 'authz_user', 'oauth2'],
        change: (text) => text.replace('ProxyPreserveHost on', (line) => `${theirs}\n${line}`),
      });
    });
    afterAll(async () => {
      await proxy?.close();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    });

    it('come to the same verdict: bound, other, none, renewed, same key, unbound, expired, forged, absent', async () => {
      const { one, two, renewed, reissued } = certificates;
      const stranger = await createTestIssuer();
      const right = await tokenFor();
      const cases = [
        ['the right certificate', right, one, 200],
        ['another certificate', right, two, 401],
        ['no certificate', right, undefined, 401],
        ['the renewed certificate', right, renewed, 401],
        ['another certificate on the same key', right, reissued, 401],
        ['an unbound token', await tokenFor({ cnf: undefined }), one, 401],
        ['an expired token', await tokenFor({ iat: seconds() - 700, exp: seconds() - 100 }), one, 401],
        ['a token that somebody else signed', await tokenFor({}, stranger.privateKey), one, 401],
        ['no token', undefined, one, 401],
      ] as const;
      for (const [title, token, certificate, expected] of cases) {
        const verdicts = await Promise.all(
          ['/ours', '/theirs'].map(async (target) => {
            const fields = token === undefined ? [] : [`Authorization: Bearer ${token}`];
            const answer = await rawExchange(rawRequest(target, ['Host: api.bank.example', ...fields]), {
              port: proxy.port,
              caPem: certificates.authority.certificatePem,
              certificate,
            });
            return [answer.status, answer.status === 200 ? answer.body : ''];
          }),
        );
        const bodies = expected === 200 ? ['ours', 'theirs'] : ['', ''];
        expect([title, ...verdicts]).toEqual([
          title,
          ...bodies.map((body) => [expected, expect.stringContaining(body)]),
        ]);
      }
    });
  },
);
