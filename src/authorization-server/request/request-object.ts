import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Profile, ResponseMode, ResponseType } from '../profiles/profile.ts';
import { profileOf, type Profiles } from '../profiles/profiles.ts';
import { assertDpopRegistered, isThumbprint } from './dpop-proof.ts';
import { asProviderError } from './oauth-error.ts';
import { isEmptyList, MAX_PARAMETER_LENGTH, UNSUPPORTED_AUTHORIZATION_PARAMETERS } from './parameters.ts';
import { ENDPOINTS } from './routes.ts';
import { isPush } from './tpp-gate.ts';

type Claims = Readonly<Record<string, unknown>>;

interface RequestObjectRules {
  readonly profiles: Profiles;
  readonly clock: Clock;
}

/** RFC 9101 §10.8, with the prefix that RFC 7515 §4.1.9 lets a sender leave out; `JWT` is what many libraries write. */
const TYPE = /^(?:(?:application\/)?oauth-authz-req\+jwt|jwt)$/i;

/** RFC 9126 §3: the only parameters beside a pushed request object. */
const BESIDE_REQUEST: readonly string[] = [
  'request',
  'client_id',
  'client_assertion',
  'client_assertion_type',
];

/**
 * The rules of a request object (RFC 9101) that the provider leaves to this hook: those of the profile of its client,
 * and what keeps other JWTs of the client from passing as one. The provider checks `iss`, `aud`, `exp` and `nbf`
 * against the time before it, and the signature after it.
 *
 * A pushed request that comes back at the authorization endpoint was judged when it was pushed.
 *
 * @throws ERR_REQUEST_OBJECT, ERR_PARAMETER_UNSUPPORTED, ERR_REQUEST_INVALID, as errors of the provider
 */
export function assertRequestObject({ profiles, clock }: RequestObjectRules) {
  return (ctx: KoaContextWithOIDC, claims: Claims, header: Claims, client: Client): Promise<void> => {
    if (ctx.path === ENDPOINTS.authorization && ctx.oidc.entities.PushedAuthorizationRequest !== undefined) {
      return Promise.resolve();
    }
    const profile = profileOf(client, profiles);
    asProviderError(() => {
      // Its claims are judged once the signature has been verified (ciba/request-rules.ts).
      if (ctx.path === ENDPOINTS.backchannel_authentication) {
        assertHeader(header, profile);
        return;
      }
      if (profile.signedRequests === 'never') {
        throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name: 'request' });
      }
      assertHeader(header, profile);
      assertDates(claims, profile, epochSeconds(clock.now()));
      if (claims.sub === client.clientId)
        throw refusal('sub must not be the client_id (RFC 9101 section 10.8)');
      assertAuthorizationRequest(claims, profile);
      assertDpopRegistered(client, { jkt: claims.dpop_jkt });
      if (isPush(ctx)) assertNothingOutside(ctx.oidc.body ?? {});
    });
    return Promise.resolve();
  };
}

function assertHeader(header: Claims, profile: Profile): void {
  const extension = ['crit', 'b64'].find((name) => header[name] !== undefined);
  if (extension !== undefined) throw refusal(`the header must not have ${extension}`);
  if (header.typ !== undefined && !(typeof header.typ === 'string' && TYPE.test(header.typ))) {
    throw refusal('typ must be oauth-authz-req+jwt (RFC 9101 section 10.8)');
  }
  const algorithms: readonly unknown[] = profile.clientAlgorithms;
  if (!algorithms.includes(header.alg)) {
    throw refusal(`alg must be one of ${algorithms.join(', ')} for ${profile.name}`);
  }
}

function assertDates({ exp, nbf, aud }: Claims, { requestObject }: Profile, now: number): void {
  if (typeof exp !== 'number') throw refusal('exp is missing');
  if (typeof nbf !== 'number') throw refusal('nbf is missing');
  if (aud === undefined) throw refusal('aud is missing');
  const { lifetimeSeconds, ageSeconds } = requestObject;
  if (exp <= nbf || exp - nbf > lifetimeSeconds) {
    throw refusal(`exp must be at most ${lifetimeSeconds} seconds after nbf`);
  }
  if (now - nbf > ageSeconds) throw refusal(`nbf must be at most ${ageSeconds} seconds in the past`);
}

function assertAuthorizationRequest(claims: Claims, profile: Profile): void {
  const unsupported = UNSUPPORTED_AUTHORIZATION_PARAMETERS.find((name) => claims[name] !== undefined);
  if (unsupported === 'request' || unsupported === 'request_uri') {
    throw refusal(`${unsupported} must not be in a request object (RFC 9101 section 4)`);
  }
  if (unsupported !== undefined)
    throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name: unsupported });
  if (claims.client_id === undefined) throw refusal('client_id is missing');
  const long = Object.entries(claims).find(
    ([, value]) => typeof value === 'string' && value.length > MAX_PARAMETER_LENGTH,
  );
  if (long !== undefined) throw refusal(`a claim is longer than ${MAX_PARAMETER_LENGTH} characters`);
  if (claims.dpop_jkt !== undefined && !isThumbprint(claims.dpop_jkt)) {
    throw refusal('dpop_jkt must be the SHA-256 thumbprint of a key (RFC 9449 section 10)');
  }
  if (isEmptyList(claims.authorization_details)) {
    throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem: 'the list is empty' });
  }
  if (!claims.scope && !claims.authorization_details) throw refusal('scope is missing');
  assertResponse(claims, profile);
}

/** @throws ERR_REQUEST_INVALID */
function assertNothingOutside(form: Claims): void {
  const outside = Object.keys(form).find((name) => !BESIDE_REQUEST.includes(name));
  if (outside === undefined) return;
  throw invalid(`${outside.slice(0, 100)} belongs into the request object (RFC 9126 section 3)`);
}

/** The provider checks response types and modes one by one. FAPI 1 has rules for both together. */
function assertResponse({ response_type: type, response_mode: mode }: Claims, profile: Profile): void {
  if (typeof type !== 'string' || typeof mode !== 'string') return;
  const modes: readonly ResponseMode[] | undefined = profile.responseModes[normalised(type)];
  if (modes === undefined || (modes as readonly string[]).includes(mode)) return;
  throw invalid(`response_mode must be one of ${modes.join(', ')} for ${type} (${profile.name})`);
}

function normalised(type: string): ResponseType {
  return type.split(' ').toSorted().join(' ') as ResponseType;
}

function refusal(problem: string): OpenBankingError<'ERR_REQUEST_OBJECT'> {
  return new OpenBankingError('ERR_REQUEST_OBJECT', { problem });
}

function invalid(problem: string): OpenBankingError<'ERR_REQUEST_INVALID'> {
  return new OpenBankingError('ERR_REQUEST_INVALID', { error: 'invalid_request', problem });
}
