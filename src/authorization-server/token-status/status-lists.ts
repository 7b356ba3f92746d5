import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { Middleware } from 'koa';
import { LRUCache } from 'lru-cache';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { NextFlight } from '../../remote/next-flight.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { type Signer, signJwt } from '../signing/signer.ts';
import type { RevokedCertificates } from './revoked-certificates.ts';
import { LIST_SIZE, type StatusBlock } from './status-list-allocator.ts';
import type { HolderCertificate, TokenHolder } from './token-holder.ts';

/** How long a resource server may use a list. */
const LIST_TTL_SECONDS = 5;
/** How long the bits of a list are believed before they are decided again. */
const DECIDED_MILLISECONDS = 500;
/** A list with the same bits is signed again after this long, well before it ends. */
const SIGNED_MILLISECONDS = 20_000;
const SIGNED_LIFE_SECONDS = 60;
/** Bound of the list cache, since any stranger may request any list number. */
const MAX_CACHED_LISTS = 64;

export interface StatusListsOptions {
  readonly blocksOf: (list: number) => Promise<readonly StatusBlock[]>;
  /** A bit for each index that was revoked by any process; bytes at the end may be missing. */
  readonly revokedOf: (list: number) => Promise<Buffer>;
  /** Reads what is known of these holders now, and returns whether tokens of one of them may be used. */
  readonly authorisedHolders: (holders: readonly TokenHolder[]) => Promise<(holder: TokenHolder) => boolean>;
  readonly revokedCertificates: Pick<RevokedCertificates, 'read'>;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly issuer: string;
  /** Base of the list addresses; the list number is appended. */
  readonly listBaseUrl: string;
}

/** A signed list, typ `statuslist+jwt`, and its entity tag. */
export interface StatusList {
  readonly jwt: string;
  readonly etag: string;
}

interface SignedList extends StatusList {
  readonly version: number;
  readonly signedAt: number;
}

/** The bits of one list: one for each index, the lowest of a byte first. */
interface DecidedList {
  /** Set by a revocation, and never cleared: an index is allocated once. */
  readonly revoked: Buffer;
  /** Set while the holder of the index is not authorised. */
  unauthorised: Buffer;
  decidedAt: number;
  /** Counts the changes of the bits. */
  version: number;
  signed: SignedList | undefined;
}

/**
 * Decides lists, and keeps the decision for a moment, so that any number of readers cost one. Revocations are read again
 * whenever a list is served: a list has every revocation that the store had when the list was asked for, of any process.
 * A list is signed only when it is served.
 */
export class StatusLists {
  readonly #options: StatusListsOptions;
  readonly #lists = new LRUCache<number, DecidedList>({ max: MAX_CACHED_LISTS });
  readonly #deciding = new SingleFlight<DecidedList | undefined>();
  readonly #reading = new NextFlight<void>();
  readonly #signing = new SingleFlight<SignedList>();

  constructor(options: StatusListsOptions) {
    this.#options = options;
  }

  /**
   * The signed list: holders as decided less than a second ago, revocations as stored now. Undefined when no index of
   * the list is in use.
   */
  async current(number: number): Promise<StatusList | undefined> {
    const list = await this.#decided(number);
    if (list === undefined) return undefined;
    await this.#reading.run(() => this.#readRevoked(number, list), String(number));
    const { signed, version } = list;
    const isGood = signed?.version === version && this.#now() - signed.signedAt < SIGNED_MILLISECONDS;
    return isGood ? signed : this.#signing.run(() => this.#sign(number, list), `${number}.${version}`);
  }

  /** Whether the bit of an index is clear, as decided less than a second ago. An index outside the list is not live. */
  async isLive(number: number, index: number): Promise<boolean> {
    const list = await this.#decided(number);
    return list !== undefined && !isSet(list.revoked, index) && !isSet(list.unauthorised, index);
  }

  /** Sets the bit of an index. Called after the store has the revocation. */
  noteRevoked(number: number, index: number): void {
    const list = this.#listAt(number);
    if (isSet(list.revoked, index)) return;
    setBit(list.revoked, index);
    list.version += 1;
  }

  async #decided(number: number): Promise<DecidedList | undefined> {
    const known = this.#lists.get(number);
    if (known !== undefined && this.#now() - known.decidedAt < DECIDED_MILLISECONDS) return known;
    return this.#deciding.run(() => this.#decide(number), String(number));
  }

  async #decide(number: number): Promise<DecidedList | undefined> {
    const { blocksOf, revokedOf, revokedCertificates } = this.#options;
    const decidedAt = this.#now();
    const [blocks, revoked, isRevoked] = await Promise.all([
      blocksOf(number),
      revokedOf(number),
      revokedCertificates.read(),
    ]);
    // Any stranger may request any number: a list that no token refers to is neither kept nor signed.
    if (blocks.length === 0) return undefined;
    const unauthorised = await this.#unauthorisedBits(blocks, isRevoked);
    const list = this.#listAt(number);
    const isChanged = addBits(list.revoked, revoked) || !list.unauthorised.equals(unauthorised);
    if (isChanged) list.version += 1;
    Object.assign(list, { unauthorised, decidedAt });
    return list;
  }

  async #readRevoked(number: number, list: DecidedList): Promise<void> {
    if (addBits(list.revoked, await this.#options.revokedOf(number))) list.version += 1;
  }

  async #unauthorisedBits(
    blocks: readonly StatusBlock[],
    isRevoked: (certificate: HolderCertificate) => boolean,
  ): Promise<Buffer> {
    const bits = emptyBits();
    const isAuthorised = await this.#options.authorisedHolders(blocks.flatMap(({ holder }) => holder ?? []));
    for (const { first, count, holder } of blocks) {
      const isSound = holder?.certificate === undefined || !isRevoked(holder.certificate);
      if (holder !== undefined && isAuthorised(holder) && isSound) continue;
      for (let index = first; index < first + count; index += 1) setBit(bits, index % LIST_SIZE);
    }
    return bits;
  }

  #listAt(number: number): DecidedList {
    const known = this.#lists.get(number);
    if (known !== undefined) return known;
    const made: DecidedList = {
      revoked: emptyBits(),
      unauthorised: emptyBits(),
      decidedAt: -Infinity,
      version: 0,
      signed: undefined,
    };
    this.#lists.set(number, made);
    return made;
  }

  async #sign(number: number, list: DecidedList): Promise<SignedList> {
    const { signer, issuer, listBaseUrl } = this.#options;
    const { version } = list;
    const signedAt = this.#now();
    const seconds = epochSeconds(new Date(signedAt));
    const bits = Buffer.from(list.unauthorised);
    addBits(bits, list.revoked);
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
    const signed = { jwt, etag, version, signedAt };
    // A later version may have been signed sooner.
    if (list.signed === undefined || list.signed.version <= version) list.signed = signed;
    return signed;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

function emptyBits(): Buffer {
  return Buffer.alloc(LIST_SIZE / 8);
}

/** True also outside the bits. */
function isSet(bits: Buffer, index: number): boolean {
  return ((bits[index >> 3] ?? 0xff) & (1 << (index & 7))) !== 0;
}

function setBit(bits: Buffer, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
}

/** Sets the bits of `more` too; true when one of them was not set. */
function addBits(bits: Buffer, more: Buffer): boolean {
  // As a rule: comparing them one by one takes 20 times as long.
  if (more.equals(bits.subarray(0, more.length))) return false;
  let isChanged = false;
  for (let at = 0; at < more.length && at < bits.length; at += 1) {
    const [before = 0, added = 0] = [bits[at], more[at]];
    if ((before | added) === before) continue;
    bits[at] = before | added;
    isChanged = true;
  }
  return isChanged;
}

/** Serves the list whose number is the end of the path (draft-ietf-oauth-status-list §8), with an ETag. No list is secret. */
export function serveStatusLists(lists: Pick<StatusLists, 'current'>): Middleware {
  return async (ctx) => {
    const list = await lists.current(Number(ctx.path.slice(ctx.path.lastIndexOf('/') + 1)));
    if (list === undefined) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    const { jwt, etag } = list;
    ctx.type = 'application/statuslist+jwt';
    ctx.set('cache-control', 'no-cache');
    ctx.set('etag', etag);
    ctx.body = jwt;
    ctx.status = 200;
    if (ctx.fresh) ctx.status = 304;
  };
}
