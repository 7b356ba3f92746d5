import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { epochSeconds, systemClock } from '../../clock.ts';
import { contentDigest, verifyContentDigest } from '../../resource-server/signatures/content-digest.ts';
import { isSignatureBy, signBytes } from '../../resource-server/signatures/signature-algorithm.ts';
import {
  assertCovered,
  componentOf,
  signatureBase,
} from '../../resource-server/signatures/signature-base.ts';
import {
  parseByteSequences,
  parseInnerLists,
  serializeBytes,
  serializeInnerList,
  serializeItem,
} from '../../resource-server/signatures/structured-fields.ts';

/** A request as a TPP sends it: the body, and every field that its signature covers. */
export interface SignedMessage {
  readonly method: 'POST';
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer of the bank's API. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

const COMPONENTS = ['@method', '@target-uri', 'authorization', 'content-digest'];
const NONE: ReadonlyMap<string, string> = new Map();

/** Signs a request as FAPI 2.0 HTTP Signatures asks: the TPP's side of docs/http-signatures.md. */
export function signMessage(
  origin: string,
  message: Pick<SignedMessage, 'path' | 'body'> & { readonly token: string },
  { key, kid = '' }: { readonly key: KeyObject; readonly kid?: string | undefined },
): SignedMessage {
  const { path, body, token } = message;
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-digest': contentDigest(Buffer.from(body)),
  };
  const list = {
    items: COMPONENTS.map((value) => ({ value, parameters: NONE })),
    parameters: new Map<string, string | number>([
      ['created', epochSeconds(systemClock.now())],
      ['keyid', kid],
      ['tag', 'fapi-2-request'],
    ]),
  };
  const facts = { method: 'POST', url: path, rawHeaders: Object.entries(headers).flat() };
  const base = signatureBase(list, componentOf(facts, origin));
  return {
    method: 'POST',
    path,
    body,
    headers: {
      ...headers,
      'signature-input': `sig1=${serializeInnerList(list)}`,
      signature: `sig1=${serializeBytes(signBytes(key, 'ES256', base))}`,
    },
  };
}

/**
 * Verifies that the bank has signed this answer, for this request; returns the name of its key.
 *
 * @throws when it has not
 */
export function verifyAnswer(
  origin: string,
  { request, answer }: { readonly request: SignedMessage; readonly answer: RawAnswer },
  { keys }: JSONWebKeySet,
): string {
  const { headers, status, text } = answer;
  const [[label, list] = []] = parseInnerLists(headers['signature-input'] ?? '');
  const signature = label && parseByteSequences(headers.signature ?? '').get(label);
  if (list === undefined || !signature) throw new Error('the answer is not signed');
  const { keyid, tag } = Object.fromEntries(list.parameters);
  const jwk = keys.find(({ kid }) => kid === keyid);
  if (jwk === undefined || tag !== 'fapi-2-response') throw new Error('the answer is not of the bank');
  assertCovered(
    [
      '"@status"',
      '"content-digest"',
      ...['"@method"', '"@target-uri"', '"signature"'].map((name) => `${name};req`),
    ],
    list.items.map(serializeItem),
  );
  verifyContentDigest(headers['content-digest'] ?? '', Buffer.from(text));
  const facts = {
    method: request.method,
    url: request.path,
    rawHeaders: Object.entries(request.headers).flat(),
  };
  const ofRequest = componentOf(facts, origin);
  const signed = signatureBase(list, ({ value, parameters }) => {
    if (parameters.has('req')) return ofRequest({ value, parameters: NONE });
    return value === '@status' ? String(status) : headers[value];
  });
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  if (!isSignatureBy(key, 'ES256', { signed, signature })) throw new Error('the signature does not verify');
  return String(keyid);
}
