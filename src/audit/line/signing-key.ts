import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { invalidConfig } from '../../errors.ts';
import { creationProblem, readOrCreate } from '../../files/created-file.ts';

/** ES256: ECDSA with P-256 and SHA-256, the signature as two numbers of 32 bytes (RFC 7518 §3.4). */
const CURVE = 'prime256v1';
const DSA_ENCODING = 'ieee-p1363';

/** The key that signs checkpoints. */
export class AuditKey {
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly #privateKey: KeyObject;

  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.publicKey = createPublicKey(privateKey);
    this.id = keyIdOf(this.publicKey);
  }

  /** ES256, in base64url. */
  sign(text: string): string {
    const key = { key: this.#privateKey, dsaEncoding: DSA_ENCODING } as const;
    return sign('sha256', Buffer.from(text), key).toString('base64url');
  }

  /** For those who verify the record. */
  publicPem(): string {
    return this.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }
}

/**
 * Reads the key, a PEM of PKCS #8, and makes the file (mode 0600) when there is none.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openAuditKey(file: string): Promise<AuditKey> {
  const fault = (message: string, cause?: unknown) =>
    invalidConfig(file, [{ path: 'audit.signingKeyFile', message }], cause);
  const pem = await readOrCreate(file, newKey).catch((error: NodeJS.ErrnoException) => {
    throw fault(creationProblem(error), error);
  });
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw fault('must be a private key in PEM', cause);
  }
  if (!isP256(key)) throw fault('must be a key of P-256');
  return new AuditKey(key);
}

/** The public key of a PEM; undefined when it is none of P-256. */
export function parsePublicKey(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return isP256(key) ? key : undefined;
  } catch {
    return undefined;
  }
}

export function isSignedBy(key: KeyObject, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64url');
  return verify('sha256', Buffer.from(text), { key, dsaEncoding: DSA_ENCODING }, bytes);
}

/** The first 16 hexadecimal digits of SHA-256 over the public key. */
export function keyIdOf(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex').slice(0, 16);
}

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: CURVE });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function isP256({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === CURVE;
}
