import type { JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { isListed } from '../../remote/document-source.ts';
import { Outbound, type OutboundOptions } from '../../remote/outbound.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import { usableKeys } from '../profiles/client-rules.ts';
import { findProfile, type Profiles } from '../profiles/profiles.ts';
import { type KeySet, parseKeySet } from './key-set.ts';
import type { RegisteredClient } from './registered-client.ts';

export interface KeysByAddressOptions extends Pick<OutboundOptions, 'caPem' | 'proxy'> {
  /** `host` or `host:port` that may have private addresses. */
  readonly privateHosts: readonly string[];
  /** How old keys may be. */
  readonly maxAgeSeconds: number;
  /** How long keys stay good while their address does not answer. */
  readonly keptSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The public keys at one address. */
export interface AddressedKeys {
  /** Keys of at most the greatest age; the last good ones, or none, while the address does not answer. Never throws. */
  current(): Promise<readonly JWK[]>;
  /** Whether the address may be asked for a key that is not known: once in a while only. */
  readonly mayRenew: boolean;
  /** The keys, read now where that may be. Never throws. */
  renew(): Promise<readonly JWK[]>;
}

/** The certificates for TLS there (`x5t#S256`), by the same rules. */
export interface AddressedCertificates extends Pick<AddressedKeys, 'mayRenew'> {
  certificates(): Promise<readonly string[]>;
  renewedCertificates(): Promise<readonly string[]>;
}

const TIMEOUT_SECONDS = 3;
const MAX_BYTES = 65_536;
const MAX_ADDRESSES = 10_000;
/** Between two requests for keys that are not known, and after a failure. */
const COOL_DOWN_SECONDS = 30;
/** Requests to all addresses at once; a further one counts as a failure. */
const MAX_AT_ONCE = 256;

/**
 * Keys of clients at their `jwks_uri` (RFC 7591 §2). A set is read when the keys of a client are needed, and kept; many requests
 * cause one. An address that does not answer, or slowly, holds up its own client only. Redirects are not followed, and
 * addresses of private networks are not reached. A set with a private, symmetric or weak key is refused as a whole.
 */
export class KeysByAddress {
  readonly #options: KeysByAddressOptions;
  readonly #sets = new LRUCache<string, AddressedKeySet>({ max: MAX_ADDRESSES });
  readonly #public: Outbound;
  readonly #private: Outbound;
  #underWay = 0;

  constructor(options: KeysByAddressOptions) {
    this.#options = options;
    const { caPem, proxy } = options;
    const common = { caPem, proxy, timeoutSeconds: TIMEOUT_SECONDS, maxBytes: MAX_BYTES };
    this.#public = new Outbound(common);
    this.#private = new Outbound({ ...common, allowPrivateAddresses: true });
  }

  /** The keys at an address. Nothing is read before they are asked for. */
  at(address: string): AddressedKeys & AddressedCertificates {
    const known = this.#sets.get(address);
    if (known !== undefined) return known;
    const set = new AddressedKeySet(address, { ...this.#options, read: () => this.#read(address) });
    this.#sets.set(address, set);
    return set;
  }

  async close(): Promise<void> {
    await Promise.all([this.#public.close(), this.#private.close()]);
  }

  async #read(address: string): Promise<KeySet> {
    const host = URL.parse(address)?.host ?? '';
    if (this.#underWay >= MAX_AT_ONCE) {
      throw new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem: 'too many requests are under way' });
    }
    this.#underWay += 1;
    try {
      const client = isListed(address, this.#options.privateHosts) ? this.#private : this.#public;
      const headers = { accept: 'application/jwk-set+json, application/json' };
      const { status, body } = await client.fetchBytes(address, { headers, pool: address });
      if (status === 200) return parseKeySet(body, host);
      throw new OpenBankingError('ERR_OUTBOUND_ANSWER', {
        host,
        problem: `the answer has status ${status}`,
        status,
      });
    } finally {
      this.#underWay -= 1;
    }
  }
}

interface KeySetOptions
  extends Pick<KeysByAddressOptions, 'maxAgeSeconds' | 'keptSeconds' | 'clock' | 'log'> {
  readonly read: () => Promise<KeySet>;
}

const NONE: KeySet = Object.freeze({ keys: Object.freeze([]), certificates: Object.freeze([]) });

class AddressedKeySet implements AddressedKeys, AddressedCertificates {
  readonly #host: string;
  readonly #options: KeySetOptions;
  readonly #reading: Refreshable<KeySet>;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;

  constructor(address: string, options: KeySetOptions) {
    this.#host = URL.parse(address)?.host ?? '';
    this.#options = options;
    const { read, clock } = options;
    this.#reading = createRefreshable({ read, clock, coolDownSeconds: COOL_DOWN_SECONDS });
  }

  async current(): Promise<readonly JWK[]> {
    return (await this.#known()).keys;
  }

  async renew(): Promise<readonly JWK[]> {
    return (await this.#renewed()).keys;
  }

  async certificates(): Promise<readonly string[]> {
    return (await this.#known()).certificates;
  }

  async renewedCertificates(): Promise<readonly string[]> {
    return (await this.#renewed()).certificates;
  }

  get mayRenew(): boolean {
    return this.#now() - this.#renewedAt >= COOL_DOWN_SECONDS;
  }

  #known(): Promise<KeySet> {
    return this.#atMost(this.#options.maxAgeSeconds);
  }

  #renewed(): Promise<KeySet> {
    if (!this.mayRenew) return this.#known();
    this.#renewedAt = this.#now();
    return this.#atMost(0);
  }

  async #atMost(seconds: number): Promise<KeySet> {
    const { keptSeconds, log } = this.#options;
    try {
      const { value } = await this.#reading.fresh(seconds);
      this.#isFailing = false;
      return value;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (!this.#isFailing) log.emit('client.keys.not-renewed', { url: this.#host, error });
      this.#isFailing = true;
      const { last } = this.#reading;
      return last !== undefined && this.#now() - last.readAt < keptSeconds ? last.value : NONE;
    }
  }

  #now(): number {
    return this.#options.clock.now().getTime() / 1000;
  }
}

/** The keys at the address of a client that its profile allows; undefined for a client without an address. */
export function addressedKeys(
  client: RegisteredClient,
  { keysByAddress, profiles }: { readonly keysByAddress: KeysByAddress; readonly profiles: Profiles },
): AddressedKeys | undefined {
  const profile = findProfile(client, profiles);
  if (client.jwks_uri === undefined || profile === undefined) return undefined;
  const keys = keysByAddress.at(client.jwks_uri);
  let all: readonly JWK[] | undefined;
  let usable: readonly JWK[] = [];
  const allowed = (found: readonly JWK[]) => {
    if (found !== all) usable = usableKeys(profile, found);
    all = found;
    return usable;
  };
  return {
    current: async () => allowed(await keys.current()),
    renew: async () => allowed(await keys.renew()),
    get mayRenew() {
      return keys.mayRenew;
    },
  };
}
