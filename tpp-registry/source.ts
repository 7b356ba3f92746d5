import type { OpenBankingError } from '../src/errors.ts';
import type { TppRecord } from './record.ts';
import type { SourceState } from './source-state.ts';

/** A statement of one source about one TPP, at the present time. */
export type SourceStatement =
  | {
      readonly record: TppRecord;
      /** Where it stands: record, copy and digest, for people. */
      readonly evidence: string;
    }
  | {
      /** Why the source cannot name one TPP for the identifier. */
      readonly refusal: OpenBankingError;
      readonly evidence: string;
    };

/** A register that states who may act. In memory, because every request reads it. */
export interface RegistrySource extends SourceState {
  /** Undefined where the source knows no such TPP, which proves nothing. */
  find(authorizationNumber: string, nca?: string): SourceStatement | undefined;
}
