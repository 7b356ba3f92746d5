import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog, parseConfig, type RunningServer, startServer } from '../../../src/index.ts';
import { PROXY_FORMATS } from '../../../src/mutual-tls/proxy-formats.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import {
  type CertificateFiles,
  describeTpp,
  makeFolder,
  pathsOf,
  type SandboxTpp,
} from '../../../src/sandbox/folder.ts';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import { TPP_PLANS } from '../../../src/sandbox/pki/tpps.ts';
import { FORWARDERS } from '../forwarders.ts';
import { type Front, ON_TO_TLS } from './on-to-tls.ts';
import { type RawAnswer, rawExchange, rawRequest } from '../raw-exchange.ts';
import { freePort } from '../../free-port.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

interface Identity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

async function identityOf(files: CertificateFiles): Promise<Identity> {
  const [certificatePem, privateKeyPem] = await Promise.all([
    readFile(files.certificateFile, 'utf8'),
    readFile(files.keyFile, 'utf8'),
  ]);
  return { certificatePem, privateKeyPem };
}
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const derOf = (pem: string) => new X509Certificate(pem).raw;

describe('the authorization server', () => {
  let folder: string;
  let caPem: string;
  let tls: Identity;
  let tpp: SandboxTpp;
  let own: Identity;
  let renewed: Identity;
  let other: Identity;
  const running: { readonly server: RunningServer; readonly proxy: RunningProxy }[] = [];
  const lines: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-behind-'));
    const ports = { front: 0, mtls: 0, resource: 0, revocation: 0, tpp: 0, app: 0 };
    await makeFolder(folder, { ports, now: new Date() });
    const [plan, second] = TPP_PLANS;
    if (plan === undefined || second === undefined) throw new Error('the sandbox has no TPPs');
    tpp = describeTpp(folder, plan);
    const paths = pathsOf(folder);
    [caPem, tls, own, renewed, other] = await Promise.all([
      readFile(paths.root, 'utf8'),
      identityOf(paths.server),
      identityOf(tpp),
      identityOf(tpp.renewed),
      identityOf(describeTpp(folder, second)),
    ]);
  });
  afterAll(async () => {
    await Promise.all(running.map(({ proxy }) => proxy.close()));
    await Promise.all(running.map(({ server }) => server.close()));
    await rm(folder, { recursive: true, force: true });
  });

  /** A server whose public mTLS address is the one of a proxy before it. */
  async function start(name: Front, clientCertificate: object, presented?: CertificateFiles) {
    const paths = pathsOf(folder);
    const [front, mtls] = [await freePort(), await freePort()];
    const proxy = await startProxy(name, {
      tls: { ...tls, caPem },
      apiPort: mtls,
      change: (text) => ON_TO_TLS[name](text, presented),
    });
    const config = parseConfig(
      {
        issuer: `https://localhost:${front}`,
        mtlsUrl: `https://localhost:${proxy.port}`,
        listen: { host: '127.0.0.1', front, mtls, health: 0 },
        tls: { certificateFile: paths.server.certificateFile, privateKeyFile: paths.server.keyFile },
        clientCertificate: {
          from: 'proxy',
          format: name,
          trustedProxies: ['127.0.0.1'],
          ...clientCertificate,
        },
        storage: { file: join(folder, `${mtls}.sqlite`), secretFile: paths.secret },
        signingKeysFile: paths.signingKeys,
        resource: 'https://api.bank.example',
        trust: [
          {
            profile: 'eu-qualified',
            anchorsFile: paths.root,
            allowSandboxAnchors: true,
            intermediatesFile: paths.issuingCa,
            revocation: { mode: 'none' },
          },
        ],
        registry: { file: paths.registry },
        clients: [
          {
            ...tpp.clients.tls_client_auth,
            client_name: tpp.name,
            authorization_number: tpp.organizationIdentifier,
            token_endpoint_auth_method: 'tls_client_auth',
            grant_types: ['client_credentials'],
            scope: 'accounts',
          },
        ],
      },
      { source: 'test', folder },
    );
    const log = createLog({ destination: { write: (line: string) => lines.push(line) } });
    const server = await startServer(config, { aspsp: demoAspsp(), log });
    running.push({ server, proxy });
    return { proxyPort: proxy.port, mtlsPort: mtls, front };
  }

  const host = (port: number) => `Host: localhost:${port}`;
  function tokenRequest(fields: readonly string[]): string {
    const form = `grant_type=client_credentials&scope=accounts&client_id=${tpp.clients.tls_client_auth.client_id}`;
    const head = [
      ...fields,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${form.length}`,
    ];
    return rawRequest('/token', head, 'POST') + form;
  }
  const forgedFields = (name: Front) =>
    Object.entries(FORWARDERS[name](derOf(own.certificatePem), [])).map(
      ([field, value]) => `${field}: ${value}`,
    );
  const events = (event: string) => lines.filter((line) => line.includes(`"event":"${event}"`)).length;

  describe.each(
    (['nginx', 'envoy', 'traefik'] as const).map((name) => [`${name}${absence(name)}`, name] as const),
  )('behind %s', (_title, name) => {
    const test = it.skipIf(!isInstalled(name));

    describe('with the documented lines', () => {
      let ports: Awaited<ReturnType<typeof start>>;
      beforeAll(async () => {
        ports = await start(name, {});
      });
      const exchange = (bytes: string, certificate?: Identity): Promise<RawAnswer> =>
        rawExchange(bytes, { port: ports.proxyPort, caPem, certificate });
      const claimsOf = ({ body }: RawAnswer): Record<string, unknown> => {
        const json = body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1);
        const { access_token: token } = JSON.parse(json) as { readonly access_token: string };
        return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
      };

      test('gives a token that is bound to the forwarded certificate, and to the renewed one next time (A3)', async () => {
        for (const certificate of [own, renewed]) {
          const answer = await exchange(tokenRequest([host(ports.proxyPort)]), certificate);
          expect(answer.status).toBe(200);
          const bound = thumbprintOf(derOf(certificate.certificatePem));
          expect(claimsOf(answer).cnf).toEqual({ 'x5t#S256': bound });
          expect(answer.text).not.toContain(encodeURIComponent('BEGIN CERTIFICATE'));
          expect(answer.headers['cache-control']).toBe('no-store');
        }
      });

      test('refuses another TPP and nobody, whatever headers they send (B9)', async () => {
        const forged = forgedFields(name);
        for (const fields of [[], forged, [`Connection: ${PROXY_FORMATS[name].header}`, ...forged]]) {
          const request = tokenRequest([host(ports.proxyPort), ...fields]);
          const byOther = await exchange(request, other);
          expect([byOther.status, byOther.body]).toEqual([
            400,
            expect.stringContaining('ERR_TPP_CLIENT_MISMATCH'),
          ]);
          const byNobody = await exchange(request);
          expect([byNobody.status, byNobody.body]).toEqual([
            400,
            expect.stringContaining('ERR_CERT_MISSING'),
          ]);
        }
      });

      test('refuses the header from any other address, with an event (B1)', async () => {
        const forged = forgedFields(name);
        const before = events('proxy.untrusted_header');
        const elsewhere = { port: ports.mtlsPort, caPem, from: '127.0.0.2' };
        const refused = await rawExchange(tokenRequest([host(ports.proxyPort), ...forged]), elsewhere);
        expect([refused.status, refused.body]).toEqual([400, expect.stringContaining('ERR_PROXY_UNTRUSTED')]);
        expect(events('proxy.untrusted_header')).toBe(before + 1);
        const bare = await rawExchange(tokenRequest([host(ports.proxyPort)]), {
          ...elsewhere,
          certificate: own,
        });
        expect([bare.status, bare.body]).toEqual([400, expect.stringContaining('ERR_CERT_MISSING')]);
      });

      test.each([
        [
          'two hosts (B12)',
          (fields: readonly string[]) => tokenRequest([...fields, 'Host: evil.example']),
          [400, 421],
        ],
        ['a foreign host (B13)', () => tokenRequest(['Host: evil.example']), [421]],
        [
          'a host in X-Forwarded-Host',
          (fields: readonly string[]) => tokenRequest([...fields, 'X-Forwarded-Host: evil.example']),
          [200],
        ],
      ] as const)('keeps its own name with %s', async (_title, bytes, statuses) => {
        const { status, text } = await exchange(bytes([host(ports.proxyPort)]), own);
        expect(status).toBeOneOf([...statuses]);
        expect(text).not.toContain('evil.example');
        const discovery = await exchange(
          rawRequest('/.well-known/openid-configuration', [
            host(ports.proxyPort),
            'X-Forwarded-Host: evil.example',
            'Forwarded: host=evil.example',
          ]),
          own,
        );
        expect(discovery.text).toContain(`"issuer":"https://localhost:${ports.front}"`);
        expect(discovery.text).not.toContain('evil.example');
      });
    });

    describe('with a certificate of the proxy', () => {
      let ports: Awaited<ReturnType<typeof start>>;
      beforeAll(async () => {
        // The worst case: the proxy presents the certificate of a TPP.
        const proxyCertificates = [new X509Certificate(own.certificatePem).fingerprint256];
        ports = await start(name, { proxyCertificates }, tpp);
      });

      test('never takes it for the client’s, even if it is a TPP’s (B10)', async () => {
        const request = tokenRequest([host(ports.proxyPort)]);
        const caught = await rawExchange(request, { port: ports.proxyPort, caPem });
        expect([caught.status, caught.body]).toEqual([400, expect.stringContaining('ERR_CERT_MISSING')]);
        expect((await rawExchange(request, { port: ports.proxyPort, caPem, certificate: own })).status).toBe(
          200,
        );
      });

      test('refuses the header from the right address with another certificate or none', async () => {
        const forged = forgedFields(name);
        for (const certificate of [undefined, other]) {
          const { status, body } = await rawExchange(tokenRequest([host(ports.proxyPort), ...forged]), {
            port: ports.mtlsPort,
            caPem,
            certificate,
          });
          expect([status, body]).toEqual([400, expect.stringContaining('ERR_PROXY_UNTRUSTED')]);
        }
      });
    });
  });

  describe.skipIf(!isInstalled('nginx'))('with a chain in Client-Cert-Chain (RFC 9440 §2.3)', () => {
    it('takes it as a hint only: nothing in it is trusted, and nothing in it does harm (B6)', async () => {
      const { mtlsPort, proxyPort } = await start('nginx', { format: 'rfc9440' });
      const rogue = await createAuthority({ name: 'Issuing', ...PERIOD });
      const twin = await rogue.issue({ profile: 'qwac', subject: { commonName: 'tpp' }, ...PERIOD });
      const issuing = derOf(await readFile(pathsOf(folder).issuingCa, 'utf8'));
      const ask = (leaf: Uint8Array, chain: readonly Uint8Array[]) => {
        const forwarded = FORWARDERS.rfc9440(Buffer.from(leaf), chain.map(Buffer.from));
        const fields = Object.entries(forwarded).map(([name, value]) => `${name}: ${value}`);
        return rawExchange(tokenRequest([host(proxyPort), ...fields]), { port: mtlsPort, caPem });
      };
      const leaf = derOf(own.certificatePem);
      for (const chain of [[], [issuing], [leaf, rogue.der, issuing], Array(8).fill(rogue.der)]) {
        expect((await ask(leaf, chain)).status).toBe(200);
      }
      const forged = await ask(twin.der, [rogue.der, issuing]);
      expect([forged.status, forged.body]).toEqual([400, expect.stringContaining('ERR_CERT_UNTRUSTED')]);
      expect((await ask(leaf, Array(9).fill(issuing))).status).toBe(400);
    });
  });
});
