import { createHash } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import type { Authorization } from '../token/access-token.ts';
import { fieldsNamed, type RequestFacts } from '../token/presented-token.ts';
import { findClientKey, type KeysOf } from './client-keys.ts';
import { type AgeRules, verifyAge } from './signature-age.ts';
import { algorithmsOf, isSignatureBy, wrongAlgorithm } from './signature-algorithm.ts';
import type {
  AnswerSigner,
  AnswerToSign,
  ReceivedRequest,
  SignatureFormat,
  SignedBy,
  SignedFields,
  VerifiedSignature,
} from './signature-format.ts';

export interface DetachedJwsRules extends AgeRules {
  readonly keysOf: KeysOf;
  /** The values of `iss` that are right for a client: `<organisation id>/<software id>`, or a subject. */
  readonly issuersOf: (authorization: Authorization) => readonly string[] | Promise<readonly string[]>;
  /** The trust anchors of clients' keys: `tan`. */
  readonly trustAnchors: readonly string[];
  /** `absent` since version 3.1.4 of the UK Read/Write API; `false` up to 3.1.3, which demands it. */
  readonly b64: 'absent' | 'false';
  /** `iss` and `tan` of answers. */
  readonly own: { readonly issuer: string; readonly trustAnchor: string } | undefined;
}

const FIELD = 'x-jws-signature';
const IAT = 'http://openbanking.org.uk/iat';
const ISS = 'http://openbanking.org.uk/iss';
const TAN = 'http://openbanking.org.uk/tan';
const MAX_CHARACTERS = 8192;
const PART = /^[A-Za-z0-9_-]+$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The detached JWS of the UK Read/Write API (RFC 7515 appendix F, RFC 7797), PS256 only. It covers the body and nothing
 * else: a message without a body has nothing that could be signed.
 */
export class DetachedJws implements SignatureFormat {
  readonly #rules: DetachedJwsRules;
  readonly #critical: readonly string[];

  constructor(rules: DetachedJwsRules) {
    this.#rules = rules;
    this.#critical = rules.b64 === 'false' ? ['b64', IAT, ISS, TAN] : [IAT, ISS, TAN];
  }

  isSigned({ rawHeaders }: RequestFacts): boolean {
    return fieldsNamed(rawHeaders, FIELD).length > 0;
  }

  isNeeded({ body }: ReceivedRequest): boolean {
    return body.length > 0;
  }

  async verifyRequest(
    request: ReceivedRequest,
    { authorization, now }: SignedBy,
  ): Promise<VerifiedSignature> {
    const [field = '', more] = fieldsNamed(request.rawHeaders, FIELD);
    if (more !== undefined) throw malformed(`${FIELD} is there twice`);
    const [protectedHeader = '', payload, signature = '', rest] = field.split('.');
    if (field.length > MAX_CHARACTERS || payload !== '' || rest !== undefined) {
      throw malformed('it is no detached JWS in compact form');
    }
    const header = parseHeader(protectedHeader);
    const keyId = this.#checkedKeyId(header);
    const staleFrom = verifyAge(header[IAT], { name: IAT, now }, this.#rules);
    await this.#verifyIssuer(header, authorization);
    const { key, alg } = await findClientKey(this.#rules.keysOf, authorization, keyId);
    if (!algorithmsOf(key, alg).includes('PS256')) throw wrongAlgorithm('the key is not for PS256');
    const signed = this.#signingInput(protectedHeader, request.body);
    if (!isSignatureBy(key, 'PS256', { signed, signature: decoded(signature) })) {
      throw new OpenBankingError('ERR_SIGNATURE_INVALID', { keyId: keyId.slice(0, 100) });
    }
    // RSA-PSS makes another signature each time: the signed bytes are what a repetition repeats.
    const uniqueName = createHash('sha256').update(signed).digest('base64url');
    return { keyId, covered: ['body'], uniqueName, staleFrom };
  }

  async signAnswer(answer: AnswerToSign, signer: AnswerSigner, now: number): Promise<SignedFields> {
    if (answer.body.length === 0) return {};
    const { own, b64 } = this.#rules;
    if (own === undefined) throw new TypeError('response.issuer and response.trustAnchor are missing');
    const header = {
      alg: signer.algorithm,
      typ: 'JOSE',
      cty: 'application/json',
      kid: signer.keyId,
      ...(b64 === 'false' ? { b64: false } : {}),
      [IAT]: now,
      [ISS]: own.issuer,
      [TAN]: own.trustAnchor,
      crit: this.#critical,
    };
    const protectedHeader = Buffer.from(JSON.stringify(header)).toString('base64url');
    const signature = await signer.sign(this.#signingInput(protectedHeader, answer.body));
    return { [FIELD]: `${protectedHeader}..${Buffer.from(signature).toString('base64url')}` };
  }

  #checkedKeyId(header: Readonly<Record<string, unknown>>): string {
    const { alg, kid, typ, cty, crit } = header;
    if (alg !== 'PS256') throw wrongAlgorithm('alg must be PS256');
    if (this.#rules.b64 === 'false' ? header.b64 !== false : 'b64' in header) {
      throw malformed(`b64 must be ${this.#rules.b64}`);
    }
    const isExact =
      Array.isArray(crit) &&
      crit.length === this.#critical.length &&
      this.#critical.every((name) => crit.includes(name));
    if (!isExact) throw malformed(`crit must be exactly ${this.#critical.join(', ')}`);
    if (typ !== undefined && typ !== 'JOSE') throw malformed('typ must be JOSE');
    if (cty !== undefined && cty !== 'json' && cty !== 'application/json') {
      throw malformed('cty must be application/json');
    }
    if (typeof kid !== 'string') throw malformed('kid is missing');
    return kid;
  }

  async #verifyIssuer(
    header: Readonly<Record<string, unknown>>,
    authorization: Authorization,
  ): Promise<void> {
    const { issuersOf, trustAnchors } = this.#rules;
    const { [ISS]: issuer, [TAN]: trustAnchor } = header;
    if (typeof trustAnchor !== 'string' || !trustAnchors.includes(trustAnchor)) {
      throw malformed(`tan must be ${trustAnchors.join(' or ')}`);
    }
    if (typeof issuer !== 'string' || !(await issuersOf(authorization)).includes(issuer)) {
      throw new OpenBankingError('ERR_SIGNATURE_KEY', {
        keyId: String(header.kid).slice(0, 100),
        problem: `iss is not of client ${authorization.clientId}`,
      });
    }
  }

  /** RFC 7515 §5.1, and RFC 7797 §3 for the payload as it is. */
  #signingInput(protectedHeader: string, body: Uint8Array): Buffer {
    if (this.#rules.b64 === 'false') return Buffer.concat([Buffer.from(`${protectedHeader}.`), body]);
    return Buffer.from(`${protectedHeader}.${Buffer.from(body).toString('base64url')}`);
  }
}

/** One value has one spelling: no padding, no other alphabet, no stray bits (RFC 4648 §3.5). */
function decoded(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (!PART.test(part) || bytes.toString('base64url') !== part) throw malformed('a part is not base64url');
  return bytes;
}

function parseHeader(part: string): Readonly<Record<string, unknown>> {
  const bytes = decoded(part);
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw malformed('the header is no JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('the header is no object');
  }
  return { ...value };
}

function malformed(problem: string, cause?: unknown): OpenBankingError<'ERR_SIGNATURE_MALFORMED'> {
  return new OpenBankingError('ERR_SIGNATURE_MALFORMED', { problem }, { cause });
}
