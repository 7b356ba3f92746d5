/** A fault at a place of the record. */
export type FaultKind =
  /** A line is not the one that was written. */
  | 'changed'
  /** Lines that were written are not there. */
  | 'missing'
  /** Lines at the end of a chain are not there. */
  | 'cut'
  /** A file, or the whole chain of a process, is not there. */
  | 'missing-file'
  | 'doubled'
  | 'reordered'
  /** A line that the process did not write. */
  | 'added'
  /** A checkpoint without a valid signature of a known key. */
  | 'forged';

/** A line of a file, and its number in its chain as far as that is known. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface Fault extends Partial<Place> {
  readonly kind: FaultKind;
  /** The name of the chain. */
  readonly process: string;
  /** The lines of the chain, by their numbers: the first, and the last. */
  readonly from?: number;
  readonly to?: number;
  readonly message: string;
}
