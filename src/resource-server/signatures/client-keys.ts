import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JSONWebKeySet, JWK } from 'jose';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import { findJwkProblem } from '../../x509/certificate/public-jwk.ts';
import type { Authorization } from '../token/access-token.ts';

/**
 * The public keys that a client has registered. `keyId` is the key that the request names, for a source that looks
 * again when it is new.
 *
 * @throws when they cannot be had: the request is answered with 503
 */
export type KeysOf = (authorization: Authorization, keyId: string) => JSONWebKeySet | Promise<JSONWebKeySet>;

export interface ClientKey {
  readonly key: KeyObject;
  /** The one algorithm of the key, if it names one. */
  readonly alg: string | undefined;
}

/** Parsed once: a set usually holds the same objects each time. */
const parsed = new WeakMap<JWK, ClientKey>();

/**
 * Finds the key of a client by its name, among the keys of this client only.
 *
 * @throws ERR_SIGNATURE_KEY, ERR_SIGNATURE_KEYS_UNAVAILABLE
 */
export async function findClientKey(
  keysOf: KeysOf,
  authorization: Authorization,
  keyId: string,
): Promise<ClientKey> {
  const { clientId } = authorization;
  const named = (await keysFor(keysOf, authorization, keyId)).filter(({ kid }) => kid === keyId);
  const [jwk, more] = named.filter(isForSignatures);
  if (jwk === undefined) throw wrongKey(keyId, `client ${clientId} has no such key for signatures`);
  if (more !== undefined) throw wrongKey(keyId, `client ${clientId} has several keys of this name`);
  const known = parsed.get(jwk);
  if (known !== undefined) return known;
  const problem = findJwkProblem({ ...jwk });
  if (problem !== undefined) throw wrongKey(keyId, `the registered key ${problem}`);
  const made = { key: createPublicKey({ key: { ...jwk }, format: 'jwk' }), alg: jwk.alg };
  parsed.set(jwk, made);
  return made;
}

async function keysFor(keysOf: KeysOf, authorization: Authorization, keyId: string): Promise<readonly JWK[]> {
  let set: JSONWebKeySet;
  try {
    set = await keysOf(authorization, keyId);
  } catch (cause) {
    if (isRefusal(cause)) throw cause;
    throw unavailable(authorization, cause);
  }
  if (!Array.isArray(set?.keys)) throw unavailable(authorization);
  return set.keys;
}

/** RFC 7517 §4.2, §4.3: a key for encryption signs nothing. */
function isForSignatures({ use, key_ops: operations }: JWK): boolean {
  return (use === undefined || use === 'sig') && (operations?.includes('verify') ?? true);
}

function unavailable({ clientId }: Authorization, cause?: unknown) {
  return new OpenBankingError('ERR_SIGNATURE_KEYS_UNAVAILABLE', { clientId }, { cause });
}

function wrongKey(keyId: string, problem: string): OpenBankingError<'ERR_SIGNATURE_KEY'> {
  return new OpenBankingError('ERR_SIGNATURE_KEY', { keyId: keyId.slice(0, 100), problem });
}
