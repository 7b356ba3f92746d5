import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { importJWK, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { RevokedCertificates } from './revoked-certificates.ts';
import type { SigningKeys } from '../signing/signing-keys.ts';
import type { GrantEnd, StatusEntries } from './status-entries.ts';
import { LIST_SIZE } from './status-numbers.ts';
import type { HolderStanding, TokenHolder } from './token-holder.ts';

/** How long a resource server may use a list. */
const LIST_TTL_SECONDS = 5;
/** How long what a list says is believed before it is judged again. */
const JUDGED_MILLISECONDS = 500;
/** A list that still says the same is signed again after this long, well before it ends. */
const SIGNED_MILLISECONDS = 20_000;
const SIGNED_LIFE_SECONDS = 60;
/** Made lists that are kept; anybody may ask for any number. */
const MAX_CACHED_LISTS = 64;

/** The `status` claim of an access token (Token Status List, draft-ietf-oauth-status-list, section 6.1). */
export interface StatusClaim {
  readonly status_list: { readonly idx: number; readonly uri: string };
}

/** A signed list, typ `statuslist+jwt`, and its entity tag. */
export interface SignedList {
  readonly jwt: string;
  readonly etag: string;
}

/**
 * Lets resource servers learn that an access token is dead although it is a JWT: each token names an entry of
 * a list that we sign and serve. An entry is set when it was revoked, and while its holder is not in good
 * standing: the TPP, the client or the certificate.
 */
export interface TokenStatus {
  /**
   * The claim for a token of the holder; tokens of one grant and certificate share it for a while. The claim of a grant
   * that a replay has ended is revoked.
   *
   * @throws ERR_STORAGE_REVOKED when the grant has ended in another way
   */
  reference(holder: TokenHolder, grantId: string | undefined): Promise<StatusClaim>;
  /** Every token of the grant is dead from now on, and no new one is issued under it. */
  revokeGrant(grantId: string, reason: GrantEnd): Promise<void>;
  /** Whether a second use has ended the grant. */
  isReplayed(grantId: string): Promise<boolean>;
  /** The tokens with this claim are dead from now on. */
  revoke(claim: StatusClaim): Promise<void>;
  /** Whether tokens with this claim may be used, by a judgement that is less than a second old. */
  isLive(claim: StatusClaim): Promise<boolean>;
  list(number: number): Promise<SignedList>;
}

export interface TokenStatusOptions {
  readonly entries: StatusEntries;
  readonly isInGoodStanding: HolderStanding;
  readonly revokedCertificates: Pick<RevokedCertificates, 'read'>;
  readonly clock: Clock;
  readonly keys: SigningKeys;
  readonly issuer: string;
  /** Base of the list addresses; the list number is appended. */
  readonly listBaseUrl: string;
}

interface MadeList extends SignedList {
  readonly bits: Buffer;
  readonly judgedAt: number;
  readonly signedAt: number;
}

export function createTokenStatus(options: TokenStatusOptions): TokenStatus {
  const { entries, listBaseUrl } = options;
  const lists = madeLists(options);
  const claimOf = (index: number): StatusClaim => ({
    status_list: { idx: index % LIST_SIZE, uri: `${listBaseUrl}${Math.floor(index / LIST_SIZE)}` },
  });
  const revoke = async (index: number) => {
    await entries.revoke(index);
    lists.judgeAgain();
  };
  const numberOf = (claim: StatusClaim) => Number(claim.status_list.uri.slice(listBaseUrl.length));

  return {
    async reference(holder, grantId) {
      const index = await entries.entryOf(holder, grantId);
      const state = grantId === undefined ? 'open' : await entries.stateOf(grantId);
      if (state === 'ended') throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
      if (state === 'replayed') await revoke(index);
      return claimOf(index);
    },

    async revokeGrant(grantId, reason) {
      await entries.revokeGrant(grantId, reason);
      lists.judgeAgain();
    },
    isReplayed: async (grantId) => (await entries.stateOf(grantId)) === 'replayed',

    revoke: (claim) => revoke(numberOf(claim) * LIST_SIZE + claim.status_list.idx),

    async isLive(claim) {
      const { bits } = await lists.current(numberOf(claim));
      const { idx } = claim.status_list;
      return (bits.readUInt8(idx >> 3) & (1 << (idx & 7))) === 0;
    },

    list: (number) => lists.current(number),
  };
}

/** Lists that were made a moment ago, so that any number of readers cost one judgement. */
function madeLists(options: TokenStatusOptions) {
  const made = new LRUCache<number, MadeList>({ max: MAX_CACHED_LISTS });
  const making = new SingleFlight<MadeList>();
  let revocations = 0;

  const make = async (number: number): Promise<MadeList> => {
    const seen = revocations;
    const now = options.clock.now().getTime();
    const bits = await judgedBits(options, number);
    const last = made.get(number);
    const isSame = last?.bits.equals(bits) === true && now - last.signedAt < SIGNED_MILLISECONDS;
    const list = isSame ? { ...last, judgedAt: now } : await signedList(options, { number, bits, now });
    // What was revoked while the list was made may not be in it.
    made.set(number, seen === revocations ? list : { ...list, judgedAt: 0 });
    return list;
  };

  return {
    current(number: number): Promise<MadeList> {
      const last = made.get(number);
      const age = last === undefined ? Infinity : options.clock.now().getTime() - last.judgedAt;
      if (last !== undefined && age < JUDGED_MILLISECONDS) return Promise.resolve(last);
      return making.run(() => make(number), String(number));
    },
    judgeAgain() {
      revocations += 1;
      for (const [number, list] of [...made]) made.set(number, { ...list, judgedAt: 0 });
      making.clear();
    },
  };
}

async function judgedBits(options: TokenStatusOptions, number: number): Promise<Buffer> {
  const bits = Buffer.alloc(LIST_SIZE / 8);
  const set = (index: number) => {
    const at = index % LIST_SIZE;
    bits.writeUInt8(bits.readUInt8(at >> 3) | (1 << (at & 7)), at >> 3);
  };
  const [{ blocks, revoked }, isRevoked] = await Promise.all([
    options.entries.contentOf(number),
    options.revokedCertificates.read(),
  ]);
  const isAlive = (holder: TokenHolder) => options.isInGoodStanding(holder) && !isRevoked(holder.certificate);
  for (const { first, count, holder } of blocks) {
    if (holder !== undefined && isAlive(holder)) continue;
    for (let index = first; index < first + count; index += 1) set(index);
  }
  for (const index of revoked) set(index);
  return bits;
}

async function signedList(
  options: TokenStatusOptions,
  { number, bits, now }: { readonly number: number; readonly bits: Buffer; readonly now: number },
): Promise<MadeList> {
  const jwk = options.keys.keys.find((key) => key.alg === 'ES256');
  if (jwk === undefined) throw new TypeError('there is no ES256 key');
  const seconds = epochSeconds(new Date(now));
  const jwt = await new SignJWT({
    status_list: { bits: 1, lst: deflateSync(bits, { level: 9 }).toString('base64url') },
    ttl: LIST_TTL_SECONDS,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'statuslist+jwt', kid: jwk.kid ?? '' })
    .setIssuer(options.issuer)
    .setSubject(`${options.listBaseUrl}${number}`)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + SIGNED_LIFE_SECONDS)
    .sign(await importJWK(jwk, 'ES256'));
  const etag = `"${createHash('sha256').update(jwt).digest('base64url').slice(0, 22)}"`;
  return { jwt, etag, bits, judgedAt: now, signedAt: now };
}
