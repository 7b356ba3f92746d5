import { deflateSync } from 'node:zlib';
import { importJWK, SignJWT } from 'jose';
import { type Clock, epochSeconds } from '../clock.ts';
import type { Store } from '../storage/store.ts';
import type { SigningKeys } from './signing-keys.ts';

/** Entries of one list: 16 kB of bits, about 40 bytes on the wire while nothing is revoked. */
const LIST_SIZE = 2 ** 17;
/** Numbers taken from the durable counter at once, so that a token costs no write of its own. */
const BLOCK_SIZE = 1024;
/** How long a resource server may use a list, and how long a made list is served again. */
const LIST_TTL_SECONDS = 5;
/** Made lists that are kept for a second; anybody may ask for any number. */
const MAX_CACHED_LISTS = 64;
const REFERENCE = 'StatusReference';
const REVOCATION = 'StatusRevocation';
const COUNTER = 'token-status-index';

/** The `status` claim of an access token (Token Status List, draft-ietf-oauth-status-list, section 6.1). */
export interface StatusClaim {
  readonly status_list: { readonly idx: number; readonly uri: string };
}

/**
 * Lets resource servers learn that an access token is dead although it is a JWT: each token names an entry of
 * a list that we sign and serve. All tokens of one grant share an entry, tokens without a grant have their own.
 */
export interface TokenStatus {
  /** The claim for a token of the grant, or for a token of its own when there is no grant. */
  reference(grantId: string | undefined): Promise<StatusClaim>;
  /** Every token of the grant is dead from now on. */
  revokeGrant(grantId: string): Promise<void>;
  /** The token with this claim is dead from now on, and with it all tokens of its grant. */
  revoke(claim: StatusClaim): Promise<void>;
  /** The signed list, typ `statuslist+jwt`. */
  list(number: number): Promise<string>;
}

export interface TokenStatusOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly keys: SigningKeys;
  readonly issuer: string;
  /** Base of the list addresses; the list number is appended. */
  readonly listBaseUrl: string;
  /** How long a grant's entry is kept after its newest token: at least the longest grant. */
  readonly grantSeconds: number;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
}

export function createTokenStatus(options: TokenStatusOptions): TokenStatus {
  const { store, clock } = options;
  const made = new Map<number, { readonly until: number; readonly jwt: Promise<string> }>();
  const nextIndex = blockAllocator(store);

  const claimOf = (index: number): StatusClaim => ({
    status_list: {
      idx: index % LIST_SIZE,
      uri: `${options.listBaseUrl}${Math.floor(index / LIST_SIZE)}`,
    },
  });
  const numberOf = (claim: StatusClaim) => Number(claim.status_list.uri.slice(options.listBaseUrl.length));
  const grantExpiry = () => new Date(clock.now().getTime() + options.grantSeconds * 1000);

  const revokeIndex = async (index: number) => {
    const list = Math.floor(index / LIST_SIZE);
    await store.put(REVOCATION, String(index), {
      value: index % LIST_SIZE,
      expiresAt: grantExpiry(),
      indexes: { list: String(list) },
    });
    made.delete(list);
  };

  const indexOfGrant = async (grantId: string): Promise<number> => {
    const id = options.hashId(grantId);
    const known = await store.find(REFERENCE, id);
    if (known !== undefined) return Number(known.value);
    const index = await nextIndex();
    const isFirst = await store.putIfAbsent(REFERENCE, id, { value: index, expiresAt: grantExpiry() });
    return isFirst ? index : indexOfGrant(grantId);
  };

  return {
    reference: async (grantId) =>
      claimOf(grantId === undefined ? await nextIndex() : await indexOfGrant(grantId)),

    // A grant without an entry gets one that is revoked: a token that is being written now will name it.
    revokeGrant: async (grantId) => revokeIndex(await indexOfGrant(grantId)),

    async revoke(claim) {
      await revokeIndex(numberOf(claim) * LIST_SIZE + claim.status_list.idx);
    },

    async list(number) {
      const now = epochSeconds(clock.now());
      const cached = made.get(number);
      if (cached !== undefined && cached.until > now) return cached.jwt;
      const jwt = signedList(options, number, now);
      if (made.size >= MAX_CACHED_LISTS) made.clear();
      made.set(number, { until: now + 1, jwt });
      jwt.catch(() => made.delete(number));
      return jwt;
    },
  };
}

function blockAllocator(store: Store): () => Promise<number> {
  let next = 0;
  let end = 0;
  let pending: Promise<void> | undefined;
  const refill = async () => {
    next = await store.allocate(COUNTER, BLOCK_SIZE);
    end = next + BLOCK_SIZE;
  };
  return async () => {
    while (next >= end) {
      pending ??= refill().finally(() => {
        pending = undefined;
      });
      await pending;
    }
    const index = next;
    next += 1;
    return index;
  };
}

async function signedList(options: TokenStatusOptions, number: number, now: number): Promise<string> {
  const uri = `${options.listBaseUrl}${number}`;
  const bits = Buffer.alloc(LIST_SIZE / 8);
  for (const { value } of await options.store.listByIndex(REVOCATION, 'list', String(number))) {
    const index = Number(value);
    bits.writeUInt8(bits.readUInt8(index >> 3) | (1 << (index & 7)), index >> 3);
  }
  const jwk = options.keys.keys.find((key) => key.alg === 'ES256');
  if (jwk === undefined) throw new TypeError('there is no ES256 key');
  return new SignJWT({
    status_list: { bits: 1, lst: deflateSync(bits, { level: 9 }).toString('base64url') },
    ttl: LIST_TTL_SECONDS,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'statuslist+jwt', kid: jwk.kid ?? '' })
    .setIssuer(options.issuer)
    .setSubject(uri)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(await importJWK(jwk, 'ES256'));
}
