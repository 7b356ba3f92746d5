import { indexCrl } from '../../../src/x509/crl/crl.ts';
import {
  authorityKeyId,
  ecdsaSigner,
  extension,
  keyIdOf,
  type Party,
  type Signer,
} from '../certificate-factory.ts';
import * as der from '../der-writer.ts';

export const THIS_UPDATE = new Date('2026-06-15T00:00:00Z');
export const NEXT_UPDATE = new Date('2026-06-16T00:00:00Z');
export const REVOKED_AT = new Date('2026-05-01T10:20:30Z');

/** An entry; `serial` in hexadecimal octets, as a certificate has it. */
export interface EntryOptions {
  readonly serial: string;
  readonly reason?: number;
  readonly revokedAt?: Date;
  readonly extra?: readonly Buffer[];
}

export const reasonCode = (reason: number): Buffer =>
  extension('2.5.29.21', der.tlv(0x0a, Buffer.from([reason])));
export const invalidityDate = (text: string): Buffer =>
  extension('2.5.29.24', der.tlv(0x18, Buffer.from(text)));

export function entry({ serial, reason, revokedAt = REVOKED_AT, extra = [] }: EntryOptions): Buffer {
  const extensions = [...(reason === undefined ? [] : [reasonCode(reason)]), ...extra];
  return der.sequence(
    der.integer(BigInt(`0x${serial}`)),
    der.time(revokedAt),
    ...(extensions.length === 0 ? [] : [der.sequence(...extensions)]),
  );
}

export const crlNumber = (number: number): Buffer => extension('2.5.29.20', der.integer(number));
/** The two extensions that every list has. */
export const keyAndNumber = (issuer: Pick<Party, 'keys'>, number: number): Buffer[] => [
  authorityKeyId(keyIdOf(issuer.keys.publicKey)),
  crlNumber(number),
];
export const deltaIndicator = (base: number): Buffer => extension('2.5.29.27', der.integer(base), true);
export const freshest = (...points: readonly Buffer[]): Buffer =>
  extension('2.5.29.46', der.sequence(...points));
export const distributionPoints = (...points: readonly Buffer[]): Buffer =>
  extension('2.5.29.31', der.sequence(...points));

/** The parts of a distribution point, of a certificate or of a list. */
export const point = {
  fullName: (...names: readonly Buffer[]): Buffer => der.context(0, der.context(0, ...names)),
  relativeName: (...attributes: readonly Buffer[]): Buffer => der.context(0, der.context(1, ...attributes)),
  reasons: (...bits: readonly number[]): Buffer => der.field(1, der.namedBits(...bits).subarray(2)),
  crlIssuer: (...names: readonly Buffer[]): Buffer => der.context(2, ...names),
  onlyUser: der.field(1, Buffer.from([0xff])),
  onlyCa: der.field(2, Buffer.from([0xff])),
  onlySomeReasons: (...bits: readonly number[]): Buffer => der.field(3, der.namedBits(...bits).subarray(2)),
  indirect: der.field(4, Buffer.from([0xff])),
  onlyAttribute: der.field(5, Buffer.from([0xff])),
};
export const issuingPoint = (...parts: readonly Buffer[]): Buffer =>
  extension('2.5.29.28', der.sequence(...parts), true);

/** Everything about a list that a test may want to say otherwise. */
export interface CrlFactoryOptions {
  readonly issuer: Pick<Party, 'keys' | 'name'>;
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date | undefined;
  /** DER of each; an empty list leaves the field out. */
  readonly entries?: readonly Buffer[];
  /** Whole list; absent: authorityKeyIdentifier and number 1. */
  readonly extensions?: readonly Buffer[];
  readonly signer?: Signer;
  /** Raw fields, in place of the right ones. */
  readonly raw?: {
    readonly version?: Buffer;
    readonly issuer?: Buffer;
    readonly thisUpdate?: Buffer;
    readonly nextUpdate?: Buffer;
    readonly entries?: Buffer;
    readonly extensions?: Buffer;
    readonly after?: Buffer;
    readonly outerAlgorithm?: Buffer;
    readonly signature?: (right: Buffer) => Buffer;
    readonly afterSignature?: Buffer;
  };
}

const none = Buffer.alloc(0);

/** The DER of a CRL, good unless the options say otherwise. */
export function writeCrl(options: CrlFactoryOptions): Buffer {
  const { issuer, raw = {}, entries = [], signer = ecdsaSigner() } = options;
  const nextUpdate = 'nextUpdate' in options ? options.nextUpdate : NEXT_UPDATE;
  const extensions = options.extensions ?? keyAndNumber(issuer, 1);
  const tbs = der.sequence(
    raw.version ?? der.integer(1),
    signer.algorithm,
    raw.issuer ?? issuer.name,
    raw.thisUpdate ?? der.time(options.thisUpdate ?? THIS_UPDATE),
    raw.nextUpdate ?? (nextUpdate === undefined ? none : der.time(nextUpdate)),
    raw.entries ?? (entries.length === 0 ? none : der.sequence(...entries)),
    raw.extensions ?? (extensions.length === 0 ? none : der.context(0, der.sequence(...extensions))),
    raw.after ?? none,
  );
  const signature = der.bitString(signer.sign(tbs, issuer.keys.privateKey));
  return der.sequence(
    tbs,
    raw.outerAlgorithm ?? signer.algorithm,
    raw.signature?.(signature) ?? signature,
    raw.afterSignature ?? none,
  );
}

export const crl = (options: CrlFactoryOptions) => indexCrl(writeCrl(options));
