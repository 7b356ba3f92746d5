import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { type Clock, systemClock } from '../../clock.ts';
import { Outbound } from '../../remote/outbound.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { Authorization } from '../token/access-token.ts';

export interface IssuerClientKeysOptions {
  /** `https://<mTLS host of the authorization server>/client-keys/`. */
  readonly endpoint: string;
  /** This API's own certificate, by which the authorization server knows it (`resourceServers`). */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** PEM of the CA of the issuer's TLS certificate, where it is not a public one. */
  readonly caPem?: string | undefined;
  /** How long the keys of a client are used before they are read again: 1 to 3600, default 60. */
  readonly maxAgeSeconds?: number;
  readonly clock?: Clock;
}

/** A source of the registered keys of clients. */
export interface IssuerClientKeys {
  keysOf(authorization: Authorization, keyId: string): Promise<JSONWebKeySet>;
  /** Closes the connections. */
  close(): Promise<void>;
}

const TIMEOUT_SECONDS = 3;
const MAX_BYTES = 64 * 1024;
/** More clients than a bank has in use at once. */
const MAX_CLIENTS = 10_000;
/** An unknown key makes us look again, but not more often than this. */
const UNKNOWN_KEY_SECONDS = 5;
const COOL_DOWN_SECONDS = 1;
const NONE: JSONWebKeySet = { keys: [] };

/**
 * Reads the keys of clients from our authorization server, where the bank has registered them, over mTLS. Old keys do
 * not serve while the server cannot be reached: a client may have replaced a stolen one.
 *
 * @throws TypeError for options that cannot work
 */
export function issuerClientKeys(options: IssuerClientKeysOptions): IssuerClientKeys {
  const { certificatePem, privateKeyPem, caPem, maxAgeSeconds = 60, clock = systemClock } = options;
  const { endpoint } = options;
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint) || !/^https:.*\/$/.test(endpoint)) {
    throw new TypeError('endpoint must be an https URL that ends with a slash');
  }
  if (!(maxAgeSeconds >= 1 && maxAgeSeconds <= 3600)) throw new TypeError('maxAgeSeconds must be 1 to 3600');
  const outbound = new Outbound({
    // The operator named the issuer, and it is often in the same private network.
    allowPrivateAddresses: true,
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: MAX_BYTES,
    clientCertificate: { certificatePem, privateKeyPem },
    caPem,
  });
  const known = new Map<string, Refreshable<JSONWebKeySet>>();
  const sourceOf = (clientId: string) => {
    const source =
      known.get(clientId) ??
      createRefreshable({
        clock,
        coolDownSeconds: COOL_DOWN_SECONDS,
        read: () => readKeys(outbound, `${endpoint}${encodeURIComponent(clientId)}`),
      });
    // The client in use last is the last to be forgotten.
    known.delete(clientId);
    known.set(clientId, source);
    const [oldest] = known.keys();
    if (known.size > MAX_CLIENTS && oldest !== undefined) known.delete(oldest);
    return source;
  };
  return {
    async keysOf({ clientId }, keyId) {
      const source = sourceOf(clientId);
      const { value } = await source.fresh(maxAgeSeconds);
      if (value.keys.some(({ kid }) => kid === keyId)) return value;
      return (await source.fresh(Math.min(UNKNOWN_KEY_SECONDS, maxAgeSeconds))).value;
    },
    close: () => outbound.close(),
  };
}

async function readKeys(outbound: Outbound, url: string): Promise<JSONWebKeySet> {
  const { status, body } = await outbound.fetchBytes(url);
  // The client has ended: none of its keys counts.
  if (status === 404) return NONE;
  if (status !== 200) throw new Error(`unexpected status ${status}`);
  const set: JSONWebKeySet = JSON.parse(body.toString('utf8'));
  // Throws for anything that is no key set.
  createLocalJWKSet(set);
  return set;
}
