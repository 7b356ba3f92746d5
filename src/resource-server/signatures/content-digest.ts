import { createHash, timingSafeEqual } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import { parseByteSequences, serializeBytes, StructuredFieldError } from './structured-fields.ts';

/** The two algorithms of RFC 9530 §5 that withstand an attacker, under their names in the field and in node:crypto. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha-256', 'sha256'],
  ['sha-512', 'sha512'],
]);

/**
 * Proves that every digest of a `Content-Digest` field is the one of these bytes.
 *
 * Stricter than RFC 9530 §2: a digest of an unknown algorithm is refused, not ignored, and one wrong digest beside a
 * right one is refused.
 *
 * @throws ERR_SIGNATURE_DIGEST
 */
export function verifyContentDigest(field: string, body: Uint8Array): void {
  let digests: ReadonlyMap<string, Buffer>;
  try {
    digests = parseByteSequences(field);
  } catch (cause) {
    if (!(cause instanceof StructuredFieldError)) throw cause;
    throw wrongDigest(`content-digest: ${cause.message}`, cause);
  }
  for (const [algorithm, digest] of digests) verifyDigest(algorithm, digest, body);
}

/** @throws ERR_SIGNATURE_DIGEST */
export function verifyDigest(algorithm: string, digest: Uint8Array, body: Uint8Array): void {
  const hash = ALGORITHMS.get(algorithm);
  if (hash === undefined) throw wrongDigest(`${algorithm} is not supported: sha-256 and sha-512 are`);
  const expected = createHash(hash).update(body).digest();
  if (expected.length !== digest.length || !timingSafeEqual(expected, digest)) {
    throw wrongDigest(`the ${algorithm} digest is not the one of the ${body.length} bytes received`);
  }
}

/** The `Content-Digest` of a body. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=${serializeBytes(createHash('sha256').update(body).digest())}`;
}

export function wrongDigest(problem: string, cause?: unknown): OpenBankingError<'ERR_SIGNATURE_DIGEST'> {
  return new OpenBankingError('ERR_SIGNATURE_DIGEST', { problem }, { cause });
}
