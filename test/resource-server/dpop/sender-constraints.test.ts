import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import {
  type AuthorizerOptions,
  createAuthorizer,
  createProtection,
  nodeProtection,
  type SenderConstraint,
} from '../../../src/resource-server/index.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  serveOverTls,
  type TestIssuer,
} from '../issuer.ts';
import { createProofKey, type ProofKey, proofFor } from './test-proofs.ts';

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let right: PresentedCertificate;
let other: PresentedCertificate;
let key: ProofKey;
let otherKey: ProofKey;

beforeAll(async () => {
  [issuer, certificates] = await Promise.all([createTestIssuer(), createTestCertificates()]);
  [right, other] = [presented(certificates.one.der), presented(certificates.two.der)];
  [key, otherKey] = await Promise.all([createProofKey(), createProofKey()]);
});

function presented(bytes: Uint8Array): PresentedCertificate {
  const der = Buffer.from(bytes);
  return { der, thumbprint: thumbprintOf(der), certificate: new X509Certificate(der) };
}

function authorizerWith(options: Partial<AuthorizerOptions> = {}) {
  return createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    status: false,
    ...options,
  });
}

const TOKENS = ['certificate', 'certificate-and-dpop', 'dpop', 'neither'] as const;
type Bound = (typeof TOKENS)[number];

function tokenBound(bound: Bound): Promise<string> {
  const cnf = {
    ...(bound.startsWith('certificate') ? { 'x5t#S256': right.thumbprint } : {}),
    ...(bound.endsWith('dpop') ? { jkt: key.jkt } : {}),
  };
  return issuer.token(right.thumbprint, { claims: { cnf } });
}

interface Sent {
  readonly certificate: 'right' | 'other' | 'none';
  readonly proof: 'right' | 'other' | 'none';
}

async function verdict(
  bound: Bound,
  { certificate, proof }: Sent,
  accepted?: readonly SenderConstraint[],
): Promise<string> {
  const token = await tokenBound(bound);
  const signer = { right: key, other: otherKey, none: undefined }[proof];
  const rawHeaders =
    signer === undefined
      ? ['Authorization', `Bearer ${token}`]
      : ['Authorization', `DPoP ${token}`, 'DPoP', await proofFor(token, signer)];
  const authorizer = authorizerWith(accepted === undefined ? {} : { senderConstraints: accepted });
  const request = {
    method: 'GET',
    url: '/accounts',
    rawHeaders,
    certificate: { right, other, none: undefined }[certificate],
  };
  try {
    const authorization = await authorizer.authorize(request, { scopes: ['accounts'] });
    expect(authorization.thumbprint).toBe(bound === 'dpop' ? undefined : right.thumbprint);
    expect(authorization.jkt).toBe(bound === 'certificate' ? undefined : key.jkt);
    return 'allowed';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

const CELLS = (['right', 'other', 'none'] as const).flatMap((certificate) =>
  (['right', 'other', 'none'] as const).map((proof) => ({ certificate, proof })),
);
const allowedOf = async (bound: Bound, accepted?: readonly SenderConstraint[]) => {
  const seen = await Promise.all(
    CELLS.map(async (cell) => ({ ...cell, code: await verdict(bound, cell, accepted) })),
  );
  return seen.filter(({ code }) => code === 'allowed').map(({ code, ...cell }) => cell);
};
const ALL = ['certificate', 'certificate-and-dpop', 'dpop'] as const;

describe('the sender constraint of a token', () => {
  it('is proved in full: each confirmation, by every certificate, key and neither (A1, A2, A7, RFC 7800 §3.1)', async () => {
    for (const accepted of [undefined, ALL]) {
      expect(await allowedOf('certificate', accepted)).toEqual([{ certificate: 'right', proof: 'none' }]);
      expect(await allowedOf('certificate-and-dpop', accepted)).toEqual([
        { certificate: 'right', proof: 'right' },
      ]);
      expect(await allowedOf('neither', accepted)).toEqual([]);
    }
  });

  it('may be a DPoP key alone where the API allows that by name, and nowhere else (RFC 9449 §7.1)', async () => {
    expect(await allowedOf('dpop')).toEqual([]);
    expect(await verdict('dpop', { certificate: 'right', proof: 'right' })).toBe('ERR_TOKEN_UNBOUND');
    expect(await verdict('dpop', { certificate: 'none', proof: 'right' })).toBe('ERR_CERT_MISSING');
    expect(await allowedOf('dpop', ALL)).toEqual(
      (['right', 'other', 'none'] as const).map((certificate) => ({ certificate, proof: 'right' })),
    );
  });

  it('must be one of those that the API accepts', async () => {
    const sent = { certificate: 'right', proof: 'none' } as const;
    expect(await verdict('certificate', sent, ['certificate-and-dpop'])).toBe('ERR_TOKEN_UNBOUND');
    const both = { certificate: 'right', proof: 'right' } as const;
    expect(await verdict('certificate-and-dpop', both, ['certificate-and-dpop'])).toBe('allowed');
    expect(await verdict('certificate-and-dpop', both, ['dpop'])).toBe('ERR_TOKEN_UNBOUND');
    expect(await verdict('neither', sent, ALL)).toBe('ERR_TOKEN_UNBOUND');
  });

  it('of a certificate is not replaced by a proof, without the certificate', async () => {
    expect(await verdict('certificate', { certificate: 'none', proof: 'right' }, ALL)).toBe(
      'ERR_CERT_MISSING',
    );
    expect(await verdict('certificate-and-dpop', { certificate: 'none', proof: 'right' }, ALL)).toBe(
      'ERR_CERT_MISSING',
    );
  });

  it('checks the dates of a certificate that comes with a token of a key alone', async () => {
    const expired = await certificates.authority.issue({
      profile: 'qwac',
      subject: { commonName: 'one' },
      notBefore: new Date('2020-01-01'),
      notAfter: new Date(NOW.getTime() - 1000),
    });
    const token = await tokenBound('dpop');
    const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', await proofFor(token, key)];
    const request = { method: 'GET', url: '/accounts', rawHeaders, certificate: presented(expired.der) };
    await expect(
      authorizerWith({ senderConstraints: ALL }).authorize(request, { scopes: [] }),
    ).rejects.toMatchObject({ code: 'ERR_CERT_EXPIRED' });
  });

  const impossible: readonly [title: string, options: Partial<AuthorizerOptions>][] = [
    ['none', { senderConstraints: [] }],
    ['an unknown one', { senderConstraints: ['none' as SenderConstraint] }],
    ['DPoP without an address to compare htu with', { audience: 'urn:api', senderConstraints: ['dpop'] }],
    [
      'DPoP alone beside a check of the certificate',
      {
        senderConstraints: ALL,
        tppCheck: () => ({ authorizationNumber: 'PSDGB-FCA-1', roles: new Set<string>() }),
      },
    ],
  ];
  it.each(impossible)('cannot be %s', (_title, options) => {
    expect(() => authorizerWith(options)).toThrow(TypeError);
  });

  it('of a key alone is decided over TLS without a client certificate', async () => {
    const protection = createProtection({
      authorizer: authorizerWith({ senderConstraints: ALL }),
      clientCertificate: { from: 'socket' },
    });
    const handler = nodeProtection(protection, { scopes: ['accounts'], roles: ['PSP_AI'] }, (_, answer) => {
      answer.end('the accounts');
    });
    const server = await serveOverTls(handler, certificates);
    const token = await tokenBound('dpop');
    const dpop = await proofFor(token, key);
    const send = (headers: Record<string, string>) => server.send('/accounts', { headers });
    const first = await send({ authorization: `DPoP ${token}`, dpop });
    const answers = [
      await send({ authorization: `DPoP ${token}`, dpop }),
      await send({ authorization: `Bearer ${token}`, dpop: await proofFor(token, key) }),
      await send({ authorization: `DPoP ${token}` }),
    ];
    await server.close();
    expect([first.status, first.text]).toEqual([200, 'the accounts']);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
  });
});
