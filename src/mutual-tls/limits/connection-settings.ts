import type { Log } from '../../events.ts';
import { descriptorLimit } from './descriptor-limit.ts';

/**
 * The longest honest first flight that was measured has 9 kB: three RSA-4096 certificates, a signature and a
 * post-quantum key share.
 */
export const DEFAULT_HANDSHAKE_BYTES = 12 * 1024;
/** Of one core: about 30 handshakes a second. With its burst an address uses about 5 % of a core in its first minute. */
const HANDSHAKE_PERCENT = 3;
/** The rest of the descriptors are for files, the store and requests to others. */
const DESCRIPTOR_SHARE = 0.75;
/** An idle TLS connection holds about 65 kB. */
const MOST_IN_ALL = 8192;
const PER_ADDRESS_SHARE = 0.25;
const PENDING_SHARE = 0.25;
const UNREAD_SECONDS = 30;
const REQUESTS_PER_CONNECTION = 10_000;

export interface ConnectionLimitOptions {
  /** Where refused and closed connections are logged. Default: nowhere. */
  readonly log?: Log;
  /**
   * Most bytes that a peer may send before its TLS handshake is complete; default 12,288. `unbounded` leaves the work
   * of a handshake to the peer.
   */
  readonly handshakeBytes?: number | 'unbounded' | undefined;
  /** Percent of one core that the handshakes of one address may use in the long run; default 3. */
  readonly handshakePercent?: number | undefined;
  /** Most connections at a time; default three quarters of the descriptors of this process, at most 8,192. */
  readonly inAll?: number | undefined;
  /** Most connections of one address at a time; default a quarter of `inAll`. */
  readonly perAddress?: number | undefined;
  /** Longest time, in seconds, that the peer takes no byte of an answer; default 30. */
  readonly unreadSeconds?: number | undefined;
  /** Most requests on one connection; its last answer closes it. Default 10,000. */
  readonly requestsPerConnection?: number | undefined;
  /** Addresses and CIDR ranges of proxies and of the bank's own networks: no limit by address counts for them. */
  readonly exemptAddresses?: readonly string[] | undefined;
}

export interface ConnectionSettings {
  readonly handshakeBytes: number;
  readonly handshakePercent: number;
  readonly inAll: number;
  readonly perAddress: number;
  readonly pendingInAll: number;
  readonly pendingPerAddress: number;
  readonly unreadSeconds: number;
  readonly requestsPerConnection: number;
}

export function connectionSettings(options: ConnectionLimitOptions): ConnectionSettings {
  const ofDescriptors = () => Math.min(MOST_IN_ALL, Math.floor(descriptorLimit() * DESCRIPTOR_SHARE));
  const inAll = options.inAll ?? ofDescriptors();
  const perAddress = options.perAddress ?? atLeastOne(inAll * PER_ADDRESS_SHARE);
  const { handshakeBytes = DEFAULT_HANDSHAKE_BYTES } = options;
  return Object.freeze({
    handshakeBytes: handshakeBytes === 'unbounded' ? Number.MAX_SAFE_INTEGER : handshakeBytes,
    handshakePercent: options.handshakePercent ?? HANDSHAKE_PERCENT,
    inAll,
    perAddress,
    pendingInAll: atLeastOne(inAll * PENDING_SHARE),
    pendingPerAddress: atLeastOne(perAddress * PENDING_SHARE),
    unreadSeconds: options.unreadSeconds ?? UNREAD_SECONDS,
    requestsPerConnection: options.requestsPerConnection ?? REQUESTS_PER_CONNECTION,
  });
}

const atLeastOne = (value: number) => Math.max(1, Math.floor(value));
