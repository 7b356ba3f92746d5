import { generateKeyPair } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { OpenBankingError } from '../errors.ts';

/** Private JSON Web Keys: one ES256 key (access tokens, ID tokens) and one PS256 key (clients that ask for it). */
export interface SigningKeys {
  readonly keys: readonly JWK[];
}

const ALGORITHMS = new Set(['ES256', 'PS256', 'EdDSA']);
/** RFC 7518 §6.2.2, §6.3.2. */
const PRIVATE_MEMBERS = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth']);
const generate = promisify(generateKeyPair);

/** Makes a new set of signing keys. */
export async function createSigningKeys(): Promise<SigningKeys> {
  const [elliptic, rsa] = await Promise.all([
    generate('ec', { namedCurve: 'P-256' }),
    generate('rsa', { modulusLength: 3072 }),
  ]);
  return {
    keys: await Promise.all([
      signingJwk(await exportJWK(elliptic.privateKey), 'ES256'),
      signingJwk(await exportJWK(rsa.privateKey), 'PS256'),
    ]),
  };
}

/**
 * Reads the JSON Web Key Set of a file, and makes the file (mode 0600) when there is none.
 *
 * @throws ERR_CONFIG_INVALID when the file is not a set of private keys for PS256, ES256 or EdDSA with an ES256 key
 */
export async function openSigningKeys(file: string): Promise<SigningKeys> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw invalid(file, `cannot be read: ${error.code}`);
  });
  if (text === undefined) {
    const created = await createSigningKeys();
    await writeFile(file, `${JSON.stringify(created)}\n`, { mode: 0o600, flag: 'wx' });
    return created;
  }
  return parseSigningKeys(text, file);
}

/** The public parts of the keys. */
export function publicKeys(signing: SigningKeys): { keys: JWK[] } {
  return {
    keys: signing.keys.map((jwk) =>
      Object.fromEntries(Object.entries(jwk).filter(([member]) => !PRIVATE_MEMBERS.has(member))),
    ),
  };
}

function parseSigningKeys(text: string, file: string): SigningKeys {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid(file, 'is not JSON');
  }
  const keys =
    typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys)
      ? (parsed.keys as JWK[])
      : [];
  if (!keys.every((key) => ALGORITHMS.has(key.alg ?? '') && key.kid && key.d)) {
    throw invalid(file, 'every key must be private and have a kid and an alg of PS256, ES256 or EdDSA');
  }
  if (!keys.some((key) => key.alg === 'ES256')) throw invalid(file, 'must hold a key for ES256');
  return { keys };
}

async function signingJwk(jwk: JWK, alg: string): Promise<JWK> {
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function invalid(file: string, message: string): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return new OpenBankingError('ERR_CONFIG_INVALID', {
    source: file,
    problems: [{ path: 'signingKeys', message }],
  });
}
