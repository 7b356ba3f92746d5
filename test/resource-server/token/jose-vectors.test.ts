import { createPublicKey, webcrypto } from 'node:crypto';
import { errors, importJWK, type JWK } from 'jose';
import { verify } from 'oidc-provider/lib/helpers/jwt.js';
import KeyStore from 'oidc-provider/lib/helpers/keystore.js';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { verifyCompactSignature } from '../../../src/resource-server/token/compact-signature.ts';
import { issuerKeys } from '../../../src/resource-server/token/issuer-keys.ts';
import { readAll } from '../../../src/x509/der/der.ts';
import { findJwkProblem } from '../../../src/x509/certificate/public-jwk.ts';
import { readSignatureAlgorithm, verifySignature } from '../../../src/x509/certificate/signature.ts';
import { ecdsaSigner, ed25519Signer, pssSigner } from '../../x509/certificate-factory.ts';
import { corpus, readCorpus } from '../../x509/corpora.ts';

interface Group {
  readonly comment?: string;
  /** Of symmetric keys there is no public form. */
  readonly public?: JWK | { readonly keys: readonly JWK[] };
  readonly publicKeyDer?: string;
  readonly publicKeyJwk?: JWK;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly result: 'valid' | 'invalid' | 'acceptable';
    readonly jws?: string;
    readonly msg?: string;
    readonly sig?: string;
  }[];
}

const wycheproof = corpus('wycheproof');
const groupsOf = (file: string): readonly Group[] =>
  wycheproof.isMissing ? [] : JSON.parse(readCorpus('wycheproof', file)).testGroups;

/** The algorithms of FAPI 2.0 §5.4.1, which both doors are open to. */
const ALGORITHMS = ['ES256', 'PS256', 'EdDSA'];

function keysOf({ public: known }: Group): readonly JWK[] {
  if (known === undefined) return [];
  return 'keys' in known ? (known.keys as readonly JWK[]) : [known as JWK];
}

/** The payloads are no claims, so whoever complains of those has believed the signature. No vector states a type. */
async function isAccessTokenDoorOpen(token: string, keys: readonly JWK[]): Promise<boolean> {
  const header = headerOf(token);
  try {
    await verifyCompactSignature(token, {
      typ: header.typ as string,
      keys: issuerKeys({
        issuer: 'https://as.example',
        jwksUri: 'https://as.example/jwks',
        fetchDocument: async () => ({ body: Buffer.from(JSON.stringify({ keys })) }),
        clock: { now: () => new Date(0) },
      }),
    });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    if (!isRefusal(error, 'ERR_TOKEN_INVALID')) throw error;
    return header.alg !== undefined && /^a part is (not JSON|no object)$/.test(error.details.problem);
  }
}

/** Keys must pass the rules of registration; then the provider verifies, by an algorithm that the client may use. */
async function isAssertionDoorOpen(assertion: string, keys: readonly JWK[]): Promise<boolean> {
  if (keys.length === 0 || keys.some((jwk) => findJwkProblem({ ...jwk }) !== undefined)) return false;
  const algorithm = ALGORITHMS.find((name) => name === headerOf(assertion).alg);
  if (algorithm === undefined) return false;
  try {
    await verify(assertion, new KeyStore(structuredClone(keys)), { algorithm });
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_JWT_INVALID';
  }
}

/** As client assertions, but the provider tells `verify` no algorithm: the header's must be one that clients may use. */
async function isRequestDoorOpen(request: string, keys: readonly JWK[]): Promise<boolean> {
  if (keys.length === 0 || keys.some((jwk) => findJwkProblem({ ...jwk }) !== undefined)) return false;
  if (!ALGORITHMS.includes(headerOf(request).alg ?? '')) return false;
  try {
    await verify(request, new KeyStore(structuredClone(keys)), {});
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ERR_JWT_INVALID';
  }
}

const octets = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, 'hex'));

/** An access token without any claims is none, whatever its signature. */
function hasPayload(jws: string, door: string): boolean {
  return door !== 'access tokens' || jws.split('.')[1] !== '';
}

function headerOf(jws: string): { readonly alg?: string; readonly typ?: string } {
  try {
    return JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString());
  } catch {
    return {};
  }
}

describe.skipIf(wycheproof.isMissing)(`JOSE as others try to break it: ${wycheproof.title}`, () => {
  const doors = {
    'access tokens': isAccessTokenDoorOpen,
    'client assertions': isAssertionDoorOpen,
    'request objects': isRequestDoorOpen,
  };
  for (const file of ['json_web_signature_test', 'json_web_key_test']) {
    for (const [door, isOpen] of Object.entries(doors)) {
      it(`${file} at the door of ${door} (H1, H3, H4, H11)`, async () => {
        let accepted = 0;
        const wrong: object[] = [];
        for (const group of groupsOf(`${file}.json`)) {
          for (const { tcId, comment, result, jws = '' } of group.tests) {
            const isTaken = await isOpen(jws, keysOf(group));
            const isOurs =
              ALGORITHMS.includes(headerOf(jws).alg ?? '') &&
              keysOf(group).length > 0 &&
              hasPayload(jws, door);
            if (isTaken) accepted += 1;
            if (isTaken !== (result === 'valid' && isOurs)) {
              wrong.push({ tcId, group: group.comment, comment, result, isTaken });
            }
          }
        }
        expect(wrong).toEqual([]);
        if (file === 'json_web_signature_test') expect(accepted).toBeGreaterThan(5);
      });
    }
  }

  const primitives = [
    {
      file: 'ecdsa_secp256r1_sha256_p1363_test',
      algorithm: 'ES256',
      parameters: { name: 'ECDSA', hash: 'SHA-256' },
      count: 262,
    },
    {
      file: 'rsa_pss_2048_sha256_mgf1_32_test',
      algorithm: 'PS256',
      parameters: { name: 'RSA-PSS', saltLength: 32 },
      count: 108,
    },
    { file: 'ed25519_test', algorithm: 'EdDSA', parameters: { name: 'Ed25519' }, count: 151 },
  ];
  it.each(primitives)('$file, as jose verifies', async ({ file, algorithm, parameters, count }) => {
    const wrong: object[] = [];
    let seen = 0;
    for (const group of groupsOf(`${file}.json`)) {
      const spki = createPublicKey({
        key: Buffer.from(group.publicKeyDer ?? '', 'hex'),
        format: 'der',
        type: 'spki',
      });
      const key = await importJWK(spki.export({ format: 'jwk' }) as JWK, algorithm);
      if (key instanceof Uint8Array) throw new Error('a public key is no octets');
      for (const { tcId, comment, result, msg = '', sig = '' } of group.tests) {
        seen += 1;
        const isTaken = await webcrypto.subtle.verify(parameters, key, octets(sig), octets(msg));
        if (isTaken !== (result === 'valid')) wrong.push({ tcId, comment, result });
      }
    }
    expect(wrong).toEqual([]);
    expect(seen).toBe(count);
  });

  it.each([
    { file: 'rsa_pss_2048_sha256_mgf1_32_test', signer: pssSigner('sha256', 32) },
    { file: 'ed25519_test', signer: ed25519Signer },
    { file: 'ecdsa_secp256r1_sha256_p1363_test', signer: ecdsaSigner() },
  ])('$file, as certificates are verified', ({ file, signer }) => {
    const { scheme } = readAll(signer.algorithm, readSignatureAlgorithm);
    if (scheme === undefined) throw new Error('a scheme that is accepted');
    const wrong: object[] = [];
    for (const group of groupsOf(`${file}.json`)) {
      const key = createPublicKey({
        key: Buffer.from(group.publicKeyDer ?? '', 'hex'),
        format: 'der',
        type: 'spki',
      });
      for (const { tcId, comment, result, msg = '', sig = '' } of group.tests) {
        const given = Buffer.from(sig, 'hex');
        const isTaken = verifySignature(scheme, { data: Buffer.from(msg, 'hex'), signature: given, key });
        // Certificates have the DER form, so that no P1363 form may pass there.
        const expected = result === 'valid' && scheme.kind !== 'ecdsa';
        if (isTaken !== expected) wrong.push({ tcId, comment, result });
      }
    }
    expect(wrong).toEqual([]);
  });
});
