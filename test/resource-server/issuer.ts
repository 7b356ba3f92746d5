import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { exportJWK, type JWK, SignJWT } from 'jose';
import { Agent, fetch } from 'undici';
import { createListener } from '../../src/mutual-tls/listeners.ts';
import { silentLog } from '../../src/events.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';

/** A time at which the clock stands still in these tests. */
export const NOW = new Date('2026-11-24T12:00:00Z');
export const ISSUER = 'https://as.bank.example';
export const AUDIENCE = 'https://api.bank.example';
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };

/** Signs access tokens and status lists as the authorization server does, and as it never would. */
export interface TestIssuer {
  readonly jwks: { keys: JWK[] };
  readonly privateKey: KeyObject;
  token(thumbprint: string, change?: TokenChange): Promise<string>;
  statusList(revoked: readonly number[], change?: Record<string, unknown>): Promise<string>;
}

export interface TokenChange {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: KeyObject | Uint8Array;
}

export async function createTestIssuer(kid = 'one'): Promise<TestIssuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  const seconds = NOW.getTime() / 1000;
  return {
    jwks: { keys: [jwk] },
    privateKey,
    token: (thumbprint, change = {}) => {
      const claims: Record<string, unknown> = {
        iss: ISSUER,
        aud: AUDIENCE,
        sub: 'psu-1',
        client_id: 'acme',
        jti: 'token-1',
        iat: seconds,
        exp: seconds + 600,
        scope: 'accounts payments',
        consent_id: 'consent-1',
        tpp_roles: ['PSP_AI', 'PSP_PI'],
        cnf: { 'x5t#S256': thumbprint },
        status: { status_list: { idx: 7, uri: `${ISSUER}/status-lists/0` } },
        ...change.claims,
      };
      const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
      return new SignJWT(present)
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...change.header })
        .sign(change.key ?? privateKey);
    },
    statusList: (revoked, change = {}) => {
      const bits = Buffer.alloc(16);
      for (const index of revoked)
        bits.writeUInt8(bits.readUInt8(index >> 3) | (1 << (index & 7)), index >> 3);
      return new SignJWT({
        iss: ISSUER,
        sub: `${ISSUER}/status-lists/0`,
        iat: seconds,
        exp: seconds + 60,
        status_list: { bits: 1, lst: deflateSync(bits).toString('base64url') },
        ...change,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'statuslist+jwt', kid })
        .sign(privateKey);
    },
  };
}

/** Certificates of two TPPs, a renewal, and a reissue on the same key. */
export async function createTestCertificates() {
  const authority: Authority = await createAuthority({ name: 'Test CA', ...PERIOD });
  const issue = (commonName: string, privateKeyPem?: string) =>
    authority.issue({
      profile: 'qwac',
      subject: { commonName },
      ...PERIOD,
      ...(privateKeyPem === undefined ? {} : { privateKeyPem }),
    });
  const [one, two, renewed, server] = await Promise.all([
    issue('one'),
    issue('two'),
    issue('one'),
    authority.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD }),
  ]);
  const reissued = await issue('one', one.privateKeyPem);
  return { authority, one, two, renewed, reissued, server };
}

/** Serves a handler over real TLS and calls it with or without a certificate. */
export async function serveOverTls(
  handler: Parameters<ReturnType<typeof createListener>['serve']>[1],
  certificates: { readonly authority: Authority; readonly server: IssuedCertificate },
) {
  const listener = createListener({
    name: 'resource',
    certificatePem: certificates.server.certificatePem,
    privateKeyPem: certificates.server.privateKeyPem,
    requestClientCertificate: true,
    log: silentLog,
  });
  const port = await listener.listen(0, '127.0.0.1');
  const url = `https://localhost:${port}`;
  listener.serve(new URL(url), handler);
  const agents: Agent[] = [];
  return {
    url,
    send: async (
      path: string,
      init: {
        certificate?: IssuedCertificate;
        headers?: Record<string, string>;
        method?: string;
        body?: Uint8Array<ArrayBuffer>;
      } = {},
    ) => {
      const { certificate, ...rest } = init;
      const identity =
        certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.privateKeyPem };
      const agent = new Agent({ connect: { ca: certificates.authority.certificatePem, ...identity } });
      agents.push(agent);
      const response = await fetch(`${url}${path}`, { ...rest, dispatcher: agent });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: text.startsWith('{') ? JSON.parse(text) : {},
      };
    },
    close: async () => {
      await Promise.all(agents.map((agent) => agent.destroy()));
      await listener.close();
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof serveOverTls>>;
