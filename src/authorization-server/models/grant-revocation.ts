import type { Clock } from '../../clock.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { Store } from '../../storage/store.ts';
import type { GrantEnd, RevokedGrants } from '../token-status/revoked-grants.ts';
import { identifierHash } from '../../storage/record-protection.ts';

/** Models of oidc-provider whose records end with their grant: each has `grantId` as an index. */
export const GRANTED_MODELS: ReadonlySet<string> = new Set([
  'AccessToken',
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
]);

export interface GrantRevocationOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Keys the hashes of identifiers; 32 bytes. */
  readonly secret: Buffer;
  /** JWTs are not in the store and must end too. */
  readonly tokenStatus: Pick<RevokedGrants, 'revokeGrant' | 'isReplayed'>;
}

/** How long nothing may be written under a revoked grant: longer than any request takes. */
export const TOMBSTONE_SECONDS = 24 * 3600;

/**
 * The end of grants, with every token and code.
 *
 * A revocation that breaks off can be repeated (RFC 7009 §2.2.1): the access tokens end first, then the grant, and
 * only then the records by which a client can ask again. Without its grant none of these records is accepted.
 *
 * A second use of a code may come while the answer to the first use is being made. The first use then succeeds, as if
 * its answer had been sent before, and its tokens are dead: of any number of uses at once exactly one succeeds.
 * Every other end makes a request that is under way fail.
 */
export class GrantRevocation {
  readonly #options: GrantRevocationOptions;
  readonly #hash: (kind: string, id: string) => string;
  /** Grants that this process is ending: oidc-provider asks once for every model. */
  readonly #pending = new SingleFlight<void>();

  constructor(options: GrantRevocationOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  /** Ends a grant; ending one that is over is no error. */
  revoke(grantId: string, reason: GrantEnd): Promise<void> {
    return this.#pending.run(() => this.#revoke(grantId, reason), `${reason}\0${grantId}`);
  }

  /** Whether a second use has ended the grant. */
  isReplayed(grantId: string): Promise<boolean> {
    return this.#options.tokenStatus.isReplayed(grantId);
  }

  async #revoke(grantId: string, reason: GrantEnd): Promise<void> {
    const { store, clock, tokenStatus } = this.#options;
    await tokenStatus.revokeGrant(grantId, reason);
    await store.delete('Grant', this.#hash('Grant', grantId));
    const value = this.#hash('grantId', grantId);
    const until = new Date(clock.now().getTime() + TOMBSTONE_SECONDS * 1000);
    await Promise.all(
      [...GRANTED_MODELS].map((model) => store.deleteByIndex(model, 'grantId', value, until)),
    );
  }
}
