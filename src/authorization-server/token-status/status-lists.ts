import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { Middleware } from 'koa';
import { LRUCache } from 'lru-cache';
import { type Clock, epochSeconds } from '../../clock.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { type Signer, signJwt } from '../signing/signer.ts';
import type { RevokedCertificates } from './revoked-certificates.ts';
import { LIST_SIZE, type StatusBlock } from './status-list-allocator.ts';
import type { TokenHolder } from './token-holder.ts';

/** How long a resource server may use a list. */
const LIST_TTL_SECONDS = 5;
/** How long the bits of a list are believed before they are decided again. */
const DECIDED_MILLISECONDS = 500;
/** A list with the same bits is signed again after this long, well before it ends. */
const SIGNED_MILLISECONDS = 20_000;
const SIGNED_LIFE_SECONDS = 60;
/** Bound of the list cache, since any stranger may request any list number. */
const MAX_CACHED_LISTS = 64;

/** The facts that decide the bits of a list. */
export interface ListContent {
  readonly blocks: readonly StatusBlock[];
  /** Indexes that were revoked. */
  readonly revoked: readonly number[];
}

export interface StatusListsOptions {
  readonly contentOf: (list: number) => Promise<ListContent>;
  /** Reads what is known of these holders now, and returns whether tokens of one of them may be used. */
  readonly authorisedHolders: (holders: readonly TokenHolder[]) => Promise<(holder: TokenHolder) => boolean>;
  readonly revokedCertificates: Pick<RevokedCertificates, 'read'>;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly issuer: string;
  /** Base of the list addresses; the list number is appended. */
  readonly listBaseUrl: string;
}

/** A signed list, typ `statuslist+jwt`, its entity tag, and its bits: one for each index, set where it is revoked. */
export interface StatusList {
  readonly jwt: string;
  readonly etag: string;
  readonly bits: Buffer;
}

interface CachedList extends StatusList {
  readonly decidedAt: number;
  readonly signedAt: number;
}

/** Decides and signs lists, and keeps each for a moment, so that any number of readers cost one decision. */
export class StatusLists {
  readonly #options: StatusListsOptions;
  readonly #cache = new LRUCache<number, CachedList>({ max: MAX_CACHED_LISTS });
  readonly #pending = new SingleFlight<CachedList>();
  #revocations = 0;

  constructor(options: StatusListsOptions) {
    this.#options = options;
  }

  /** The list, decided less than a second ago. */
  async current(number: number): Promise<StatusList> {
    const cached = this.#cache.get(number);
    const age = cached === undefined ? Infinity : this.#options.clock.now().getTime() - cached.decidedAt;
    if (cached !== undefined && age < DECIDED_MILLISECONDS) return cached;
    return this.#pending.run(() => this.#renew(number), String(number));
  }

  /** Called after a revocation: the next reader of any list gets one that is decided anew. */
  expire(): void {
    this.#revocations += 1;
    for (const [number, list] of [...this.#cache]) this.#cache.set(number, { ...list, decidedAt: 0 });
    this.#pending.clear();
  }

  async #renew(number: number): Promise<CachedList> {
    const before = this.#revocations;
    const now = this.#options.clock.now().getTime();
    const bits = await this.#decidedBits(number);
    const cached = this.#cache.get(number);
    const isSame = cached?.bits.equals(bits) === true && now - cached.signedAt < SIGNED_MILLISECONDS;
    const list = isSame ? { ...cached, decidedAt: now } : await this.#signed(number, bits, now);
    // A token that was revoked while the list was made may not be in it.
    this.#cache.set(number, before === this.#revocations ? list : { ...list, decidedAt: 0 });
    return list;
  }

  async #decidedBits(number: number): Promise<Buffer> {
    const { contentOf, authorisedHolders, revokedCertificates } = this.#options;
    const bits = Buffer.alloc(LIST_SIZE / 8);
    const set = (index: number) => {
      const at = index % LIST_SIZE;
      bits.writeUInt8(bits.readUInt8(at >> 3) | (1 << (at & 7)), at >> 3);
    };
    const [{ blocks, revoked }, isRevoked] = await Promise.all([
      contentOf(number),
      revokedCertificates.read(),
    ]);
    const isAuthorised = await authorisedHolders(blocks.flatMap(({ holder }) => holder ?? []));
    const isAlive = (holder: TokenHolder) => isAuthorised(holder) && !isRevoked(holder.certificate);
    for (const { first, count, holder } of blocks) {
      if (holder !== undefined && isAlive(holder)) continue;
      for (let index = first; index < first + count; index += 1) set(index);
    }
    for (const index of revoked) set(index);
    return bits;
  }

  async #signed(number: number, bits: Buffer, now: number): Promise<CachedList> {
    const { signer, issuer, listBaseUrl } = this.#options;
    const seconds = epochSeconds(new Date(now));
    const jwt = await signJwt(signer, {
      typ: 'statuslist+jwt',
      claims: {
        status_list: { bits: 1, lst: deflateSync(bits, { level: 9 }).toString('base64url') },
        ttl: LIST_TTL_SECONDS,
        iss: issuer,
        sub: `${listBaseUrl}${number}`,
        iat: seconds,
        exp: seconds + SIGNED_LIFE_SECONDS,
      },
    });
    const etag = `"${createHash('sha256').update(jwt).digest('base64url').slice(0, 22)}"`;
    return { jwt, etag, bits, decidedAt: now, signedAt: now };
  }
}

/** Serves the list whose number is the end of the path (draft-ietf-oauth-status-list §8), with an ETag. No list is secret. */
export function serveStatusLists(lists: Pick<StatusLists, 'current'>): Middleware {
  return async (ctx) => {
    const { jwt, etag } = await lists.current(Number(ctx.path.slice(ctx.path.lastIndexOf('/') + 1)));
    ctx.type = 'application/statuslist+jwt';
    ctx.set('cache-control', 'no-cache');
    ctx.set('etag', etag);
    ctx.body = jwt;
    ctx.status = 200;
    if (ctx.fresh) ctx.status = 304;
  };
}
