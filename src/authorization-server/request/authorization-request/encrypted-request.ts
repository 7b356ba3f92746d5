import { decodeProtectedHeader } from 'jose';
import type { Middleware } from 'koa';
import { OpenBankingError } from '../../../errors.ts';
import {
  type ContentEncryption,
  type Decrypter,
  type EncryptionAlgorithm,
  isContentEncryption,
  isEncryptionAlgorithm,
} from '../../signing/decrypter.ts';
import { readForm, replaceForm } from '../form.ts';
import { isPush } from '../tpp-gate.ts';

/** How a client encrypts its request objects, as it has registered. */
export interface RequestEncryption {
  readonly alg: EncryptionAlgorithm;
  readonly enc: ContentEncryption;
}

interface EncryptedRequestOptions {
  readonly decrypter: Decrypter;
  /** Undefined for a client that does not encrypt. */
  readonly findEncryption: (clientId: string) => Promise<RequestEncryption | undefined>;
}

/** RFC 7516 §4.1. Every other member changes what is decrypted, or how: `zip`, `p2c`, `crit` … */
const HEADER_MEMBERS: readonly string[] = [
  'alg',
  'enc',
  'kid',
  'epk',
  'apu',
  'apv',
  'cty',
  'typ',
  'iss',
  'aud',
];
/** RFC 7516 §7.1: five parts. */
const ENCRYPTED = /^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/;
/** RFC 7515 §7.1: three parts, of which the last is the signature. */
const SIGNED = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Decrypts the request object of a pushed request, or of one by value, in its place (RFC 9101 §6.1): what follows sees the
 * signed request object alone. The provider has no key that decrypts.
 *
 * Does not check the signature, nor anything else of the request object.
 *
 * @throws ERR_REQUEST_OBJECT
 */
export function decryptRequest({ decrypter, findEncryption }: EncryptedRequestOptions): Middleware {
  const decrypted = async (jwe: string, clientId: string | null): Promise<string> => {
    const registered = clientId === null ? undefined : await findEncryption(clientId);
    if (registered === undefined) throw refusal('the client has registered no request_object_encryption_alg');
    const header = assertHeader(jwe, registered);
    const jwt = await decrypter.decrypt(jwe, header).catch((cause: unknown) => {
      throw refusal('it cannot be decrypted', cause);
    });
    if (!SIGNED.test(jwt)) throw refusal('what is encrypted must be a signed JWT (RFC 9101 section 6.1)');
    return jwt;
  };
  return async (ctx, next) => {
    const parameters = isPush(ctx) ? await readForm(ctx) : new URLSearchParams(ctx.querystring);
    const request = parameters.get('request');
    // One without five parts is the provider's to judge.
    if (request === null || request.split('.').length !== 5) return next();
    parameters.set('request', await decrypted(request, parameters.get('client_id')));
    if (isPush(ctx)) replaceForm(ctx, parameters);
    else ctx.querystring = parameters.toString();
    return next();
  };
}

/** @throws ERR_REQUEST_OBJECT */
function assertHeader(
  jwe: string,
  registered: RequestEncryption,
): { readonly alg: EncryptionAlgorithm; readonly kid?: string } {
  const header = headerOf(jwe);
  const { alg, enc, kid, cty } = header;
  if (!isEncryptionAlgorithm(alg) || alg !== registered.alg)
    throw refusal(`its alg must be ${registered.alg}`);
  if (!isContentEncryption(enc) || enc !== registered.enc) throw refusal(`its enc must be ${registered.enc}`);
  const foreign = Object.keys(header).find((name) => !HEADER_MEMBERS.includes(name));
  if (foreign !== undefined) throw refusal(`its header must not have ${foreign.slice(0, 40)}`);
  if (cty !== undefined && !/^(application\/)?(oauth-authz-req\+)?jwt$/i.test(String(cty))) {
    throw refusal('its cty must be JWT (RFC 7519 section 5.2)');
  }
  if (kid !== undefined && typeof kid !== 'string') throw refusal('its kid must be text');
  return { alg, ...(kid === undefined ? {} : { kid }) };
}

function headerOf(jwe: string): Readonly<Record<string, unknown>> {
  try {
    if (ENCRYPTED.test(jwe)) return { ...decodeProtectedHeader(jwe) };
  } catch (cause) {
    throw refusal('it is no JWE in compact form', cause);
  }
  throw refusal('it is no JWE in compact form');
}

function refusal(problem: string, cause?: unknown): OpenBankingError<'ERR_REQUEST_OBJECT'> {
  return new OpenBankingError(
    'ERR_REQUEST_OBJECT',
    { problem: `the encrypted request object: ${problem}` },
    { cause },
  );
}
