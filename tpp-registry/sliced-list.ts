/** Entries of a list that are read together. */
export interface Slice {
  /** Bytes of the file. */
  readonly start: number;
  readonly end: number;
  /** Line of the first entry. */
  readonly line: number;
}

/** A document with one long list, cut into slices, so that no more than one of them is a tree in memory. */
export interface SlicedList {
  /** The document with the list emptied. */
  readonly frame: unknown;
  readonly slices: readonly Slice[];
  /** The entries of a slice. @throws SliceError */
  parse(slice: Slice): readonly unknown[];
  /** Where the slice, read as YAML, has its entry of this index. */
  placeOf(index: number): readonly PropertyKey[];
}

/** A slice that cannot be read. */
export class SliceError extends Error {
  override readonly name = 'SliceError';
  /** Of the slice, from 1, where it is known. */
  readonly line: number | undefined;

  constructor(message: string, { line, cause }: { readonly line?: number; readonly cause?: unknown } = {}) {
    super(message, { cause });
    this.line = line;
  }
}
