import type { TppRecord } from './record.ts';

/** The copy of one source. */
export interface SourceState {
  readonly name: string;
  /** When the copy was fetched or read last. */
  readonly fetchedAt: Date;
  readonly size: number;
  list(): readonly TppRecord[];
}
