import type { Context } from 'koa';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';
import { errors, Provider } from '../provider-internals.ts';
import type { GrantEnd } from '../token-status/revoked-grants.ts';
import { GRANTED_MODELS, type GrantRevocation } from './grant-revocation.ts';
import type { RecordLimits } from './record-limits.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';

export interface AdapterOptions {
  readonly store: Store;
  /** Keys the hashes of identifiers and the encryption of payloads; 32 bytes. */
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly grants: GrantRevocation;
  readonly limits: RecordLimits;
}

/**
 * Records are kept this much longer than the provider asks where the provider reads them after their end, to distinguish
 * "expired" or "used" from "unknown". A pushed request is consumed only when its flow ends, which may be two prompts of 15
 * minutes after the request itself has expired. A record that is gone by then could not stop a second flow.
 */
const KEPT_LONGER_SECONDS: Readonly<Record<string, number>> = {
  AuthorizationCode: 60,
  RefreshToken: 60,
  Grant: 60,
  BackchannelAuthenticationRequest: 300,
  PushedAuthorizationRequest: 35 * 60,
};
/**
 * Models whose record is gone once it is used. The provider ends the grant when it finds a used record, as a stolen code demands. An
 * `auth_req_id` never passes a browser and only its own client can send it: a second use is a poll that crossed a ping.
 */
const GONE_WHEN_USED: ReadonlySet<string> = new Set(['BackchannelAuthenticationRequest']);
/** Members that hold nothing of a customer, and no secret. A payload with any other is encrypted. */
const PUBLIC: ReadonlySet<string> = new Set('kind iat exp clientId scope aud extra x5t#S256 jkt'.split(' '));
/** The provider makes identifiers of at most 43 of these characters. A caller may send anything for one. */
const IDENTIFIER = /^[\w-]{1,64}$/;
/** A grant is named by its consent and a random part. No caller sends one. */
const GRANT_IDENTIFIER = /^[\w:.~-]{1,200}$/;
/** Payload members by which records are found, beside the `grantId` of `GRANTED_MODELS`. */
const INDEXED: Readonly<Record<string, readonly (keyof AdapterPayload & string)[]>> = {
  Session: ['uid'],
  // An operator asks for these.
  Grant: ['clientId', 'accountId'],
  DeviceCode: ['userCode'],
};

/** The records of one model. */
export interface ModelRecords extends Adapter {
  find(id: string): Promise<AdapterPayload | undefined>;
}

/**
 * Storage for the provider's models (their list: oidc-provider's `Adapter`). Identifiers, which are the opaque
 * tokens themselves, are stored as keyed hashes only; payloads are encrypted, since they hold identifiers too, or only
 * authenticated where nothing is secret but the token.
 */
export function createAdapterFactory(options: AdapterOptions): (model: string) => ModelRecords {
  const { secret } = options;
  const parts = { ...options, hash: identifierHash(secret), encryption: new PayloadEncryption(secret) };
  return (model) => new ModelAdapter(model, parts);
}

interface Parts extends AdapterOptions {
  readonly hash: (kind: string, id: string) => string;
  readonly encryption: PayloadEncryption;
}

class ModelAdapter implements ModelRecords {
  readonly #model: string;
  readonly #parts: Parts;
  /** A client's own token: written once, under a new identifier, and of no customer. */
  readonly #isClientsOwn: boolean;
  readonly #indexes: readonly (keyof AdapterPayload & string)[];

  constructor(model: string, parts: Parts) {
    this.#model = model;
    this.#parts = parts;
    this.#isClientsOwn = model === 'ClientCredentials';
    this.#indexes = [...(INDEXED[model] ?? []), ...(GRANTED_MODELS.has(model) ? ['grantId' as const] : [])];
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { store, clock, grants, limits } = this.#parts;
    await limits.count(this.#model);
    const key = this.#keyOf(id);
    // The store keeps the time of use. A copy in the payload would be read after a rewrite.
    const { consumed, ...rest } = payload;
    const seconds = expiresIn === undefined ? undefined : expiresIn + (KEPT_LONGER_SECONDS[this.#model] ?? 0);
    const record = {
      value: this.#protected(key, rest),
      indexes: this.#indexesOf(payload),
      ...(seconds === undefined ? {} : { expiresAt: new Date(clock.now().getTime() + seconds * 1000) }),
    };
    try {
      // A store has less to do where nothing can be replaced.
      if (!this.#isClientsOwn) await store.put(this.#model, key, record);
      else if (!(await store.putIfAbsent(this.#model, key, record))) {
        throw new Error(`a ${this.#model} has this id`);
      }
    } catch (error) {
      if (!isRefusal(error, 'ERR_STORAGE_REVOKED')) throw error;
      // The token is not stored, and so dead; but the first use of the code succeeds.
      if (payload.grantId !== undefined && (await grants.isReplayed(payload.grantId))) return;
      throw new errors.InvalidGrant('the grant has been revoked');
    }
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (!(this.#model === 'Grant' ? GRANT_IDENTIFIER : IDENTIFIER).test(id)) return undefined;
    const record = await this.#parts.store.find(this.#model, this.#keyOf(id));
    if (record?.consumedAt !== undefined && GONE_WHEN_USED.has(this.#model)) return undefined;
    return this.#payloadOf(record, id);
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#findByIndex('uid', uid);
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#findByIndex('userCode', userCode);
  }

  async consume(id: string): Promise<void> {
    // The provider ignores what this hook returns: only a throw stops the second caller.
    if (await this.#parts.store.consume(this.#model, this.#keyOf(id))) return;
    if (this.#model === 'PushedAuthorizationRequest') {
      throw new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
    }
    // The provider ends the grant when `find` returns a used code. Here two uses came at once, and this is the second.
    const payload = await this.find(id);
    if (payload?.consumed !== undefined && payload.grantId !== undefined) {
      await this.revokeByGrantId(payload.grantId);
    }
    throw new errors.InvalidGrant(`${this.#model} already consumed`);
  }

  async destroy(id: string): Promise<void> {
    if (this.#model === 'Grant') return this.revokeByGrantId(id);
    // The provider destroys a token of a grant only before it ends the grant, which removes the token too. Until then
    // the token is kept, so that a revocation that breaks off can be repeated.
    if (GRANTED_MODELS.has(this.#model) && (await this.find(id))?.grantId !== undefined) return;
    await this.#parts.store.delete(this.#model, this.#keyOf(id));
  }

  revokeByGrantId(grantId: string): Promise<void> {
    return this.#parts.grants.revoke(grantId, revocationReason());
  }

  async #findByIndex(name: string, value: string): Promise<AdapterPayload | undefined> {
    const { store, hash } = this.#parts;
    return this.#payloadOf(await store.findByIndex(this.#model, name, hash(name, value)));
  }

  #keyOf(id: string): string {
    return this.#parts.hash(this.#model, id);
  }

  #indexesOf(payload: AdapterPayload): Record<string, string> {
    return Object.fromEntries(
      this.#indexes.flatMap((name) => {
        const value = payload[name];
        return typeof value === 'string' ? [[name, this.#parts.hash(name, value)]] : [];
      }),
    );
  }

  #protected(key: string, payload: AdapterPayload): string {
    const { encryption } = this.#parts;
    const { jti, ...rest } = payload;
    const isPublic = this.#isClientsOwn && Object.keys(rest).every((name) => PUBLIC.has(name));
    const boundTo = `${this.#model}\0${key}`;
    return isPublic ? encryption.authenticate(rest, boundTo) : encryption.encrypt(payload, boundTo);
  }

  #payloadOf(record: StoredRecord | undefined, id?: string): AdapterPayload | undefined {
    if (record === undefined) return undefined;
    const boundTo = `${this.#model}\0${record.id}`;
    const payload = this.#parts.encryption.decrypt(record.value, boundTo) as AdapterPayload;
    return {
      // A payload that is only authenticated is stored without the token.
      ...(this.#isClientsOwn ? { jti: id } : {}),
      ...payload,
      ...(record.consumedAt === undefined ? {} : { consumed: epochSeconds(record.consumedAt) }),
    };
  }
}

/** A request for tokens (RFC 6749 §4) ends a grant for one reason only. */
function revocationReason(): GrantEnd {
  return Provider.ctx?.oidc.params?.grant_type === undefined ? 'ended' : 'replayed';
}

/**
 * Notes that this request has used up the `jti` of its assertion: the provider may verify the assertion once more in the
 * same request.
 */
export function noteVerifiedAssertion(ctx: Pick<Context, 'state'>, jti: string): void {
  ctx.state.verifiedAssertion = jti;
}

/** True once. */
function isVerifiedAssertion(ctx: Pick<Context, 'state'> | undefined, jti: string): boolean {
  if (ctx?.state.verifiedAssertion !== jti) return false;
  ctx.state.verifiedAssertion = undefined;
  return true;
}

/**
 * Replaces the provider's `ReplayDetection.unique`, which reads and then writes: this function returns true to exactly
 * one of any number of callers with the same `jti`. The parts are separated, so that ("ab", "c") is not ("a", "bc").
 */
export function replayDetectionUnique(options: Pick<AdapterOptions, 'store' | 'secret' | 'limits'>) {
  const hash = identifierHash(options.secret);
  return async (issuer: string, jti: string, exp: number): Promise<boolean> => {
    if (isVerifiedAssertion(Provider.ctx, jti)) return true;
    await options.limits.count('ReplayDetection');
    const id = hash('ReplayDetection', JSON.stringify([issuer, jti]));
    return options.store.putIfAbsent('ReplayDetection', id, { value: null, expiresAt: new Date(exp * 1000) });
  };
}
