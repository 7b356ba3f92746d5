import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { jwtVerify } from 'jose';
import { type Clock, epochSeconds } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import { createRefreshable, type Refreshable } from '../refreshable.ts';
import type { KeySource, StatusReference } from './access-token.ts';
import type { FetchDocument } from './issuer-keys.ts';

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
  /** @throws ERR_TOKEN_REVOKED, ERR_TOKEN_STATUS_UNAVAILABLE, ERR_TOKEN_INVALID */
  verifyLive(status: StatusReference): Promise<void>;
}

/** 8 million tokens. A list that inflates to more is refused, whatever it weighs on the wire. */
const MAX_LIST_BYTES = 1024 * 1024;
/** Lists kept at once; each holds 131,072 tokens of our own server. */
const MAX_LISTS = 64;
/** After a failure the issuer is left alone for this long. */
const COOL_DOWN_SECONDS = 1;

const inflated = promisify(inflate);

interface List {
  readonly bits: Buffer;
  readonly expiresAt: number;
}

/**
 * Keeps the issuer's token status lists (draft-ietf-oauth-status-list) fresh: one request at a time for a list,
 * none for a list younger than `maxAgeSeconds`. A list may come from the issuer's own origin only.
 */
export function tokenStatusLists(options: TokenStatusOptions): TokenStatusLists {
  const { clock, maxAgeSeconds, whenUnavailable } = options;
  const lists = new Map<string, Refreshable<List>>();
  const origin = new URL(options.issuer).origin;

  const listAt = (uri: string): Refreshable<List> => {
    const list =
      lists.get(uri) ??
      createRefreshable({ clock, coolDownSeconds: COOL_DOWN_SECONDS, read: () => readList(uri, options) });
    // The one that was asked for longest ago makes room.
    lists.delete(uri);
    lists.set(uri, list);
    const oldest = lists.keys().next().value;
    if (lists.size > MAX_LISTS && oldest !== undefined) lists.delete(oldest);
    return list;
  };

  const currentList = async (uri: string): Promise<List> => {
    const list = listAt(uri);
    try {
      return (await list.fresh(maxAgeSeconds)).value;
    } catch (cause) {
      const last = list.last?.value;
      const isSigned = last !== undefined && last.expiresAt > epochSeconds(clock.now());
      if (whenUnavailable === 'tolerate' && isSigned) return last;
      throw new OpenBankingError('ERR_TOKEN_STATUS_UNAVAILABLE', { statusList: uri }, { cause });
    }
  };

  return {
    async verifyLive({ uri, index }) {
      if (!URL.canParse(uri) || new URL(uri).origin !== origin) {
        throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'the status list is not of the issuer' });
      }
      const { bits } = await currentList(uri);
      const byte = bits[index >> 3];
      if (byte === undefined) {
        throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'the status index is outside its list' });
      }
      if ((byte & (1 << (index & 7))) !== 0) {
        throw new OpenBankingError('ERR_TOKEN_REVOKED', { statusList: uri });
      }
    },
  };
}

async function readList(uri: string, options: TokenStatusOptions): Promise<List> {
  const text = (await options.fetchDocument(uri)).toString('utf8');
  const { payload } = await jwtVerify(text, options.keys, {
    algorithms: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
    typ: 'statuslist+jwt',
    issuer: options.issuer,
    subject: uri,
    currentDate: options.clock.now(),
    clockTolerance: 10,
    requiredClaims: ['exp', 'iat'],
  });
  const list = payload.status_list;
  if (typeof list !== 'object' || list === null || !('lst' in list) || typeof list.lst !== 'string') {
    throw new Error('status_list is malformed');
  }
  if (!('bits' in list) || list.bits !== 1) throw new Error('only one bit a token is understood');
  const bits = await inflated(Buffer.from(list.lst, 'base64url'), { maxOutputLength: MAX_LIST_BYTES });
  return { bits, expiresAt: payload.exp ?? epochSeconds(options.clock.now()) };
}
