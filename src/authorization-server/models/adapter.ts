import type { Adapter, AdapterPayload } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';
import type { ClaimsReader } from './claims-reader.ts';
import { keyedHash } from './keyed-hash.ts';
import { errors, Provider } from '../provider-internals.ts';
import { createSeals, hkdf, type Seals } from './payload-seals.ts';
import { createReadAhead, type ReadAhead } from './read-ahead.ts';
import type { ReplayedGrants } from './replayed-grants.ts';

export interface AdapterOptions {
  readonly store: Store;
  /** Keys the hashes of identifiers and the seals of payloads; 32 bytes. */
  readonly secret: Buffer;
  readonly clock: Clock;
  /** Called before the tokens of a grant are removed: JWTs are not in the store and must die too. */
  readonly onGrantRevoked: (grantId: string, as: 'replayed' | 'ended') => Promise<void>;
  readonly replayed: ReplayedGrants;
  /** Told of a search for a code or a refresh token, and of what was found, so that it can read what comes next. */
  readonly reader?: Pick<ClaimsReader, 'onSearch' | 'onRefresh'>;
}

/**
 * Records are kept this much longer than the provider asks where it reads them after their end, to tell
 * "expired" or "used" from "unknown". A pushed request is marked as used only when its flow ends, which may be
 * a whole interaction after the request itself has expired.
 */
const KEPT_LONGER_SECONDS: Readonly<Record<string, number>> = {
  AuthorizationCode: 60,
  RefreshToken: 60,
  Grant: 60,
  BackchannelAuthenticationRequest: 60,
  PushedAuthorizationRequest: 20 * 60,
};
/** What says which client may do what until when, and nothing of a customer. A payload with more is sealed. */
const PUBLIC: ReadonlySet<string> = new Set('kind iat exp clientId scope aud extra x5t#S256 jkt'.split(' '));
/** How long nothing may be written under a revoked grant: longer than any request takes. */
const TOMBSTONE_SECONDS = 24 * 3600;
/**
 * Payload members by which records are found or deleted: those that the provider looks up, `grantId` of everything
 * that ends with its grant, and of the grant itself what an operator asks for.
 */
const INDEXED: Readonly<Record<string, readonly (keyof AdapterPayload & string)[]>> = {
  Session: ['uid'],
  Grant: ['clientId', 'accountId'],
  AccessToken: ['grantId'],
  AuthorizationCode: ['grantId'],
  RefreshToken: ['grantId'],
  DeviceCode: ['grantId', 'userCode'],
  BackchannelAuthenticationRequest: ['grantId'],
  PreAuthorizedCode: ['grantId'],
};
/** What a client brings to the token endpoint. */
const BROUGHT: ReadonlySet<string> = new Set(['AuthorizationCode', 'RefreshToken']);
/** What ends with its grant. */
const GRANTED = Object.keys(INDEXED).filter((model) => INDEXED[model]?.includes('grantId'));

/** An adapter of the provider's, and one thing more. */
export interface ModelAdapter extends Adapter {
  /** Reads a record now, and for the next time that the provider asks for it in the request of this context. */
  readFirst(ctx: object, id: string): Promise<AdapterPayload | undefined>;
}

/**
 * Storage for the provider's models (their list: oidc-provider's `Adapter`). Identifiers, which are the opaque
 * tokens themselves, are stored as keyed hashes only; payloads are sealed, since they hold identifiers too, or stamped
 * where nothing is secret but the token.
 */
export function createAdapterFactory(options: AdapterOptions): (model: string) => ModelAdapter {
  const hash = hasherOf(options.secret);
  const seals = createSeals(options.secret);
  const ahead = createReadAhead(options.store);
  const markEnded = endMarker(options);
  const adapters = (model: string) =>
    adapterOf(model, options, { hash, ...seals, ahead, markEnded, endGrant });
  const endGrant = async (grantId: string): Promise<void> => {
    await Promise.all([
      ...GRANTED.map((model) => adapters(model).revokeByGrantId(grantId)),
      adapters('Grant').destroy(grantId),
    ]);
  };
  return adapters;
}

/**
 * What comes before anything of a grant is removed, once for all that is removed together: a revocation that breaks
 * off leaves the token by which it can be repeated (RFC 7009 §2.2.1).
 */
function endMarker({ onGrantRevoked, replayed }: AdapterOptions): (grantId: string) => Promise<void> {
  const marking = new SingleFlight<void>();
  const mark = async (grantId: string) => {
    // At the token endpoint a grant ends for one reason only.
    const isReplayed = Provider.ctx?.oidc.route === 'token';
    await Promise.all([
      isReplayed ? replayed.note(grantId) : undefined,
      onGrantRevoked(grantId, isReplayed ? 'replayed' : 'ended'),
    ]);
  };
  return (grantId) => marking.run(() => mark(grantId), grantId);
}

/**
 * Replaces the provider's `ReplayDetection.unique`, which looks and then writes: here exactly one of any number
 * of callers is told that the `jti` is new. The parts are separated, so that ("ab", "c") is not ("a", "bc").
 */
export function replayDetectionUnique(options: Pick<AdapterOptions, 'store' | 'secret'>) {
  const hash = hasherOf(options.secret);
  return (issuer: string, jti: string, exp: number): Promise<boolean> =>
    options.store.putIfAbsent('ReplayDetection', hash('ReplayDetection', JSON.stringify([issuer, jti])), {
      value: null,
      expiresAt: new Date(exp * 1000),
    });
}

type Hash = (kind: string, id: string) => string;

interface Parts extends Seals {
  readonly hash: Hash;
  readonly ahead: ReadAhead;
  /** Whatever the grant gave is dead from now on. */
  readonly markEnded: (grantId: string) => Promise<void>;
  /** Removes a grant and all that it gave. */
  readonly endGrant: (grantId: string) => Promise<void>;
}

function adapterOf(model: string, options: AdapterOptions, parts: Parts): ModelAdapter {
  const { store, clock, replayed, reader } = options;
  const { hash, unseal, ahead } = parts;
  const idOf = (id: string) => hash(model, id);
  /** Written once, under an identifier that nothing has, and of no customer. */
  const isClientsOwn = model === 'ClientCredentials';
  const protectedValue = (key: string, payload: AdapterPayload): string => {
    const { jti, ...rest } = payload;
    const isPublic = isClientsOwn && Object.keys(rest).every((name) => PUBLIC.has(name));
    return isPublic ? parts.stamp(rest, `${model}\0${key}`) : parts.seal(payload, `${model}\0${key}`);
  };
  const payloadOf = (record: StoredRecord | undefined, id?: string): AdapterPayload | undefined =>
    record === undefined
      ? undefined
      : {
          // A stamped one is stored without it.
          ...(isClientsOwn ? { jti: id } : {}),
          ...(unseal(record.value, `${model}\0${record.id}`) as AdapterPayload),
          ...(record.consumedAt === undefined ? {} : { consumed: epochSeconds(record.consumedAt) }),
        };
  /** Who sees the mark of an earlier use is told by the provider; who saw none, and comes second, here. */
  const endIfUsed = async (id: string) => {
    const payload = payloadOf(await store.find(model, idOf(id)));
    if (payload?.consumed !== undefined && payload.grantId !== undefined)
      await parts.endGrant(payload.grantId);
  };
  const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

  return {
    async upsert(id, payload, expiresIn) {
      const key = idOf(id);
      // The mark of use is the store's; a copy in the payload could bring it back after a rewrite.
      const { consumed, ...rest } = payload;
      ahead.forget(model, key);
      const record = {
        value: protectedValue(key, rest),
        indexes: indexesOf(model, payload, hash),
        ...(expiresIn === undefined
          ? {}
          : { expiresAt: inSeconds(expiresIn + (KEPT_LONGER_SECONDS[model] ?? 0)) }),
      };
      try {
        // A store has less to do where nothing can be replaced.
        if (!isClientsOwn) await store.put(model, key, record);
        else if (!(await store.putIfAbsent(model, key, record))) throw new Error(`a ${model} has this id`);
      } catch (error) {
        if (!isRefusal(error, 'ERR_STORAGE_REVOKED')) throw error;
        // Not stored, and so dead; but the first use of the code succeeds.
        if (payload.grantId !== undefined && (await replayed.has(payload.grantId))) return;
        throw new errors.InvalidGrant('the grant has been revoked');
      }
    },

    async find(id) {
      const { ctx } = Provider;
      if (ctx !== undefined && BROUGHT.has(model)) reader?.onSearch(ctx);
      const payload = payloadOf(await ahead.find(model, idOf(id)), id);
      if (ctx !== undefined && payload !== undefined && model === 'RefreshToken')
        reader?.onRefresh(ctx, payload);
      return payload;
    },
    readFirst: async (ctx, id) => payloadOf(await ahead.begin(ctx, model, idOf(id)), id),
    findByUid: async (uid) => payloadOf(await store.findByIndex(model, 'uid', hash('uid', uid))),
    findByUserCode: async (userCode) =>
      payloadOf(await store.findByIndex(model, 'userCode', hash('userCode', userCode))),

    async consume(id) {
      ahead.forget(model, idOf(id));
      // The provider ignores the answer of this hook, so that only a throw stops the second caller.
      if (await store.consume(model, idOf(id))) return;
      if (model === 'PushedAuthorizationRequest') {
        throw new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
      }
      // A second use, though at the same moment: RFC 6749 §4.1.2, RFC 9700 §4.14.2.
      await endIfUsed(id);
      throw new errors.InvalidGrant(`${model} already consumed`);
    },

    async destroy(id) {
      ahead.forget(model, idOf(id));
      if (model === 'Grant') await parts.markEnded(id);
      if (isEndedWithItsGrant(model)) return;
      await store.delete(model, idOf(id));
    },

    async revokeByGrantId(grantId) {
      await parts.markEnded(grantId);
      await store.deleteByIndex(model, 'grantId', hash('grantId', grantId), inSeconds(TOMBSTONE_SECONDS));
    },
  };
}

/**
 * Where the provider destroys one of these it then ends the grant, which removes it too, but only when all is marked.
 * Until then it must be found again.
 */
function isEndedWithItsGrant(model: string): boolean {
  const route = Provider.ctx?.oidc.route;
  return (
    (model === 'AccessToken' || model === 'RefreshToken') && (route === 'revocation' || route === 'token')
  );
}

function indexesOf(model: string, payload: AdapterPayload, hash: Hash): Record<string, string> {
  return Object.fromEntries(
    (INDEXED[model] ?? []).flatMap((name) => {
      const value = payload[name];
      return typeof value === 'string' ? [[name, hash(name, value)]] : [];
    }),
  );
}

function hasherOf(secret: Buffer): Hash {
  const hash = keyedHash(hkdf(secret, '', 'tallystick identifiers'));
  return (kind, id) => hash(`${kind}\0${id}`);
}
