import { describe, expect, it } from 'vitest';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import {
  ecdsaSigner,
  ecKeys,
  issue,
  NOW,
  type Party,
  pssSigner,
  rsaKeys,
  rsaSigner,
} from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const ecRoot = issue('authority', 'root');
const rsaRoot = issue('authority', 'root', { keys: rsaKeys() });

function verdict(leaf: Party, anchor: Party) {
  const options = { anchors: [anchor.certificate], intermediates: [], at: NOW, policy: TLS_CLIENT_POLICY };
  return outcomeOf(() => verifyPath(leaf.certificate, options));
}

/** An RSA SubjectPublicKeyInfo of chosen numbers; nobody has its private key. */
function rsaInfo(modulus: bigint, exponent = 65_537n): Buffer {
  const key = der.sequence(der.integer(modulus), der.integer(exponent));
  return der.sequence(der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nothing), der.bitString(key));
}

const oddOf = (bits: bigint): bigint => 2n ** (bits - 1n) + 12_345n;
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157].map(BigInt);
const ROCA_PRODUCT = ROCA_PRIMES.reduce((product, prime) => product * prime);
/** A power of 65537 modulo each prime, as a ROCA modulus is, at 2048 bits. */
const ROCA = (2n ** 2047n / ROCA_PRODUCT + 2n) * ROCA_PRODUCT + (65_537n ** 5n % ROCA_PRODUCT);

describe('the strength of keys (FAPI 2.0 section 5.4.1)', () => {
  it.each([
    ['1024 bits', rsaInfo(oddOf(1024n)), 'ERR_CERT_WEAK_KEY'],
    ['2047 bits', rsaInfo(oddOf(2047n)), 'ERR_CERT_WEAK_KEY'],
    ['2048 bits', rsaInfo(oddOf(2048n)), 'accepted'],
    ['2049 bits', rsaInfo(oddOf(2049n)), 'ERR_CERT_KEY_UNSUPPORTED'],
    ['8192 bits', rsaInfo(oddOf(8192n)), 'accepted'],
    ['16384 bits', rsaInfo(oddOf(16_384n)), 'ERR_CERT_KEY_UNSUPPORTED'],
    ['exponent 1', rsaInfo(oddOf(2048n), 1n), 'ERR_CERT_WEAK_KEY'],
    ['exponent 3', rsaInfo(oddOf(2048n), 3n), 'ERR_CERT_WEAK_KEY'],
    ['an even exponent', rsaInfo(oddOf(2048n), 65_538n), 'ERR_CERT_WEAK_KEY'],
    ['an exponent of 80 bits', rsaInfo(oddOf(2048n), 2n ** 80n + 1n), 'ERR_CERT_KEY_UNSUPPORTED'],
    ['an even modulus', rsaInfo(oddOf(2048n) + 1n), 'ERR_CERT_WEAK_KEY'],
    [
      'a modulus of the ROCA generator',
      rsaInfo(ROCA % 2n === 0n ? ROCA + ROCA_PRODUCT : ROCA),
      'ERR_CERT_WEAK_KEY',
    ],
  ] as const)('D19: RSA with %s', (_what, publicKey, expected) => {
    expect(verdict(issue('end entity', 'tpp', { issuer: ecRoot, raw: { publicKey } }), ecRoot)).toBe(
      expected,
    );
  });

  it.each([
    ['P-256', 'accepted'],
    ['P-384', 'accepted'],
    ['P-521', 'accepted'],
    ['secp256k1', 'ERR_CERT_KEY_UNSUPPORTED'],
    ['P-224', 'ERR_CERT_KEY_UNSUPPORTED'],
  ] as const)('D19: curve %s', (curve, expected) => {
    expect(verdict(issue('end entity', 'tpp', { issuer: ecRoot, keys: ecKeys(curve) }), ecRoot)).toBe(
      expected,
    );
    const anchor = issue('authority', 'root', { keys: ecKeys(curve) });
    expect(verdict(issue('end entity', 'tpp', { issuer: anchor }), anchor)).toBe(expected);
  });

  it('D19: an anchor of RSA 1024 is refused before its key is used', () => {
    const anchor = issue('authority', 'root', { keys: rsaKeys(1024) });
    expect(verdict(issue('end entity', 'tpp', { issuer: anchor }), anchor)).toBe('ERR_CERT_WEAK_KEY');
  });
});

describe('the strength of signatures (BCP 195)', () => {
  const signed = (anchor: Party, signer: factory.Signer): ReturnType<typeof verdict> =>
    verdict(issue('end entity', 'tpp', { issuer: anchor, signer }), anchor);

  it.each([
    ['D22', 'SHA-256 with RSA', rsaRoot, rsaSigner('sha256'), 'accepted'],
    ['D22', 'SHA-512 with RSA', rsaRoot, rsaSigner('sha512'), 'accepted'],
    [
      'D22',
      'RSA with parameters left out (RFC 4055)',
      rsaRoot,
      rsaSigner('sha256', Buffer.alloc(0)),
      'accepted',
    ],
    ['D22', 'SHA-1 with RSA', rsaRoot, rsaSigner('sha1'), 'ERR_CERT_WEAK_SIGNATURE'],
    ['D22', 'MD5 with RSA', rsaRoot, rsaSigner('md5'), 'ERR_CERT_WEAK_SIGNATURE'],
    ['D22', 'SHA-1 with ECDSA', ecRoot, ecdsaSigner('sha1'), 'ERR_CERT_WEAK_SIGNATURE'],
    ['D22', 'SHA-384 with ECDSA', ecRoot, ecdsaSigner('sha384'), 'accepted'],
    ['D21', 'PSS with SHA-256', rsaRoot, pssSigner('sha256', 32), 'accepted'],
    ['D21', 'PSS with SHA-512', rsaRoot, pssSigner('sha512', 64), 'accepted'],
    ['D21', 'PSS with SHA-1', rsaRoot, pssSigner('sha1', 20), 'ERR_CERT_WEAK_SIGNATURE'],
    ['D21', 'PSS without salt', rsaRoot, pssSigner('sha256', 0), 'ERR_CERT_WEAK_SIGNATURE'],
    [
      'D21',
      'PSS with a salt of 100000',
      rsaRoot,
      pssSigner('sha256', 32, { saltLength: 100_000 }),
      'ERR_CERT_WEAK_SIGNATURE',
    ],
    [
      'D21',
      'PSS with another hash in the mask',
      rsaRoot,
      pssSigner('sha256', 32, { mask: 'sha1' }),
      'ERR_CERT_WEAK_SIGNATURE',
    ],
    ['D21', 'PSS without parameters', rsaRoot, pssSigner('sha256', 32, null), 'ERR_CERT_WEAK_SIGNATURE'],
  ] as const)('%s: %s', (_id, _what, anchor, signer, expected) => {
    expect(signed(anchor, signer)).toBe(expected);
  });

  it('D22: the signature of an anchor over itself proves nothing and is not judged', () => {
    const anchor = issue('authority', 'root', { keys: rsaRoot.keys, signer: rsaSigner('sha1') });
    expect(verdict(issue('end entity', 'tpp', { issuer: anchor }), anchor)).toBe('accepted');
  });

  it('D22: SHA-1 between an authority and the anchor is refused', () => {
    const authority = issue('authority', 'issuing', { issuer: rsaRoot, signer: rsaSigner('sha1') });
    const leaf = issue('end entity', 'tpp', { issuer: authority });
    const options = {
      anchors: [rsaRoot.certificate],
      intermediates: [authority.certificate],
      at: NOW,
      policy: TLS_CLIENT_POLICY,
    };
    expect(outcomeOf(() => verifyPath(leaf.certificate, options))).toBe('ERR_CERT_WEAK_SIGNATURE');
  });

  it.each([
    ['a flipped bit', (right: Buffer) => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1))],
    ['r padded with a zero octet', padded],
    ['nothing', () => der.bitString(Buffer.alloc(0))],
  ])('refuses an ECDSA signature with %s', (_what, signature: (right: Buffer) => Buffer) => {
    const leaf = issue('end entity', 'tpp', { issuer: ecRoot, raw: { signature } });
    expect(verdict(leaf, ecRoot)).toBe('ERR_CERT_SIGNATURE_INVALID');
  });

  it('refuses a signature by a key of another kind than its algorithm says', () => {
    const leaf = issue('end entity', 'tpp', { issuer: rsaRoot });
    const anchor = {
      ...ecRoot,
      certificate: issue('authority', 'root', { without: ['2.5.29.14'] }).certificate,
    };
    expect(verdict(leaf, anchor)).toBe('ERR_CERT_SIGNATURE_INVALID');
  });

  it('accepts Ed25519 all the way', () => {
    const keys = factory.ed25519Keys();
    const anchor = issue('authority', 'root', { keys });
    expect(verdict(issue('end entity', 'tpp', { issuer: anchor, keys: factory.ed25519Keys() }), anchor)).toBe(
      'accepted',
    );
  });
});

/** The same numbers, r with a leading zero that DER forbids. */
function padded(right: Buffer): Buffer {
  const pair = right.subarray(3);
  const rLength = pair[3] ?? 0;
  const r = Buffer.concat([Buffer.from([2, rLength + 1, 0]), pair.subarray(4, 4 + rLength)]);
  return der.bitString(der.sequence(r, pair.subarray(4 + rLength)));
}
