import { DerError, DerReader, decodeBoolean, decodeOid, readAll, TAG } from '../der/der.ts';
import { decodeEpochSeconds } from '../der/der-time.ts';
import { isTolerated } from '../der/tolerances.ts';
import { readGeneralNames } from '../certificate/general-name.ts';
import { findRevocationReason } from '../certificate/revocation-status.ts';

/** Last octet of the identifiers of entry extensions under 2.5.29 (RFC 5280 §5.3). */
const ENTRY_EXTENSION = { reasonCode: 21, invalidityDate: 24, certificateIssuer: 29 };
/** SEQUENCE, INTEGER of one octet, UTCTime. */
const MIN_ENTRY_BYTES = 20;

/**
 * Walks over revokedCertificates and proves each entry to be well-formed DER, without making objects, since there may
 * be a million.
 *
 *     SEQUENCE OF SEQUENCE { userCertificate INTEGER, revocationDate Time, crlEntryExtensions Extensions OPTIONAL }
 *
 * @throws DerError from `next`
 * @see RFC 5280 §5.1.2.6, §5.3
 */
export class CrlEntries {
  readonly bytes: Buffer;
  readonly #mayHaveExtensions: boolean;
  #offset = 0;
  /** The place of the serial number: a magnitude without leading zeros. */
  serialStart = 0;
  serialLength = 0;
  revokedAtSeconds = 0;
  /** Number of the CRLReason. */
  reason = 0;
  /** Entries so far. */
  count = 0;
  /** A fault of an entry so far that forbids the use of the whole list. */
  problem: string | undefined;

  /** `version`: entry extensions came with version 2. */
  constructor(bytes: Buffer, version: 1 | 2) {
    this.bytes = bytes;
    this.#mayHaveExtensions = version === 2;
  }

  /** No list of this length holds more. */
  get maximumCount(): number {
    return Math.floor(this.bytes.length / MIN_ENTRY_BYTES);
  }

  /** Moves to the next entry; false when there is none. */
  next(): boolean {
    if (this.#offset >= this.bytes.length) return false;
    const end = this.#enter(TAG.sequence, this.bytes.length);
    this.#readSerial(end);
    this.#readDate(end);
    this.reason = 0;
    if (this.#offset < end) this.#readExtensions(end);
    this.count += 1;
    return true;
  }

  /** Steps into an element and returns where it ends; DerReader does the same for one element at a time. */
  #enter(tag: number, limit: number): number {
    const bytes = this.bytes;
    const start = this.#offset;
    if (bytes[start] !== tag || start + 2 > limit)
      throw new DerError('CRL entry has another field than expected');
    const first = bytes[start + 1] ?? 0;
    if (first < 0x80) {
      this.#offset = start + 2;
      if (start + 2 + first > limit) throw new DerError('CRL entry is cut off');
      return start + 2 + first;
    }
    // The long form is rare: DerReader checks it.
    const { content, raw } = new DerReader(bytes.subarray(start, limit)).element(tag);
    this.#offset = start + raw.length - content.length;
    return start + raw.length;
  }

  #readSerial(limit: number): void {
    const end = this.#enter(TAG.integer, limit);
    const bytes = this.bytes;
    let start = this.#offset;
    const length = end - start;
    const first = bytes[start] ?? 0;
    const second = bytes[start + 1] ?? 0;
    if (length === 0) throw new DerError('INTEGER is empty');
    if (length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DerError('INTEGER is not minimal');
    }
    if (first === 0) start += 1;
    this.serialStart = start;
    // A certificate with a serial number below one is refused when it is read.
    this.serialLength = first >= 0x80 ? Number.MAX_SAFE_INTEGER : end - start;
    this.#offset = end;
  }

  #readDate(limit: number): void {
    const start = this.#offset;
    const end = start + (this.bytes[start] === TAG.utcTime ? 15 : 17);
    if (end > limit) throw new DerError('CRL entry is cut off');
    this.revokedAtSeconds = decodeEpochSeconds(this.bytes, start);
    this.#offset = end;
  }

  #readExtensions(limit: number): void {
    if (!this.#mayHaveExtensions) throw new DerError('entry extensions in version 1');
    const end = this.#enter(TAG.sequence, limit);
    if (end !== limit) throw new DerError('bytes follow the entry extensions');
    if (this.#offset === end) throw new DerError('entry extensions are empty');
    // Bits of the known ones; the others, which hardly any list has, go by their names.
    let known = 0;
    let others: Set<string> | undefined;
    while (this.#offset < end) {
      const number = this.#readExtension(end);
      if (typeof number === 'string') {
        others ??= new Set();
        if (others.has(number)) throw new DerError(`entry extension ${number} occurs twice`);
        others.add(number);
        continue;
      }
      if ((known & (1 << number)) !== 0) throw new DerError(`entry extension 2.5.29.${number} occurs twice`);
      known |= 1 << number;
    }
  }

  /** The last octet of a known identifier, the whole identifier of any other. */
  #readExtension(limit: number): number | string {
    const bytes = this.bytes;
    const end = this.#enter(TAG.sequence, limit);
    const oidEnd = this.#enter(TAG.oid, end);
    const oidStart = this.#offset;
    this.#offset = oidEnd;
    const isCritical = this.#readCritical(end);
    if (this.#enter(TAG.octetString, end) !== end) throw new DerError('bytes follow the entry extension');
    const number =
      oidEnd - oidStart === 3 && bytes[oidStart] === 0x55 && bytes[oidStart + 1] === 0x1d
        ? (bytes[oidStart + 2] ?? 0)
        : 0;
    const isKnown = this.#readValue(number, end);
    this.#offset = end;
    if (isKnown) return number;
    const oid = decodeOid(bytes.subarray(oidStart, oidEnd));
    if (isCritical) this.problem = `an entry has the critical extension ${oid}, which is not understood`;
    return oid;
  }

  #readCritical(limit: number): boolean {
    if (this.bytes[this.#offset] !== TAG.boolean || this.#offset >= limit) return false;
    const end = this.#enter(TAG.boolean, limit);
    const isCritical = decodeBoolean(this.bytes.subarray(this.#offset, end));
    if (!isCritical && !isTolerated('written-default', 'CRL')) {
      throw new DerError('critical is neither left out nor TRUE');
    }
    this.#offset = end;
    return isCritical;
  }

  #readValue(number: number, end: number): boolean {
    switch (number) {
      case ENTRY_EXTENSION.reasonCode:
        this.#readReason(end);
        return true;
      case ENTRY_EXTENSION.invalidityDate:
        if (!isTolerated('invalidity-date', 'CRL')) decodeEpochSeconds(this.bytes, this.#offset);
        return true;
      case ENTRY_EXTENSION.certificateIssuer:
        readAll(this.bytes.subarray(this.#offset, end), readGeneralNames);
        this.problem = 'an entry names another certificate issuer: indirect lists are not supported';
        return true;
      default:
        return false;
    }
  }

  /** CRLReason ::= ENUMERATED, one octet for all that there are. */
  #readReason(end: number): void {
    const start = this.#offset;
    const reason = this.bytes[start + 2] ?? 0;
    const isOneOctet =
      end - start === 3 && this.bytes[start] === TAG.enumerated && this.bytes[start + 1] === 1;
    if (!isOneOctet || findRevocationReason(reason) === undefined) {
      throw new DerError('CRLReason is none of RFC 5280 §5.3.1');
    }
    this.reason = reason;
  }
}
