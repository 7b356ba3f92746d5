import type { AdapterPayload, Client } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../../clock.ts';
import type { ModelRecords } from '../../models/adapter.ts';
import type { OpaqueTokens } from './opaque-tokens.ts';

/** An answer about a token (RFC 7662 §2.2). */
export type TokenInformation = Readonly<Record<string, unknown>> & { readonly active: boolean };

const INACTIVE: TokenInformation = Object.freeze({ active: false });

export interface TokenIntrospectionOptions {
  readonly issuer: string;
  readonly clock: Clock;
}

/**
 * Answers a TPP about its opaque access tokens (RFC 7662), with the members of the provider's last step.
 * test/authorization-server/tokens compares both.
 */
export class TokenIntrospection {
  readonly #options: TokenIntrospectionOptions;
  readonly #tokens: Pick<OpaqueTokens, 'find'>;
  readonly #grants: Pick<ModelRecords, 'find'>;

  constructor(
    options: TokenIntrospectionOptions,
    {
      tokens,
      grants,
    }: { readonly tokens: Pick<OpaqueTokens, 'find'>; readonly grants: Pick<ModelRecords, 'find'> },
  ) {
    this.#options = options;
    this.#tokens = tokens;
    this.#grants = grants;
  }

  /**
   * The answer to a client. Undefined for a value that is no access token, and for a token with authorization details: the
   * provider answers these.
   *
   * @throws what the adapter throws
   */
  async find(value: string, client: Client): Promise<TokenInformation | undefined> {
    const token = await this.#tokens.find(value, client);
    if (token === undefined || token.rar !== undefined) return undefined;
    const isLive = token.clientId === client.clientId && !this.#isOver(token);
    return isLive && (await this.#isGranted(token)) ? this.#informationOf(token) : INACTIVE;
  }

  /** Whether the grant of a customer's token is there, and of the same client and customer. */
  async #isGranted({ grantId, clientId, accountId }: AdapterPayload): Promise<boolean> {
    if (grantId === undefined) return true;
    const grant = await this.#grants.find(grantId);
    if (grant === undefined || this.#isOver(grant)) return false;
    return grant.clientId === clientId && grant.accountId === accountId;
  }

  #isOver({ exp }: AdapterPayload): boolean {
    return exp !== undefined && exp <= epochSeconds(this.#options.clock.now());
  }

  #informationOf(token: AdapterPayload): TokenInformation {
    const { accountId, extra, clientId, exp, iat, sid, aud, scope, jkt, 'x5t#S256': thumbprint } = token;
    const cnf = thumbprint === undefined ? { jkt } : { 'x5t#S256': thumbprint, jkt };
    const facts = {
      active: true,
      client_id: clientId,
      exp,
      iat,
      sid,
      iss: this.#options.issuer,
      jti: undefined,
      aud,
      authorization_details: undefined,
      scope,
      cnf: jkt === undefined && thumbprint === undefined ? undefined : cnf,
      token_type: jkt === undefined ? 'Bearer' : 'DPoP',
    };
    const answer = { active: true, ...(accountId === undefined ? {} : { sub: accountId }) };
    // In the provider's order. No claim of the token replaces a fact.
    return Object.assign(answer, extra, facts);
  }
}
