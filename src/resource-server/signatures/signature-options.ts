import { type Clock, systemClock } from '../../clock.ts';
import { type ClaimProof, rememberProofs } from '../dpop/dpop-replay.ts';
import type { Authorization } from '../token/access-token.ts';
import { type AnswerKey, answerSigner } from './answer-signer.ts';
import { BerlinSignatures } from './berlin-signatures.ts';
import type { KeysOf } from './client-keys.ts';
import { DetachedJws } from './detached-jws.ts';
import { FapiSignatures } from './fapi-signatures.ts';
import { MessageSignatures } from './message-signatures.ts';
import { type SealTrust, SealVerifier } from './seal.ts';
import type { AnswerSigner, SignatureFormat } from './signature-format.ts';

interface CommonOptions {
  /** `if-present` verifies a signature that is there and asks for none. Default: `required`. */
  readonly request?: 'required' | 'if-present';
  /** Oldest signature that is accepted: 1 to 300 seconds, default 60. */
  readonly maxAgeSeconds?: number;
  /** Leeway for the clocks of client and API. Default 10. */
  readonly clockToleranceSeconds?: number;
  /**
   * Accepts each signed request once. `true` remembers them in this process; a function claims for all processes. The
   * client must then send what makes a request unique: `nonce`, or a `date` for the Berlin Group. Default: `false`.
   */
  readonly once?: boolean | ClaimProof;
  /** Longest body that is received, in memory, before the decision. Default: 1 MiB, at most 64 MiB. */
  readonly maxBodyBytes?: number;
  /** Longest answer that is signed, in memory. A longer one becomes a 500. Default: 1 MiB, at most 64 MiB. */
  readonly maxAnswerBytes?: number;
  readonly clock?: Clock;
}

/** RFC 9421 and RFC 9530, as FAPI 2.0 HTTP Signatures has them. */
export interface FapiSignatureOptions extends CommonOptions {
  readonly format: 'fapi-2';
  /** Scheme and authority under which clients know this API; never taken from the request's Host. */
  readonly origin: string;
  /** The registered keys of a client. */
  readonly keysOf: KeysOf;
  /** Components that must be covered besides those that FAPI demands, such as `x-idempotency-key`. */
  readonly covers?: readonly string[];
  /** The bank's key for answers. Absent: answers are not signed. */
  readonly response?: AnswerKey;
}

/** `x-jws-signature` of the UK Read/Write API. */
export interface DetachedJwsOptions extends CommonOptions {
  readonly format: 'uk-detached-jws';
  readonly keysOf: KeysOf;
  /** The values of `iss` that are right for a client: `<organisation id>/<software id>`, or a subject. */
  readonly issuersOf: (authorization: Authorization) => readonly string[] | Promise<readonly string[]>;
  /** Default: `openbanking.org.uk`. */
  readonly trustAnchors?: readonly string[];
  /** `false` for versions up to 3.1.3 of the API. Default: `absent`, as since 3.1.4. */
  readonly b64?: 'absent' | 'false';
  /** An RSA key (PS256), and `iss` and `tan` of answers. Absent: answers are not signed. */
  readonly response?: AnswerKey & { readonly issuer: string; readonly trustAnchor: string };
}

/** The Berlin Group's NextGenPSD2: `Digest`, `Signature`, `TPP-Signature-Certificate`. */
export interface BerlinSignatureOptions extends CommonOptions {
  readonly format: 'berlin-group';
  readonly seals: SealTrust;
  /** Fields that must be covered besides those of the guidelines, such as `(request-target)` and `date`. */
  readonly covers?: readonly string[];
}

export type MessageSignatureOptions = FapiSignatureOptions | DetachedJwsOptions | BerlinSignatureOptions;

const MEBIBYTE = 1024 * 1024;
const MAX_BYTES = 64 * MEBIBYTE;

/**
 * Makes the signatures of a route, for the `signatures` of its requirement.
 *
 * @throws TypeError for options that cannot work
 */
export function createMessageSignatures(options: MessageSignatureOptions): MessageSignatures {
  const { request = 'required', once = false, clock = systemClock } = options;
  if (request !== 'required' && request !== 'if-present') {
    throw new TypeError("request must be 'required' or 'if-present'");
  }
  const { format, signer } = formatOf(options);
  return new MessageSignatures({
    format,
    signer,
    request,
    maxBodyBytes: within([0, MAX_BYTES], 'maxBodyBytes', options.maxBodyBytes ?? MEBIBYTE),
    maxAnswerBytes: within([0, MAX_BYTES], 'maxAnswerBytes', options.maxAnswerBytes ?? MEBIBYTE),
    claimOnce: typeof once === 'function' ? once : once ? rememberProofs(clock) : undefined,
    clock,
  });
}

interface FormatAndSigner {
  readonly format: SignatureFormat;
  readonly signer: AnswerSigner | undefined;
}

function formatOf(options: MessageSignatureOptions): FormatAndSigner {
  const age = {
    maxAgeSeconds: within([1, 300], 'maxAgeSeconds', options.maxAgeSeconds ?? 60),
    clockToleranceSeconds: within([0, 60], 'clockToleranceSeconds', options.clockToleranceSeconds ?? 10),
  };
  switch (options.format) {
    case 'fapi-2':
      return fapi(options, age);
    case 'uk-detached-jws':
      return detachedJws(options, age);
    case 'berlin-group':
      if ('response' in options) throw new TypeError('the Berlin Group has no signed answers');
      if (typeof options.seals !== 'object') throw new TypeError('seals is missing');
      return {
        format: new BerlinSignatures({
          ...age,
          seals: new SealVerifier(options.seals),
          covers: options.covers ?? [],
        }),
        signer: undefined,
      };
    default:
      throw new TypeError("format must be 'fapi-2', 'uk-detached-jws' or 'berlin-group'");
  }
}

type Age = Readonly<Record<'maxAgeSeconds' | 'clockToleranceSeconds', number>>;

function fapi({ origin, keysOf, covers = [], response }: FapiSignatureOptions, age: Age): FormatAndSigner {
  if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).protocol !== 'https:') {
    throw new TypeError('origin must be an https URL');
  }
  return {
    format: new FapiSignatures({
      ...age,
      origin: new URL(origin).origin,
      keysOf: needed(keysOf, 'keysOf'),
      covers,
    }),
    signer: response && answerSigner(response),
  };
}

function detachedJws(options: DetachedJwsOptions, age: Age): FormatAndSigner {
  const { keysOf, issuersOf, trustAnchors = ['openbanking.org.uk'], b64 = 'absent', response } = options;
  const signer = response && answerSigner(response);
  if (signer !== undefined && signer.algorithm !== 'PS256')
    throw new TypeError('response must be an RSA key');
  if (response !== undefined && (!response.issuer || !response.trustAnchor)) {
    throw new TypeError('response.issuer and response.trustAnchor are missing');
  }
  const format = new DetachedJws({
    ...age,
    keysOf: needed(keysOf, 'keysOf'),
    issuersOf: needed(issuersOf, 'issuersOf'),
    trustAnchors,
    b64,
    own: response,
  });
  return { format, signer };
}

/** Options may come from JavaScript. */
function needed<T>(value: T, name: string): T {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function`);
  return value;
}

function within([least, most]: readonly [number, number], name: string, value: number): number {
  if (!(value >= least && value <= most)) throw new TypeError(`${name} must be ${least} to ${most}`);
  return value;
}
