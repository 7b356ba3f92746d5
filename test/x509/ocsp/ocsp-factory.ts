import { createHash } from 'node:crypto';
import { ecdsaSigner, extension, NOW, type Party, type Signer } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';

export const minutes = (count: number): Date => new Date(NOW.getTime() + count * 60_000);

/** GeneralizedTime; bytes are taken as they are. */
export const time = (at: Date | Buffer): Buffer =>
  Buffer.isBuffer(at) ? at : der.tlv(0x18, Buffer.from(at.toISOString().replace(/[-:T]|\.\d+/g, '')));
/** GeneralizedTime with these digits behind the second. */
export const timeWithFraction = (at: Date, fraction: string): Buffer =>
  der.tlv(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]|\.\d+Z/g, '')}${fraction}Z`));

export const STATUS = {
  good: der.field(0),
  unknown: der.field(2),
  revoked: (at: Date | Buffer, reason?: number): Buffer =>
    der.context(
      1,
      time(at),
      ...(reason === undefined ? [] : [der.context(0, der.tlv(0x0a, Buffer.from([reason])))]),
    ),
};

const HASHES: Readonly<Record<string, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  md5: '1.2.840.113549.2.5',
};

export interface CertIdOptions {
  readonly hash?: string;
  readonly name?: Buffer;
  readonly key?: Buffer;
  /** The whole INTEGER. */
  readonly serial?: Buffer;
}

export function certId(about: Party, issuer: Party, options: CertIdOptions = {}): Buffer {
  const { hash = 'sha1' } = options;
  const digest = (bytes: Buffer): Buffer => createHash(hash).update(bytes).digest();
  return der.sequence(
    der.sequence(der.oid(HASHES[hash] ?? ''), der.nothing),
    der.octetString(digest(options.name ?? issuer.name)),
    der.octetString(digest(options.key ?? issuer.certificate.publicKeyOctets)),
    options.serial ?? der.integer(BigInt(`0x${about.certificate.serialNumber}`)),
  );
}

export interface SingleOptions {
  readonly status?: Buffer;
  readonly thisUpdate?: Date | Buffer;
  /** `null`: left out. */
  readonly nextUpdate?: Date | Buffer | null;
  readonly extensions?: readonly Buffer[] | 'empty';
}

export function single(id: Buffer, options: SingleOptions = {}): Buffer {
  const { nextUpdate = minutes(60) } = options;
  return der.sequence(
    id,
    options.status ?? STATUS.good,
    time(options.thisUpdate ?? minutes(-5)),
    ...(nextUpdate === null ? [] : [der.context(0, time(nextUpdate))]),
    ...listOf(options.extensions),
  );
}

function listOf(extensions: readonly Buffer[] | 'empty' = []): Buffer[] {
  if (extensions === 'empty') return [der.context(1, der.sequence())];
  return extensions.length === 0 ? [] : [der.context(1, der.sequence(...extensions))];
}

export interface AnswerOptions {
  readonly singles: readonly Buffer[];
  readonly by: Party;
  readonly signer?: Signer;
  readonly responderId?: Buffer;
  readonly producedAt?: Date | Buffer;
  readonly extensions?: readonly Buffer[] | 'empty';
  readonly certificates?: readonly Buffer[];
  readonly version?: Buffer;
  readonly responseType?: string;
  readonly signature?: (right: Buffer) => Buffer;
}

export const byName = (party: Party): Buffer => der.context(1, party.name);
export const byKey = (party: Party): Buffer =>
  der.context(2, der.octetString(createHash('sha1').update(party.certificate.publicKeyOctets).digest()));
export const nonce = (value: Uint8Array): Buffer => extension('1.3.6.1.5.5.7.48.1.2', der.octetString(value));

/** The DER of a successful OCSP response, right unless the options say otherwise. */
export function answer(options: AnswerOptions): Buffer {
  const { by, signer = ecdsaSigner(), certificates = [] } = options;
  const data = der.sequence(
    options.version ?? Buffer.alloc(0),
    options.responderId ?? byName(by),
    time(options.producedAt ?? minutes(-5)),
    der.sequence(...options.singles),
    ...listOf(options.extensions),
  );
  const signature = signer.sign(data, by.keys.privateKey);
  const basic = der.sequence(
    data,
    signer.algorithm,
    der.bitString(options.signature?.(signature) ?? signature),
    ...(certificates.length === 0 ? [] : [der.context(0, der.sequence(...certificates))]),
  );
  return der.sequence(
    der.tlv(0x0a, Buffer.from([0])),
    der.context(
      0,
      der.sequence(der.oid(options.responseType ?? '1.3.6.1.5.5.7.48.1.1'), der.octetString(basic)),
    ),
  );
}

/** A response without an answer: 1 malformedRequest, 2 internalError, 3 tryLater, 5 sigRequired, 6 unauthorized. */
export const failure = (status: number): Buffer => der.sequence(der.tlv(0x0a, Buffer.from([status])));
