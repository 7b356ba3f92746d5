import type { ConsentReference } from '../../consent/details/consent-reference.ts';
import type { SenderConstraint } from './sender-constraint.ts';
import type { SignatureAlgorithm } from '../signing/signer.ts';

/** How a client authenticates (RFC 8705 §2, RFC 7523). */
export const CLIENT_AUTH_METHODS = Object.freeze([
  'tls_client_auth',
  'private_key_jwt',
  'self_signed_tls_client_auth',
] as const);
export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number];
/** `code id_token` is the hybrid flow, whose ID token is the detached signature of the answer (FAPI 1 Advanced §5.2.2.1). */
export type ResponseType = 'code' | 'code id_token';
/** The modes with `jwt` are JARM. Without `form_post`: its page needs a script. */
export type ResponseMode = 'query' | 'fragment' | 'jwt' | 'query.jwt' | 'fragment.jwt';
export type ServerAlgorithm = 'ES256' | 'PS256';

/**
 * Whether a profile has a rule: `required` always; `on` and `off` until the registration of the client switches it;
 * `never`: the registration cannot ask for it.
 */
export type Demand = 'required' | 'on' | 'off' | 'never';

type Modes = readonly [ResponseMode, ...ResponseMode[]];

/**
 * The demands of one FAPI profile: a frozen value, from which the provider's configuration and the metadata of each
 * client are computed (profiles.ts, client-rules.ts). A profile is one file with such a value, and its line in `PROFILES`.
 */
export interface Profile {
  /** Unique; the provider's clients carry it as `profile`. */
  readonly name: string;
  /** The name of the standard. */
  readonly title: string;
  /** The provider's name for the rules that it enforces itself: `redirect_uri`, `nonce`, `s_hash`. */
  readonly providerProfile: '1.0 Final' | '2.0';
  /** The response modes of each response type that the profile has. The first is that of a request that names none. */
  readonly responseModes: Readonly<Partial<Record<ResponseType, Modes>>>;
  /** Whether answers to authorization requests are signed (JARM), where a response type has modes of both kinds. */
  readonly signedResponses: Demand;
  /** Whether an authorization request must be pushed first (RFC 9126). */
  readonly pushedRequests: Demand;
  /** Whether an authorization request must be a signed request object (RFC 9101). */
  readonly signedRequests: Demand;
  /** Bounds of a request object in seconds: `exp` after `nbf`, and the age of `nbf`. */
  readonly requestObject: { readonly lifetimeSeconds: number; readonly ageSeconds: number };
  /** Where a client must send a code challenge (RFC 7636; S256 only): everywhere, or with pushed requests. */
  readonly codeChallenge: 'always' | 'pushed';
  /** `openid`: a request with that scope must have a `nonce`, every other a `state`. */
  readonly nonce: 'optional' | 'openid';
  /** The first is the default. */
  readonly clientAuthMethods: readonly [ClientAuthMethod, ...ClientAuthMethod[]];
  /** The audience of client assertions: the issuer as one string, or the issuer or an endpoint, also in a list. */
  readonly assertionAudience: 'issuer' | 'issuer-or-endpoint';
  /** Algorithms with which a client may sign assertions and request objects. */
  readonly clientAlgorithms: readonly SignatureAlgorithm[];
  /** Algorithms with which this server may sign ID tokens, responses and introspection for a client. The first is the default. */
  readonly serverAlgorithms: readonly [ServerAlgorithm, ...ServerAlgorithm[]];
  /** Whether ID tokens and request objects can be encrypted; a client that wants so registers how. */
  readonly encryption: 'off' | 'never';
  /** How the access tokens of a client may be bound to it. The first is for a client that names none. */
  readonly senderConstraints: readonly SenderConstraint[];
  /** How a client names what it asks for if its registration has no `consent_references`. */
  readonly consentReferences: readonly ConsentReference[];
  /** Whether a refresh token ends with its use. A bank's configuration may demand rotation beyond the profile. */
  readonly rotatesRefreshTokens: boolean;
  readonly codeSeconds: number;
  readonly idTokenSeconds: number;
  /** How far the clock of a client may be ahead. */
  readonly clockToleranceSeconds: number;
  /** Absent where the standard alone counts. */
  readonly market?: MarketRules;
}

/** The rules of a market beside those of its standard. */
export interface MarketRules {
  /** Authentication contexts: a login must reach one of them, whatever the request asks for, and the ID token names it. */
  readonly acrValues: readonly [string, ...string[]];
  /** Whether refresh tokens never rotate, also where the configuration of the bank says so. */
  readonly keepsRefreshTokens: boolean;
}

/** A rule that a registration breaks. */
export interface RegistrationProblem {
  /** The member. */
  readonly path: string;
  readonly message: string;
}
