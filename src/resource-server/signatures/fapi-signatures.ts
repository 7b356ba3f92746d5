import { OpenBankingError } from '../../errors.ts';
import type { RequestFacts } from '../token/presented-token.ts';
import { findClientKey, type KeysOf } from './client-keys.ts';
import { contentDigest, verifyContentDigest } from './content-digest.ts';
import { type AgeRules, verifyAge, wrongTime } from './signature-age.ts';
import { chosenAlgorithm, isSignatureBy } from './signature-algorithm.ts';
import {
  assertCovered,
  type ComponentValue,
  componentOf,
  fieldValue,
  signatureBase,
} from './signature-base.ts';
import type {
  AnswerSigner,
  AnswerToSign,
  ReceivedRequest,
  SignatureFormat,
  SignedBy,
  SignedFields,
  VerifiedSignature,
} from './signature-format.ts';
import {
  type InnerList,
  type ItemParameters,
  parseByteSequences,
  parseInnerLists,
  serializeBytes,
  serializeInnerList,
  StructuredFieldError,
  type StringItem,
} from './structured-fields.ts';

export interface FapiRules extends AgeRules {
  readonly origin: string;
  readonly keysOf: KeysOf;
  /** Components that must be covered besides those of the draft. */
  readonly covers: readonly string[];
}

const REQUEST_TAG = 'fapi-2-request';
const ANSWER_TAG = 'fapi-2-response';
const PARAMETERS = ['created', 'expires', 'nonce', 'alg', 'keyid', 'tag'];
const LABEL = 'sig1';

/**
 * HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), as the draft FAPI 2.0 HTTP Signatures profiles
 * them. A request may hold signatures of others, of which each has its own tag; exactly one is of the client.
 */
export class FapiSignatures implements SignatureFormat {
  readonly #rules: FapiRules;

  constructor(rules: FapiRules) {
    this.#rules = rules;
  }

  isSigned(request: RequestFacts): boolean {
    return ['signature', 'signature-input'].some((name) => fieldValue(request, name) !== undefined);
  }

  isNeeded(): boolean {
    return true;
  }

  async verifyRequest(request: ReceivedRequest, by: SignedBy): Promise<VerifiedSignature> {
    const { list, signature } = findSignature(request);
    const parameters = readParameters(list.parameters);
    const covered = list.items.map(({ value }) => value);
    assertCovered(this.#needed(request), covered);
    const staleFrom = verifyAge(parameters.created, { name: 'created', now: by.now }, this.#rules);
    if (parameters.expires !== undefined && parameters.expires <= by.now)
      throw wrongTime('expires has passed');
    const { keyid: keyId } = parameters;
    const known = await findClientKey(this.#rules.keysOf, by.authorization, keyId);
    const algorithm = chosenAlgorithm(known, parameters.alg);
    const signed = signatureBase(list, componentOf(request, this.#rules.origin));
    if (!isSignatureBy(known.key, algorithm, { signed, signature })) {
      throw new OpenBankingError('ERR_SIGNATURE_INVALID', { keyId: keyId.slice(0, 100) });
    }
    // After the signature, so that a stranger learns nothing from the difference; before anything uses the body.
    const digest = fieldValue(request, 'content-digest');
    if (digest !== undefined) verifyContentDigest(digest, request.body);
    return { keyId, covered, uniqueName: parameters.nonce, staleFrom };
  }

  async signAnswer(answer: AnswerToSign, signer: AnswerSigner, now: number): Promise<SignedFields> {
    const digest: Record<string, string> =
      answer.body.length === 0 ? {} : { 'content-digest': contentDigest(answer.body) };
    const componentValue = this.#answerValue(answer, digest);
    const items = answerComponents(answer.request).filter(
      (component) => componentValue(component) !== undefined || component.value === '@status',
    );
    const parameters = new Map<string, string | number>([
      ['created', now],
      ['keyid', signer.keyId],
      ['tag', ANSWER_TAG],
    ]);
    const list = { items, parameters };
    const signature = await signer.sign(signatureBase(list, componentValue));
    return {
      ...digest,
      'signature-input': `${LABEL}=${serializeInnerList(list)}`,
      signature: `${LABEL}=${serializeBytes(signature)}`,
    };
  }

  /** The draft's list for this request. A digest that is there is covered too: the API relies on it. */
  #needed(request: ReceivedRequest): readonly string[] {
    const hasDigest = request.body.length > 0 || fieldValue(request, 'content-digest') !== undefined;
    const hasProof = fieldValue(request, 'dpop') !== undefined;
    return [
      '@method',
      '@target-uri',
      'authorization',
      ...(hasProof ? ['dpop'] : []),
      ...(hasDigest ? ['content-digest'] : []),
      ...this.#rules.covers,
    ];
  }

  #answerValue(answer: AnswerToSign, digest: Readonly<Record<string, string>>): ComponentValue {
    const ofRequest = componentOf(answer.request, this.#rules.origin);
    return ({ value, parameters }) => {
      if (parameters.has('req')) return ofRequest({ value, parameters: NONE });
      if (value === '@status') return String(answer.status);
      return digest[value] ?? answer.field(value)?.trim();
    };
  }
}

const NONE: ItemParameters = new Map();
const OF_REQUEST: ItemParameters = new Map([['req', true]]);

/** The answer, and all of the request that led to it (RFC 9421 §2.4); those that are absent are left out. */
function answerComponents(request: RequestFacts): StringItem[] {
  const own = ['@status', 'content-type', 'content-digest', 'location', 'x-fapi-interaction-id'];
  const isSigned = fieldValue(request, 'signature') !== undefined;
  const linked = [
    '@method',
    '@target-uri',
    'content-digest',
    ...(isSigned ? ['signature', 'signature-input'] : []),
  ];
  return [
    ...own.map((value) => ({ value, parameters: NONE })),
    ...linked.map((value) => ({ value, parameters: OF_REQUEST })),
  ];
}

interface FoundSignature {
  readonly list: InnerList;
  readonly signature: Uint8Array;
}

/** @throws ERR_SIGNATURE_MALFORMED, ERR_SIGNATURE_TAG */
function findSignature(request: RequestFacts): FoundSignature {
  const [inputs, signatures] = [
    parsed(request, 'signature-input', parseInnerLists),
    parsed(request, 'signature', parseByteSequences),
  ];
  for (const label of [...inputs.keys(), ...signatures.keys()]) {
    if (!inputs.has(label) || !signatures.has(label)) {
      throw malformed(`${label} is in one of signature and signature-input only`);
    }
  }
  const [found, more] = [...inputs].filter(([, { parameters }]) => parameters.get('tag') === REQUEST_TAG);
  if (found === undefined) throw wrongTag(`no signature has tag='${REQUEST_TAG}'`);
  if (more !== undefined) throw wrongTag(`several signatures have tag='${REQUEST_TAG}'`);
  const [label, list] = found;
  return { list, signature: signatures.get(label) ?? Buffer.alloc(0) };
}

function parsed<T>(request: RequestFacts, name: string, parse: (text: string) => T): T {
  const text = fieldValue(request, name);
  if (text === undefined) throw malformed(`${name} is missing`);
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof StructuredFieldError)) throw cause;
    throw malformed(`${name}: ${cause.message}`, cause);
  }
}

interface SignatureParameters {
  readonly created: unknown;
  readonly expires: number | undefined;
  readonly keyid: string;
  readonly nonce: string | undefined;
  readonly alg: string | undefined;
}

/** RFC 9421 §2.3. @throws ERR_SIGNATURE_MALFORMED */
function readParameters(parameters: ItemParameters): SignatureParameters {
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw malformed(`the parameter ${unknown} is not supported`);
  const [created, expires, keyid, nonce, alg] = ['created', 'expires', 'keyid', 'nonce', 'alg'].map((name) =>
    parameters.get(name),
  );
  if (typeof keyid !== 'string') throw malformed('keyid is missing');
  if (expires !== undefined && typeof expires !== 'number') throw malformed('expires is no number');
  if (nonce !== undefined && typeof nonce !== 'string') throw malformed('nonce is no string');
  if (alg !== undefined && typeof alg !== 'string') throw malformed('alg is no string');
  return { created, expires, keyid, nonce, alg };
}

function malformed(problem: string, cause?: unknown): OpenBankingError<'ERR_SIGNATURE_MALFORMED'> {
  return new OpenBankingError('ERR_SIGNATURE_MALFORMED', { problem }, { cause });
}

function wrongTag(problem: string): OpenBankingError<'ERR_SIGNATURE_TAG'> {
  return new OpenBankingError('ERR_SIGNATURE_TAG', { problem });
}
