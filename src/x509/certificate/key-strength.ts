import type { KeyObject } from 'node:crypto';
import { type CertificateKind, isTolerated } from '../der/tolerances.ts';
import { readRsaKey } from './public-key.ts';

/** FAPI 2.0 §5.4.1 asks for 2048; above 8192 a verification takes milliseconds, which an attacker would choose. */
const RSA_BITS = { minimum: 2048, maximum: 8192 };
/** FIPS 186-5 §A.1.1: 2^16 < e. The upper bound is OpenSSL's for long moduli: larger ones only cost time. */
const RSA_EXPONENT = { minimum: 65_537n, maximum: 2n ** 64n };
/** RFC 8017 §3.1. */
const SMALLEST_EXPONENT = 3n;
/** P-256, P-384 and P-521 by OpenSSL's names. */
const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Why a key must not be relied on: `key` is such as `RSA 1024 bits` or `ed448 key`. */
export interface KeyProblem {
  readonly kind: 'weak' | 'unsupported';
  readonly key: string;
}

/** The problem of a key; undefined for one that is strong enough and of a supported kind. */
export function findKeyProblem(
  key: KeyObject,
  octets: Buffer,
  kind: CertificateKind = 'certificate',
): KeyProblem | undefined {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined;
    case 'ec': {
      const curve = key.asymmetricKeyDetails?.namedCurve;
      return CURVES.includes(curve) ? undefined : unsupported(`curve ${curve ?? 'unknown'}`);
    }
    case 'rsa':
    case 'rsa-pss':
      return findRsaProblem(readRsaKey(octets), kind);
    default:
      return unsupported(`${key.asymmetricKeyType ?? 'unknown'} key`);
  }
}

/** The problem in words: `too weak: RSA 1024 bits`. */
export function keyProblemText({ kind, key }: KeyProblem): string {
  return `${kind === 'weak' ? 'too weak' : 'not supported'}: ${key}`;
}

/** The problem of an RSA key with these numbers. */
export function findRsaProblem(
  { modulus, exponent }: { readonly modulus: bigint; readonly exponent: bigint },
  kind: CertificateKind,
): KeyProblem | undefined {
  const bits = modulus.toString(2).length;
  if (bits < RSA_BITS.minimum) return weak(`RSA ${bits} bits`);
  if (bits > RSA_BITS.maximum || bits % 8 !== 0) return unsupported(`RSA ${bits} bits`);
  const exponentText = `RSA exponent 0x${exponent.toString(16).slice(0, 17)}`;
  const smallest = isTolerated('small-exponent', kind) ? SMALLEST_EXPONENT : RSA_EXPONENT.minimum;
  if (exponent < smallest || exponent % 2n === 0n) return weak(exponentText);
  if (exponent > RSA_EXPONENT.maximum) return unsupported(exponentText);
  if (modulus % 2n === 0n) return weak('RSA even modulus');
  return isRoca(modulus) ? weak('RSA modulus of the ROCA generator (CVE-2017-15361)') : undefined;
}

function weak(key: string): KeyProblem {
  return Object.freeze({ kind: 'weak', key });
}

function unsupported(key: string): KeyProblem {
  return Object.freeze({ kind: 'unsupported', key });
}

/** Primes whose residues the detector of the ROCA paper tests (Nemec et al., CCS 2017, §2.3). */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157].map(BigInt);
const ROCA_RESIDUES: ReadonlyMap<bigint, ReadonlySet<bigint>> = new Map(
  ROCA_PRIMES.map((prime) => [prime, powersOf(65_537n % prime, prime)]),
);

function powersOf(base: bigint, prime: bigint): ReadonlySet<bigint> {
  const powers = new Set<bigint>();
  for (let power = 1n; !powers.has(power); power = (power * base) % prime) powers.add(power);
  return powers;
}

/** ROCA primes are k·M + 65537^a mod M, so the modulus is a power of 65537 modulo each small prime of M. */
function isRoca(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => ROCA_RESIDUES.get(prime)?.has(modulus % prime) === true);
}
