import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, FlattenedSign, flattenedVerify, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMessageSignatures, type DetachedJwsOptions } from '../../../src/resource-server/index.ts';
import { createTestCertificates, createTestIssuer, NOW } from '../issuer.ts';
import { CLOCK, GLUES, serveGlues, thumbprintOf } from './glues.ts';
import { clientOf, received } from './signed-client.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PREFIX = 'http://openbanking.org.uk/';
const [IAT, ISS, TAN] = ['iat', 'iss', 'tan'].map((name) => `${PREFIX}${name}`) as [string, string, string];
const BODY = '{"Data":{"Amount":"12.50"}}';
const SECONDS = NOW.getTime() / 1000;

interface Change {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly b64?: false;
  readonly body?: string;
  readonly key?: typeof privateKey;
}

/** The signature as a client makes it with jose. */
async function detached({ header = {}, b64, body = BODY, key = privateKey }: Change = {}): Promise<string> {
  const crit = [...(b64 === false ? ['b64'] : []), IAT, ISS, TAN];
  const whole = {
    alg: 'PS256',
    kid: 'tpp-1',
    typ: 'JOSE',
    cty: 'application/json',
    ...(b64 === false ? { b64 } : {}),
    [IAT]: SECONDS,
    [ISS]: 'org-1/software-1',
    [TAN]: 'openbanking.org.uk',
    crit,
    ...header,
  };
  const present = Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
  const understood = Object.fromEntries(
    [...crit, 'x'].filter((name) => name !== 'b64').map((name) => [name, true]),
  );
  const jws = await new FlattenedSign(Buffer.from(body))
    .setProtectedHeader(present as { alg: string })
    .sign(key, { crit: understood });
  return `${jws.protected}..${jws.signature}`;
}

let jwk: JWK;
let options: DetachedJwsOptions;

beforeAll(async () => {
  jwk = { ...(await exportJWK(publicKey)), kid: 'tpp-1' };
  options = {
    format: 'uk-detached-jws',
    keysOf: ({ clientId }) => ({ keys: clientId === 'acme' ? [jwk] : [] }),
    issuersOf: () => ['org-1/software-1'],
    clock: CLOCK,
  };
});

const signedBy = (signature: string, body = BODY) =>
  received({ method: 'POST', path: '/payments', headers: { 'x-jws-signature': signature }, body });
const verify = (signature: string, change: Partial<DetachedJwsOptions> = {}, body = BODY) =>
  createMessageSignatures({ ...options, ...change }).verify(signedBy(signature, body), clientOf());

describe('x-jws-signature of the UK Read/Write API', () => {
  it('is accepted without b64, as since version 3.1.4, or with b64 false, as before', async () => {
    const proof = { keyId: 'tpp-1', covered: ['body'] };
    expect(await verify(await detached())).toEqual(proof);
    expect(await verify(await detached({ b64: false }), { b64: 'false' })).toEqual(proof);
  });

  it.each<[string, string, Change]>([
    ['b64 is there (Q6, RFC 7797 §7)', 'MALFORMED', { b64: false }],
    ['crit lacks a claim', 'MALFORMED', { header: { crit: [IAT, ISS] } }],
    ['crit has one more (H4)', 'MALFORMED', { header: { crit: [IAT, ISS, TAN, 'x'], x: 1 } }],
    ['crit has another claim in place of one', 'MALFORMED', { header: { crit: [IAT, ISS, 'x'], x: 1 } }],
    ['typ is of another kind (H15)', 'MALFORMED', { header: { typ: 'JWT' } }],
    ['cty is no JSON', 'MALFORMED', { header: { cty: 'text/plain' } }],
    ['kid is missing', 'MALFORMED', { header: { kid: undefined } }],
    ['the trust anchor is another', 'MALFORMED', { header: { [TAN]: 'evil.example' } }],
    ['the algorithm is RS256', 'ALGORITHM', { header: { alg: 'RS256' } }],
    ['iat is stale', 'TIME', { header: { [IAT]: SECONDS - 71 } }],
    ['iat is in the future', 'TIME', { header: { [IAT]: SECONDS + 11 } }],
    ['iat is a text', 'TIME', { header: { [IAT]: String(SECONDS) } }],
    ['the issuer is another client', 'KEY', { header: { [ISS]: 'org-2/software-2' } }],
    ['the key is unknown', 'KEY', { header: { kid: 'tpp-2' } }],
    ['the key only has the name of one of this client', 'INVALID', { key: stranger.privateKey }],
    ['another body was signed (Q1)', 'INVALID', { body: '{"Data":{"Amount":"99.50"}}' }],
  ])('is refused when %s', async (_name, code, change) => {
    await expect(verify(await detached(change))).rejects.toMatchObject({ code: `ERR_SIGNATURE_${code}` });
  });

  it.each([
    ['has its payload', (text: string) => text.replace('..', `.${Buffer.from(BODY).toString('base64url')}.`)],
    ['has four parts', (text: string) => `${text}.x`],
    ['is no base64url', (text: string) => `${text}=`],
    ['is no JSON', () => 'YQ..YQ'],
    ['is a list', () => 'W10..YQ'],
    ['is empty', () => ''],
    ['is too long', (text: string) => `${'A'.repeat(9000)}${text}`],
  ])('is refused when it %s', async (_name, change) => {
    await expect(verify(change(await detached()))).rejects.toMatchObject({ code: 'ERR_SIGNATURE_MALFORMED' });
  });

  it('without b64 is refused where the version demands it', async () => {
    await expect(verify(await detached(), { b64: 'false' })).rejects.toMatchObject({
      code: 'ERR_SIGNATURE_MALFORMED',
    });
  });

  it('is needed for a body, and for nothing else', async () => {
    const signatures = createMessageSignatures(options);
    const bare = (body: string) => received({ method: 'POST', path: '/', headers: {}, body });
    expect(await signatures.verify(bare(''), clientOf())).toBeUndefined();
    await expect(signatures.verify(bare(BODY), clientOf())).rejects.toMatchObject({
      code: 'ERR_SIGNATURE_MISSING',
    });
  });

  it('is accepted once where the route asks for it (Q5)', async () => {
    const signatures = createMessageSignatures({ ...options, once: true });
    await signatures.verify(signedBy(await detached()), clientOf());
    await expect(signatures.verify(signedBy(await detached()), clientOf())).rejects.toMatchObject({
      code: 'ERR_SIGNATURE_REPLAYED',
    });
    await signatures.verify(signedBy(await detached({ body: '{}' }), '{}'), clientOf());
  });

  describe.each(['absent', 'false'] as const)('over TLS, b64 %s', (b64) => {
    let served: Awaited<ReturnType<typeof serveGlues>>;
    let token: string;
    let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
    beforeAll(async () => {
      const issuer = await createTestIssuer();
      certificates = await createTestCertificates();
      token = await issuer.token(thumbprintOf(certificates.one));
      const response = {
        keyId: 'bank-1',
        privateKeyPem: stranger.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        issuer: 'bank-org',
        trustAnchor: 'openbanking.org.uk',
      };
      served = await serveGlues({ ...options, b64, response }, { issuer, certificates });
    });
    afterAll(async () => {
      await Promise.all(Object.values(served.servers).map((server) => server.close()));
    });

    it.each(GLUES)('proves the request and signs the answer behind the %s glue', async (glue) => {
      const signature = await detached(b64 === 'false' ? { b64: false } : {});
      const send = (body: string) =>
        served.servers[glue].send('/payments', {
          certificate: certificates.one,
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'x-jws-signature': signature,
          },
          body: new Uint8Array(Buffer.from(body)),
        });
      const answer = await send(BODY);
      expect(answer.json).toEqual({ body: BODY, keyId: 'tpp-1' });
      const [header = '', , bytes = ''] = (answer.headers.get('x-jws-signature') ?? '').split('.');
      const payload =
        b64 === 'false' ? Buffer.from(answer.text) : Buffer.from(answer.text).toString('base64url');
      const { protectedHeader } = await flattenedVerify(
        { protected: header, payload, signature: bytes },
        stranger.publicKey,
        { algorithms: ['PS256'], crit: { [IAT]: true, [ISS]: true, [TAN]: true } },
      );
      expect(protectedHeader).toMatchObject({ kid: 'bank-1', [IAT]: SECONDS, [ISS]: 'bank-org' });
      const altered = await send(BODY.replace('12', '99'));
      expect(altered.status).toBe(401);
      expect(altered.json.error_description).toContain('ERR_SIGNATURE_INVALID');
    });
  });
});
