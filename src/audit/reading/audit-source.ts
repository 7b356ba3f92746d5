import type { TimeRange } from './time-range.ts';

/** A part of the chain of one process: a file, or a stream. */
export interface AuditSegment {
  /** The name of the chain. */
  readonly process: string;
  /** The place of the part in its chain, from 1 upwards. */
  readonly number: number;
  /** The name of the file or stream. */
  readonly name: string;
  readonly bytes: number;
  /** No line of the part is older. */
  readonly firstAt: Date;
  /** No line of the part is newer. */
  readonly lastAt: Date;
  /** The octets of the lines in their order, in pieces of any size. */
  chunks(): AsyncIterable<Buffer>;
  /** The same, without most lines of other times; the first and the last line may be cut. */
  chunksOf(range: TimeRange): AsyncIterable<Buffer>;
}

/** An audit record that is read. */
export interface AuditSource {
  /** Every part, chain by chain, each chain in its order. */
  segments(): Promise<readonly AuditSegment[]>;
  /** A certificate in PEM by the hexadecimal SHA-256 of its DER; undefined where it was not kept. */
  findCertificate(fingerprint: string): Promise<string | undefined>;
  close(): Promise<void>;
}
