import { ALGORITHMS } from '../token/compact-signature.ts';
import type { SenderConstraint } from '../token/confirmation.ts';

/** The tokens that an API accepts, as its authorizer knows them. */
export interface AcceptedTokens {
  readonly issuer: string;
  readonly audience: string;
  readonly senderConstraints: readonly SenderConstraint[];
  /** Whether DPoP proofs can be verified. */
  readonly isDpopVerified: boolean;
}

/** Facts about an API that its authorizer does not have (RFC 9728 §2). */
export interface ResourceMetadataOptions {
  /** `scopes_supported`. Default: left out; at a gateway, the scopes of its routes. */
  readonly scopes?: readonly string[] | undefined;
  /** `resource_name`, for people. */
  readonly name?: string | undefined;
  /** `resource_documentation`: https URL of a page for developers. */
  readonly documentation?: string | undefined;
  /** `resource_policy_uri`: https URL of a page about the use of the data. */
  readonly policy?: string | undefined;
  /** `resource_tos_uri`: https URL of the terms of service. */
  readonly termsOfService?: string | undefined;
  /** `jwks_uri` and `resource_signing_alg_values_supported`: the keys and algorithms of signed answers. */
  readonly signatures?: { readonly jwksUri: string; readonly algorithms: readonly string[] } | undefined;
}

/** An answer with the metadata, or a refusal to change it. */
export interface MetadataAnswer {
  readonly status: 200 | 405;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** A client may use the document for so long before it reads it again. */
const MAX_AGE_SECONDS = 300;

/** How a resource says which authorization server it trusts, and which tokens it accepts (RFC 9728). */
export class ResourceMetadata {
  /** The address that challenges name. Made from the audience: no request has an influence on it. */
  readonly url: string;
  readonly path: string;
  readonly #body: string;

  /** @throws TypeError for an audience that has no such address, and for options that cannot be published */
  constructor(accepted: AcceptedTokens, options: ResourceMetadataOptions) {
    const resource = URL.parse(accepted.audience);
    const isPlain = resource?.protocol === 'https:' && !/[?#@]/.test(accepted.audience);
    if (resource === null || !isPlain) {
      throw new TypeError(
        'resourceMetadata needs an audience that is an https URL, without query or fragment',
      );
    }
    // RFC 9728 §3.1: between host and path, without a slash at the end of the host.
    this.path = WELL_KNOWN + (resource.pathname === '/' ? '' : resource.pathname);
    this.url = resource.origin + this.path;
    this.#body = JSON.stringify(documentOf(accepted, options));
    Object.freeze(this);
  }

  /** The answer to a request of the metadata; undefined for every other request. */
  answerTo({ method, url }: { readonly method: string; readonly url: string }): MetadataAnswer | undefined {
    if (url.split('?', 1)[0] !== this.path) return undefined;
    const headers = {
      'content-type': 'application/json',
      'cache-control': `public, max-age=${MAX_AGE_SECONDS}`,
    };
    if (method === 'GET') return { status: 200, headers, body: this.#body };
    if (method === 'HEAD') return { status: 200, headers, body: '' };
    const body = { error: 'invalid_request', error_description: 'the metadata can be read only' };
    return {
      status: 405,
      headers: { ...headers, allow: 'GET, HEAD', 'cache-control': 'no-store' },
      body: JSON.stringify(body),
    };
  }
}

function documentOf(accepted: AcceptedTokens, options: ResourceMetadataOptions) {
  const { issuer, audience, senderConstraints } = accepted;
  const { scopes, name, documentation, policy, termsOfService, signatures } = options;
  const isKeyBound = (constraint: SenderConstraint) => constraint !== 'certificate';
  const isDpopUsed = accepted.isDpopVerified && senderConstraints.some(isKeyBound);
  // Members without a value are left out (JSON.stringify).
  return {
    resource: audience,
    authorization_servers: [issuer],
    jwks_uri: signatures && pageUrl(signatures.jwksUri, 'signatures.jwksUri'),
    scopes_supported: scopes,
    bearer_methods_supported: ['header'],
    resource_signing_alg_values_supported: signatures?.algorithms,
    resource_name: name,
    resource_documentation: documentation && pageUrl(documentation, 'documentation'),
    resource_policy_uri: policy && pageUrl(policy, 'policy'),
    resource_tos_uri: termsOfService && pageUrl(termsOfService, 'termsOfService'),
    tls_client_certificate_bound_access_tokens: senderConstraints.some((one) => one !== 'dpop'),
    dpop_signing_alg_values_supported: isDpopUsed ? ALGORITHMS : undefined,
    dpop_bound_access_tokens_required: senderConstraints.every(isKeyBound),
  };
}

function pageUrl(value: string, name: string): string {
  if (URL.parse(value)?.protocol !== 'https:')
    throw new TypeError(`resourceMetadata.${name} must be an https URL`);
  return value;
}
