import { createHash } from 'node:crypto';
import { OpenBankingError } from '../errors.ts';
import type { TrustService } from './list/service.ts';
import { type ListPointer, NATIONAL_LIST, readTrustedList, type TrustedList } from './list/trusted-list.ts';
import { type ListFile, readListOfLists } from './list-of-lists.ts';
import { issuesForWebsites } from './website-issuers.ts';

/** A proof to make, as a message to a thread. */
export type ProvingTask =
  | {
      readonly kind: 'list-of-lists';
      readonly file: ListFile;
      /** DER. */
      readonly officialJournal: readonly Uint8Array[];
      readonly pivots: readonly ListFile[];
    }
  | {
      readonly kind: 'national-list';
      readonly file: ListFile;
      readonly pointer: Pick<ListPointer, 'territory' | 'signers'>;
    };

/** The facts of a proved list. */
export interface ListFacts {
  readonly territory: string;
  readonly sequenceNumber: number;
  readonly issuedAt: Date;
  readonly nextUpdate?: Date | undefined;
  /** Hexadecimal SHA-256 of its bytes. */
  readonly digest: string;
}

export interface ProvedListOfLists extends ListFacts {
  /** Sequence numbers of the pivots that led to it. */
  readonly pivots: readonly number[];
  /** To national lists. */
  readonly pointers: readonly ListPointer[];
}

export interface ProvedNationalList extends ListFacts {
  /** The services that were ever granted for website authentication. */
  readonly issuers: readonly TrustService[];
}

/**
 * Verifies a list and reads what is needed of it. Takes up to a second for a long list, so that a thread should do it.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED, ERR_TRUSTED_LIST_SIGNATURE, ERR_TRUSTED_LIST_SIGNER
 */
export function prove(task: ProvingTask): ProvedListOfLists | ProvedNationalList {
  return task.kind === 'list-of-lists' ? proveListOfLists(task) : proveNationalList(task);
}

function proveListOfLists({
  file,
  officialJournal,
  pivots,
}: ProvingTask & { readonly kind: 'list-of-lists' }): ProvedListOfLists {
  const found = readListOfLists(file, { officialJournal: officialJournal.map(Buffer.from), pivots });
  return {
    ...factsOf(found.list, file),
    pivots: found.pivots,
    pointers: found.list.pointers.filter(({ type }) => type === NATIONAL_LIST),
  };
}

function proveNationalList({
  file,
  pointer,
}: ProvingTask & { readonly kind: 'national-list' }): ProvedNationalList {
  const { source, bytes } = file;
  const list = readTrustedList(bytes, { source, signers: pointer.signers.map(Buffer.from) });
  if (list.type !== NATIONAL_LIST || list.territory !== pointer.territory) {
    const problem = `it is a list of type ${list.type} for ${list.territory}, not for ${pointer.territory}`;
    throw new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', { source, problem });
  }
  return { ...factsOf(list, file), issuers: list.services.filter(issuesForWebsites) };
}

function factsOf(list: TrustedList, { bytes }: ListFile): ListFacts {
  const { territory, sequenceNumber, issuedAt, nextUpdate } = list;
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { territory, sequenceNumber, issuedAt, nextUpdate, digest };
}
