import { OpenBankingError } from '../errors.ts';
import type { ListFacts } from './proving.ts';

/** A list never goes back (TS 119 612 §5.3.2). @throws ERR_TRUSTED_LIST_ROLLBACK */
export function assertSuccessor(next: ListFacts, before: ListFacts | undefined, source: string): void {
  if (before === undefined || next.sequenceNumber > before.sequenceNumber) return;
  if (next.digest === before.digest) return;
  const isSameNumber = next.sequenceNumber === before.sequenceNumber;
  if (isSameNumber && next.issuedAt.getTime() >= before.issuedAt.getTime()) return;
  const { sequenceNumber } = next;
  throw new OpenBankingError('ERR_TRUSTED_LIST_ROLLBACK', {
    source,
    sequenceNumber,
    before: before.sequenceNumber,
  });
}
