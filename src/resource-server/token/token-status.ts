import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { jwtVerify } from 'jose';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import { invalidToken, type StatusReference } from './access-token.ts';
import type { FetchDocument } from './issuer-documents.ts';
import { ALGORITHMS } from './compact-signature.ts';
import type { KeySource } from './issuer-keys.ts';

export interface TokenStatusOptions {
  readonly issuer: string;
  readonly keys: KeySource;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
  /**
   * Oldest list that may decide: how long a revoked token can live on here. With 0, a list decides that the issuer has
   * confirmed after the request has come.
   */
  readonly maxAgeSeconds: number;
  /** The treatment of a list that is older and cannot be fetched again. `tolerate` uses the last one while it is signed as valid. */
  readonly whenUnavailable: 'refuse' | 'tolerate';
}

/** 8 million tokens. A list that inflates to more is refused, whatever it weighs on the wire. */
const MAX_LIST_BYTES = 1024 * 1024;
/** Lists kept at once; each holds 131,072 tokens of our own server. */
const MAX_LISTS = 64;
/** After a failure the issuer is left alone for this long. */
const COOL_DOWN_SECONDS = 1;
/** A list without a reader for this long is no longer refreshed. */
const IDLE_SECONDS = 30;
const CLOCK_TOLERANCE_SECONDS = 10;

const inflated = promisify(inflate);

interface List {
  readonly bits: Buffer;
  readonly expiresAt: number;
  readonly etag: string | undefined;
}

interface KeptList {
  readonly list: Refreshable<List>;
  usedAt: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The issuer's token status lists (draft-ietf-oauth-status-list): one request at a time for a list, none for a list
 * younger than `maxAgeSeconds`. A list in use is read again before it is that old, so that requests do not wait, unless
 * that is 0. A list comes from the issuer's own origin only.
 */
export class TokenStatusLists {
  readonly #options: TokenStatusOptions;
  readonly #origin: string;
  /** The list that was needed longest ago comes first. */
  readonly #lists = new Map<string, KeptList>();
  #isClosed = false;

  constructor(options: TokenStatusOptions) {
    this.#options = options;
    this.#origin = new URL(options.issuer).origin;
  }

  /** True when a fresh list in memory has the token as valid. False proves nothing: call `verifyLive` then. */
  isKnownLive({ uri, index }: StatusReference): boolean {
    const kept = this.#lists.get(uri);
    const reading = kept?.list.last;
    if (kept === undefined || reading === undefined) return false;
    const now = this.#now();
    if (now - reading.readAt * 1000 >= this.#options.maxAgeSeconds * 1000) return false;
    kept.usedAt = now;
    return isRevoked(reading.value.bits, index) === false;
  }

  /** Until when the list in memory may decide, in milliseconds since the epoch. */
  freshUntil({ uri }: StatusReference): number {
    const readAt = this.#lists.get(uri)?.list.last?.readAt;
    return readAt === undefined ? 0 : (readAt + this.#options.maxAgeSeconds) * 1000;
  }

  /**
   * Proves that the token is valid by its list, which is read when there is no fresh one.
   *
   * @throws ERR_TOKEN_REVOKED, ERR_TOKEN_STATUS_UNAVAILABLE, ERR_TOKEN_INVALID
   */
  async verifyLive({ uri, index }: StatusReference): Promise<void> {
    if (!this.#lists.has(uri) && URL.parse(uri)?.origin !== this.#origin) {
      throw invalidToken('the status list is not of the issuer');
    }
    const kept = this.#listAt(uri);
    const { bits } = await currentList(uri, kept.list, this.#options);
    this.#keepFresh(uri, kept);
    const revoked = isRevoked(bits, index);
    if (revoked === undefined) throw invalidToken('the status index is outside its list');
    if (revoked) throw new OpenBankingError('ERR_TOKEN_REVOKED', { statusList: uri });
  }

  /** Stops keeping lists fresh. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#lists.values()) clearTimeout(timer);
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }

  #listAt(uri: string): KeptList {
    const known = this.#lists.get(uri);
    const kept = known ?? { list: remoteList(uri, this.#options), usedAt: 0, timer: undefined };
    kept.usedAt = this.#now();
    this.#lists.delete(uri);
    this.#lists.set(uri, kept);
    const [oldest] = this.#lists;
    if (this.#lists.size > MAX_LISTS && oldest !== undefined) {
      clearTimeout(oldest[1].timer);
      this.#lists.delete(oldest[0]);
    }
    return kept;
  }

  #keepFresh(uri: string, kept: KeptList): void {
    const { maxAgeSeconds } = this.#options;
    if (maxAgeSeconds === 0) return;
    if (this.#isClosed || kept.timer !== undefined || this.#lists.get(uri) !== kept) return;
    kept.timer = setTimeout(() => {
      kept.timer = undefined;
      if (this.#now() - kept.usedAt > IDLE_SECONDS * 1000) return;
      const again = () => this.#keepFresh(uri, kept);
      // A failure shows when a request needs the list.
      kept.list.fresh(maxAgeSeconds / 2).then(again, again);
    }, maxAgeSeconds * 500);
    kept.timer.unref();
  }
}

/** Undefined for an index outside the list. */
function isRevoked(bits: Buffer, index: number): boolean | undefined {
  const byte = bits[index >> 3];
  return byte === undefined ? undefined : (byte & (1 << (index & 7))) !== 0;
}

async function currentList(uri: string, list: Refreshable<List>, options: TokenStatusOptions): Promise<List> {
  try {
    return (await list.fresh(options.maxAgeSeconds)).value;
  } catch (cause) {
    const last = list.last?.value;
    const isSigned = last !== undefined && last.expiresAt > epochSeconds(options.clock.now());
    if (options.whenUnavailable === 'tolerate' && isSigned) return last;
    throw new OpenBankingError('ERR_TOKEN_STATUS_UNAVAILABLE', { statusList: uri }, { cause });
  }
}

function remoteList(uri: string, options: TokenStatusOptions): Refreshable<List> {
  const { clock } = options;
  const list: Refreshable<List> = createRefreshable({
    clock,
    coolDownSeconds: COOL_DOWN_SECONDS,
    read: () => readList(uri, list.last?.value, options),
  });
  return list;
}

async function readList(uri: string, last: List | undefined, options: TokenStatusOptions): Promise<List> {
  // An answer that nothing has changed holds only while the list that it is about is signed as valid.
  const isSigned = last !== undefined && last.expiresAt > epochSeconds(options.clock.now());
  const document = await options.fetchDocument(uri, isSigned ? last.etag : undefined);
  if (document === 'unchanged') {
    if (!isSigned) throw new Error('there is no list that could be unchanged');
    return last;
  }
  const { payload } = await jwtVerify(document.body.toString('utf8'), options.keys, {
    algorithms: [...ALGORITHMS],
    typ: 'statuslist+jwt',
    issuer: options.issuer,
    subject: uri,
    currentDate: options.clock.now(),
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp', 'iat'],
  });
  const list = payload.status_list;
  if (typeof list !== 'object' || list === null || !('lst' in list) || typeof list.lst !== 'string') {
    throw new Error('status_list is malformed');
  }
  if (!('bits' in list) || list.bits !== 1) throw new Error('only one bit a token is understood');
  const bits = await inflated(Buffer.from(list.lst, 'base64url'), { maxOutputLength: MAX_LIST_BYTES });
  return { bits, expiresAt: payload.exp ?? 0, etag: document.etag };
}
