import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { cavage, createSigner } from 'http-message-signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BerlinSignatureOptions, createMessageSignatures } from '../../../src/resource-server/index.ts';
import type { IssueOptions } from '../../../src/sandbox/pki/issue-options.ts';
import { createAuthority, type Authority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, NOW } from '../issuer.ts';
import { CLOCK, GLUES, serveGlues, thumbprintOf } from './glues.ts';
import { clientOf, ORGANIZATION, received } from './signed-client.ts';

const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-06-01') };
const BODY = '{"amount":"12.50"}';
const SEAL: IssueOptions = {
  profile: 'qsealc',
  subject: { commonName: 'acme', organization: 'Acme' },
  authorizationNumber: '900001',
  nca: { id: 'GB-FCA', name: 'FCA' },
  roles: ['PSP_AI'],
  keyType: 'rsa-2048',
  ...PERIOD,
};

let authority: Authority;
let seal: IssuedCertificate;

beforeAll(async () => {
  authority = await createAuthority({ name: 'Seal CA', ...PERIOD });
  seal = await authority.issue(SEAL);
});

interface Change {
  readonly seal?: IssuedCertificate;
  readonly keyId?: string;
  readonly algorithm?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly fields?: readonly string[];
  readonly body?: string;
}

const digestOf = (body: string, hash = 'sha256', name = 'SHA-256') =>
  `${name}=${createHash(hash).update(body).digest('base64')}`;
const oneLine = ({ der }: IssuedCertificate) => Buffer.from(der).toString('base64');
const keyIdOf = ({ der }: IssuedCertificate) => {
  const { serialNumber, issuer } = new X509Certificate(der);
  return `SN=${serialNumber},CA=${encodeURI(issuer.replaceAll('\n', ','))}`;
};

/** The request as a TPP signs it, with another implementation of the draft. */
async function sealed(change: Change = {}) {
  const by = change.seal ?? seal;
  const all = {
    digest: digestOf(BODY),
    'x-request-id': '99391c7e-ad88-49ec-a2ad-99ddcb1f7721',
    'tpp-signature-certificate': oneLine(by),
    ...change.headers,
  };
  const headers = Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const message = { method: 'POST', url: `${AUDIENCE}/payments?dry=1`, headers };
  const fields = change.fields ?? ['digest', 'x-request-id'];
  const named = fields.map((name) => name.replace('(request-target)', '@request-target'));
  const base = Buffer.from(cavage.formatSignatureBase(cavage.createSignatureBase(named, message, new Map())));
  const key = createPrivateKey(by.privateKeyPem);
  const bytes =
    key.asymmetricKeyType === 'ec'
      ? sign('sha256', base, key)
      : await createSigner(key, 'rsa-v1_5-sha256').sign(base);
  const signature = bytes.toString('base64');
  const field = `keyId="${change.keyId ?? keyIdOf(by)}",algorithm="${change.algorithm ?? 'rsa-sha256'}",headers="${fields.join(' ')}",signature="${signature}"`;
  return {
    method: 'POST',
    path: '/payments?dry=1',
    body: change.body ?? BODY,
    headers: { ...headers, signature: field },
  };
}

type Sealed = Awaited<ReturnType<typeof sealed>>;

const signaturesOf = (change: Partial<BerlinSignatureOptions> = {}) =>
  createMessageSignatures({
    format: 'berlin-group',
    seals: { anchorsPem: authority.certificatePem },
    clock: CLOCK,
    ...change,
  });
const verify = (request: Sealed, change: Partial<BerlinSignatureOptions> = {}) =>
  signaturesOf(change).verify(received(request), clientOf());
const refused = (code: string, problem?: string) => ({
  code: `ERR_SIGNATURE_${code}`,
  ...(problem === undefined ? {} : { details: { problem: expect.stringContaining(problem) } }),
});

describe('a signature of the Berlin Group', () => {
  it('is accepted with a seal of the TPP of the token', async () => {
    expect(await verify(await sealed())).toEqual({
      keyId: new X509Certificate(seal.der).serialNumber.toLowerCase(),
      covered: ['digest', 'x-request-id'],
    });
    const pem = `-----BEGIN CERTIFICATE-----${oneLine(seal)}-----END CERTIFICATE-----`;
    await verify(await sealed({ headers: { 'tpp-signature-certificate': pem } }));
    await verify(await sealed({ headers: { digest: digestOf(BODY, 'sha512', 'sha-512') } }));
    await verify(
      await sealed({ headers: { date: NOW.toUTCString() }, fields: ['digest', 'x-request-id', 'date'] }),
    );
    await verify(await sealed({ fields: ['(request-target)', 'digest', 'x-request-id'] }), {
      covers: ['(request-target)'],
    });
  });

  it.each<[string, string, Change]>([
    ['the digest is not covered', 'COVERAGE', { fields: ['x-request-id'] }],
    ['the request id is not covered', 'COVERAGE', { fields: ['digest'] }],
    ['a customer is named and not covered', 'COVERAGE', { headers: { 'psu-id': 'anna' } }],
    [
      'a redirect address is there and not covered',
      'COVERAGE',
      { headers: { 'tpp-redirect-uri': 'https://tpp.example' } },
    ],
    ['a field is covered twice', 'COVERAGE', { fields: ['digest', 'x-request-id', 'digest'] }],
    [
      'the date is stale',
      'TIME',
      {
        headers: { date: new Date(NOW.getTime() - 71_000).toUTCString() },
        fields: ['digest', 'x-request-id', 'date'],
      },
    ],
    [
      'the date is of another form',
      'TIME',
      { headers: { date: NOW.toISOString() }, fields: ['digest', 'x-request-id', 'date'] },
    ],
    ['the body is another (Q1)', 'DIGEST', { body: '{"amount":"99.50"}' }],
    ['a second digest is wrong', 'DIGEST', { headers: { digest: `${digestOf(BODY)},SHA-512=AAAA` } }],
    ['the digest is weak', 'DIGEST', { headers: { digest: digestOf(BODY, 'md5', 'MD5') } }],
    ['the algorithm is unknown', 'ALGORITHM', { algorithm: 'hmac-sha256' }],
    ['the hash is weak', 'ALGORITHM', { algorithm: 'rsa-sha1' }],
    ['the key is not for the algorithm', 'ALGORITHM', { algorithm: 'ecdsa-sha512' }],
    ['the key id is of another certificate', 'SEAL', { keyId: 'SN=1,CA=CN=x' }],
    ['the certificate is missing', 'MALFORMED', { headers: { 'tpp-signature-certificate': undefined } }],
    ['the certificate is no base64', 'SEAL', { headers: { 'tpp-signature-certificate': '%%%' } }],
    ['the certificate is none', 'SEAL', { headers: { 'tpp-signature-certificate': 'MAA=' } }],
  ])('is refused when %s', async (_name, code, change) => {
    await expect(sealed(change).then((request) => verify(request))).rejects.toMatchObject(refused(code));
  });

  it('covers the address where the route asks for it', async () => {
    const covers = ['(request-target)'];
    await expect(verify(await sealed(), { covers })).rejects.toMatchObject(refused('COVERAGE'));
    const request = await sealed({ fields: ['(request-target)', 'digest', 'x-request-id'] });
    for (const change of [{ path: '/payments?dry=0' }, { method: 'PUT' }]) {
      await expect(verify({ ...request, ...change }, { covers })).rejects.toMatchObject(refused('INVALID'));
    }
  });

  it.each([
    ['a parameter twice', (field: string) => `${field},keyId="SN=1,CA=x"`],
    ['an unknown parameter', (field: string) => `${field},expires="1"`],
    ['no quotes', (field: string) => field.replaceAll('"', '')],
    ['a parameter missing', (field: string) => field.replace(/algorithm="[^"]*",/, '')],
    ['a signature that is no base64', (field: string) => field.replace(/signature="[^"]*"/, 'signature="*"')],
    ['nothing', () => ''],
  ])('is refused with %s', async (_name, change) => {
    const request = await sealed();
    const headers = { ...request.headers, signature: change(request.headers.signature ?? '') };
    await expect(verify({ ...request, headers })).rejects.toMatchObject(refused('MALFORMED'));
  });

  it.each<[string, string, (root: Authority) => Promise<IssuedCertificate>]>([
    [
      'of another TPP (Q4)',
      'the token of',
      () => authority.issue({ ...SEAL, authorizationNumber: '900002' }),
    ],
    [
      'of two TPPs',
      'the token of',
      () =>
        authority.issue({
          ...SEAL,
          deviation: { organizationIdentifiers: [ORGANIZATION, 'PSDGB-FCA-900002'] },
        }),
    ],
    [
      'of no TPP',
      'of no TPP',
      () => authority.issue({ ...SEAL, deviation: { organizationIdentifiers: [] } }),
    ],
    ['of a certificate for websites (G10)', 'eseal', () => authority.issue({ ...SEAL, profile: 'qwac' })],
    [
      'without a statement',
      'no QCStatements',
      () => authority.issue({ ...SEAL, deviation: { omit: ['qcStatements'] } }),
    ],
    ['that has expired', 'out of date', () => authority.issue({ ...SEAL, notAfter: new Date('2026-02-01') })],
    ['of another CA', 'ERR_CERT_UNTRUSTED', async (root) => root.issue(SEAL)],
    [
      'of a CA with the same name',
      'ERR_CERT_UNTRUSTED',
      async () => (await createAuthority({ name: 'Seal CA', ...PERIOD })).issue(SEAL),
    ],
  ])('is refused with a seal %s', async (_name, problem, issue) => {
    const by = await issue(await createAuthority({ name: 'Other CA', ...PERIOD }));
    await expect(verify(await sealed({ seal: by }))).rejects.toMatchObject(refused('SEAL', problem));
  });

  it('is refused with the seal of the TPP and the key of another', async () => {
    const other = await authority.issue(SEAL);
    const request = await sealed({ seal: { ...seal, privateKeyPem: other.privateKeyPem } });
    await expect(verify(request)).rejects.toMatchObject(refused('INVALID'));
  });

  it('asks the bank, whose own failure is no refusal', async () => {
    const request = await sealed();
    const asked: unknown[] = [];
    const seals = { check: (der: Uint8Array) => void asked.push(Buffer.from(der)) };
    await verify(request, { seals });
    expect(asked).toEqual([Buffer.from(seal.der)]);
    const failing = { check: () => Promise.reject(new Error('no list')) };
    await expect(verify(request, { seals: failing })).rejects.toMatchObject(refused('KEYS_UNAVAILABLE'));
  });

  it('may have an elliptic key', async () => {
    const elliptic = await authority.issue({ ...SEAL, keyType: 'ec-p256' });
    const request = await sealed({ seal: elliptic, algorithm: 'ecdsa-sha256' });
    await expect(verify(request)).resolves.toMatchObject({ covered: ['digest', 'x-request-id'] });
  });

  describe('over TLS', () => {
    let served: Awaited<ReturnType<typeof serveGlues>>;
    let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
    let token: string;
    beforeAll(async () => {
      const issuer = await createTestIssuer();
      certificates = await createTestCertificates();
      token = await issuer.token(thumbprintOf(certificates.one), {
        claims: { authorization_number: ORGANIZATION },
      });
      const seals = { anchorsPem: authority.certificatePem };
      served = await serveGlues({ format: 'berlin-group', seals, clock: CLOCK }, { issuer, certificates });
    });
    afterAll(async () => {
      await Promise.all(Object.values(served.servers).map((server) => server.close()));
    });

    it.each(GLUES)('proves the request behind the %s glue', async (glue) => {
      const { headers, method, path } = await sealed();
      const send = (body: string) =>
        served.servers[glue].send(path, {
          certificate: certificates.one,
          method,
          headers: { ...headers, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: new Uint8Array(Buffer.from(body)),
        });
      expect((await send(BODY)).json).toMatchObject({ body: BODY });
      const altered = await send(BODY.replace('12', '99'));
      expect(altered.status).toBe(401);
      expect(altered.json.error_description).toContain('ERR_SIGNATURE_DIGEST');
    });
  });
});
