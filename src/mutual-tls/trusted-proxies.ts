import { BlockList, isIP, type Socket } from 'node:net';
import { addAddressRange } from './address-ranges.ts';
import { findSocketCertificate } from './socket-certificate.ts';

/** Distinguishes the connections of our own proxies from all others. */
export class TrustedProxies {
  readonly #addresses = new BlockList();
  readonly #pins: ReadonlySet<string> | undefined;
  readonly #decided = new WeakMap<Socket, boolean>();

  /**
   * @param addresses addresses and CIDR ranges from which the proxies connect, such as `10.0.0.0/28` or `::1`
   * @param certificates SHA-256 thumbprints (hexadecimal, colons allowed) of the certificates that the proxies present
   * @throws TypeError for an empty list, a bad address or thumbprint, or a range of all addresses without a pinned
   * certificate
   */
  constructor(addresses: readonly string[], certificates: readonly string[] | undefined) {
    this.#pins = certificates && new Set(certificates.map(thumbprintOf));
    if (addresses.length === 0) throw new TypeError('trustedProxies must name at least one address');
    if (this.#pins?.size === 0) throw new TypeError('proxyCertificates must name at least one certificate');
    for (const text of addresses) {
      if (/\/0+$/.test(text) && this.#pins === undefined) {
        throw new TypeError(`trustedProxies must not be everybody (${text}) without proxyCertificates`);
      }
      addAddressRange(this.#addresses, text, 'trustedProxies');
    }
  }

  /** Decided once for a connection: by its address, never by a header, and by its certificate if one is pinned. */
  isTrusted(socket: Socket): boolean {
    const known = this.#decided.get(socket);
    if (known !== undefined) return known;
    const verdict = this.#decide(socket);
    this.#decided.set(socket, verdict);
    return verdict;
  }

  #decide(socket: Socket): boolean {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return false;
    const family = isIP(remoteAddress) === 6 ? 'ipv6' : 'ipv4';
    if (!this.#addresses.check(remoteAddress, family)) return false;
    return this.#pins === undefined || this.#pins.has(findSocketCertificate(socket)?.thumbprint ?? '');
  }
}

function thumbprintOf(text: string): string {
  const hex = text.replaceAll(':', '');
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new TypeError('proxyCertificates must hold SHA-256 thumbprints of 64 hexadecimal digits');
  }
  return Buffer.from(hex, 'hex').toString('base64url');
}
