import type { KoaContextWithOIDC } from 'oidc-provider';
import { epochSeconds, systemClock } from '../../../clock.ts';
import type { ModelRecords } from '../../models/adapter.ts';
import { newIdentifier } from '../../provider-internals.ts';

/** As the provider has it. */
const LIFE_SECONDS = 60;
const REQUEST_URN = 'urn:ietf:params:oauth:request_uri:';
const KIND = 'PushedAuthorizationRequest';
const UNSIGNED_HEAD = Buffer.from('{"alg":"none"}').toString('base64url');

export interface PushedRequestsOptions {
  readonly issuer: string;
}

/**
 * Stores a pushed authorization request that is not signed (RFC 9126 §2.2), and answers: record and answer are those of the
 * provider's last step. With that step a pushed request takes 1.13 × the CPU (`npm run bench -- flows`).
 * test/authorization-server/tokens compares both.
 *
 * Only requests that passed every check, of clients that have authenticated.
 */
export class PushedRequests {
  readonly #options: PushedRequestsOptions;
  readonly #records: Pick<ModelRecords, 'upsert'>;

  constructor(options: PushedRequestsOptions, adapters: (model: string) => ModelRecords) {
    this.#options = options;
    this.#records = adapters(KIND);
  }

  /** @throws the refusals of the adapter */
  async store(ctx: KoaContextWithOIDC): Promise<void> {
    const { oidc } = ctx;
    // The provider judges them at /authorize, by the time of the system.
    const iat = epochSeconds(systemClock.now());
    const exp = iat + LIFE_SECONDS;
    const { claims, authorization_details: details, ...params } = oidc.params ?? {};
    const request = unsigned({
      ...params,
      ...parsed('claims', claims),
      ...parsed('authorization_details', details),
      ...{ iat, iss: oidc.client?.clientId, aud: this.#options.issuer, exp, nbf: iat },
    });
    const jti = newIdentifier();
    await this.#records.upsert(
      jti,
      { iat, exp, jti, kind: KIND, request, trusted: true as never },
      LIFE_SECONDS,
    );
    ctx.status = 201;
    ctx.body = { expires_in: LIFE_SECONDS, request_uri: `${REQUEST_URN}${jti}` };
  }
}

/** A parameter that is JSON, as the value that it has. */
function parsed(name: string, text: unknown): Record<string, unknown> {
  if (typeof text !== 'string') return {};
  return { [name]: text === '' ? text : JSON.parse(text) };
}

/** An unsecured JWT (RFC 7519 §6). */
function unsigned(claims: object): string {
  return `${UNSIGNED_HEAD}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
}
