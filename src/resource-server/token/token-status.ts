import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { jwtVerify } from 'jose';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { StatusReference } from './access-token.ts';
import type { FetchDocument } from './issuer-documents.ts';
import { ALGORITHMS } from './compact-signature.ts';
import type { KeySource } from './issuer-keys.ts';

export interface TokenStatusOptions {
  readonly issuer: string;
  readonly keys: KeySource;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
  /** Oldest list that may decide: how long a revoked token can live on here. */
  readonly maxAgeSeconds: number;
  /** What to do with a list that is older and cannot be had anew. `tolerate` uses the last one while it is signed as valid. */
  readonly whenUnavailable: 'refuse' | 'tolerate';
}

/** Tells whether tokens still live. */
export interface TokenStatusLists {
  /** True when a list that is fresh and at hand says that the token lives; false when it says or knows nothing such. */
  isKnownLive(status: StatusReference): boolean;
  /** Until when the list at hand may decide, in milliseconds since the epoch. */
  freshUntil(status: StatusReference): number;
  /** @throws ERR_TOKEN_REVOKED, ERR_TOKEN_STATUS_UNAVAILABLE, ERR_TOKEN_INVALID */
  verifyLive(status: StatusReference): Promise<void>;
  /** Stops keeping lists fresh. */
  close(): void;
}

/** 8 million tokens. A list that inflates to more is refused, whatever it weighs on the wire. */
const MAX_LIST_BYTES = 1024 * 1024;
/** Lists kept at once; each holds 131,072 tokens of our own server. */
const MAX_LISTS = 64;
/** After a failure the issuer is left alone for this long. */
const COOL_DOWN_SECONDS = 1;
/** A list that nobody has asked for this long is no longer kept fresh. */
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
 * Keeps the issuer's token status lists (draft-ietf-oauth-status-list) fresh: one request at a time for a list,
 * none for a list younger than `maxAgeSeconds`. A list that is in use is read anew before it is that old, so that
 * requests do not wait. A list may come from the issuer's own origin only.
 */
export function tokenStatusLists(options: TokenStatusOptions): TokenStatusLists {
  const { clock, maxAgeSeconds } = options;
  const lists = new Map<string, KeptList>();
  const origin = new URL(options.issuer).origin;
  let isClosed = false;

  const dropOldest = () => {
    const [oldest] = lists;
    if (lists.size <= MAX_LISTS || oldest === undefined) return;
    clearTimeout(oldest[1].timer);
    lists.delete(oldest[0]);
  };
  const listAt = (uri: string): KeptList => {
    const known = lists.get(uri);
    const kept = known ?? { list: remoteList(uri, options), usedAt: 0, timer: undefined };
    kept.usedAt = clock.now().getTime();
    // The one that was asked for longest ago makes room.
    lists.delete(uri);
    lists.set(uri, kept);
    dropOldest();
    return kept;
  };
  const keepFresh = (uri: string, kept: KeptList): void => {
    if (isClosed || kept.timer !== undefined || lists.get(uri) !== kept) return;
    kept.timer = setTimeout(() => {
      kept.timer = undefined;
      if (clock.now().getTime() - kept.usedAt > IDLE_SECONDS * 1000) return;
      const again = () => keepFresh(uri, kept);
      // A failure shows when a request needs the list: it is told there.
      kept.list.fresh(maxAgeSeconds / 2).then(again, again);
    }, maxAgeSeconds * 500);
    kept.timer.unref();
  };

  return {
    isKnownLive({ uri, index }) {
      const kept = lists.get(uri);
      const reading = kept?.list.last;
      if (kept === undefined || reading === undefined) return false;
      const now = clock.now().getTime();
      if (now - reading.readAt * 1000 >= maxAgeSeconds * 1000) return false;
      kept.usedAt = now;
      const byte = reading.value.bits[index >> 3];
      return byte !== undefined && (byte & (1 << (index & 7))) === 0;
    },

    freshUntil({ uri }) {
      const readAt = lists.get(uri)?.list.last?.readAt;
      return readAt === undefined ? 0 : (readAt + maxAgeSeconds) * 1000;
    },

    async verifyLive({ uri, index }) {
      if (!lists.has(uri) && URL.parse(uri)?.origin !== origin) {
        throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'the status list is not of the issuer' });
      }
      const kept = listAt(uri);
      const { bits } = await currentList(uri, kept.list, options);
      keepFresh(uri, kept);
      const byte = bits[index >> 3];
      if (byte === undefined) {
        throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'the status index is outside its list' });
      }
      if ((byte & (1 << (index & 7))) !== 0) {
        throw new OpenBankingError('ERR_TOKEN_REVOKED', { statusList: uri });
      }
    },

    close() {
      isClosed = true;
      for (const { timer } of lists.values()) clearTimeout(timer);
    },
  };
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
