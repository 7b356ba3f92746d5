import { OpenBankingError } from '../errors.ts';
import { decodeList, parseXml } from './xml/document.ts';
import { ListElement } from './xml/elements.ts';
import { LIST_OF_LISTS, type ListPointer, readTrustedList, type TrustedList } from './list/trusted-list.ts';

/** Bytes of a list, and where they are from. */
export interface ListFile {
  readonly source: string;
  readonly bytes: Uint8Array;
}

/** The list of the lists (LOTL), proved from the Official Journal on. */
export interface ListOfLists {
  readonly list: TrustedList;
  /** The pivots that led to it, by sequence number. */
  readonly pivots: readonly number[];
}

/**
 * Proves the EU's list of the lists: its signer is named by the Official Journal, or by a pivot whose own signer is
 * named by the Official Journal or the pivot before it (TS 119 615 §4.1).
 *
 * Not checked: `nextUpdate`, and that no older list replaces a newer one.
 *
 * @param parts.officialJournal DER of the certificates that the Official Journal has published
 * @param parts.pivots in any order; those that the list names
 * @throws ERR_TRUSTED_LIST_MALFORMED, ERR_TRUSTED_LIST_SIGNATURE, ERR_TRUSTED_LIST_SIGNER
 */
export function readListOfLists(
  file: ListFile,
  parts: { readonly officialJournal: readonly Buffer[]; readonly pivots: readonly ListFile[] },
): ListOfLists {
  const proved: number[] = [];
  let signers = parts.officialJournal;
  let waiting = [...parts.pivots];
  for (;;) {
    const next = firstSigned(waiting, signers);
    if (next === undefined) break;
    assertListOfLists(next.pivot, next.file.source);
    const newest = proved.at(-1) ?? 0;
    // A pivot that is older than one already proved would bring its former signers back.
    if (next.pivot.sequenceNumber > newest) {
      proved.push(next.pivot.sequenceNumber);
      signers = ownPointer(next.pivot, next.file.source).signers;
    }
    waiting = waiting.filter((one) => one !== next.file);
  }
  const list = readTrustedList(file.bytes, { source: file.source, signers });
  assertListOfLists(list, file.source);
  return { list, pivots: proved };
}

/** Of the pivots that one of `signers` signed, the one with the lowest sequence number. */
function firstSigned(
  pivots: readonly ListFile[],
  signers: readonly Buffer[],
): { readonly file: ListFile; readonly pivot: TrustedList } | undefined {
  return pivots
    .flatMap((file) => {
      try {
        return [{ file, pivot: readTrustedList(file.bytes, { source: file.source, signers }) }];
      } catch (error) {
        // Its signer may be named by another pivot, which is looked at first.
        if (error instanceof OpenBankingError && error.code === 'ERR_TRUSTED_LIST_SIGNER') return [];
        throw error;
      }
    })
    .toSorted((a, b) => a.pivot.sequenceNumber - b.pivot.sequenceNumber)[0];
}

function assertListOfLists({ type, territory }: TrustedList, source: string): void {
  if (type === LIST_OF_LISTS && territory === 'EU') return;
  const problem = `it is a list of type ${type} for ${territory}, not the list of the lists`;
  throw new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', { source, problem });
}

function ownPointer(pivot: TrustedList, source: string): ListPointer {
  const [own, second] = pivot.pointers.filter(({ type }) => type === LIST_OF_LISTS);
  if (own !== undefined && second === undefined) return own;
  const problem = 'it does not name the signers of the list of the lists once';
  throw new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', { source, problem });
}

/**
 * The addresses of documents that a list of the lists names, pivots among them, without any proof: only to know what to
 * fetch, before it can be proved.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED
 */
export function addressesOfPivots({ bytes, source }: ListFile): string[] {
  const root = new ListElement(parseXml(decodeList(bytes, source), source), source);
  return root
    .only('SchemeInformation')
    .listed('SchemeInformationURI', 'URI')
    .map(({ text }) => text);
}
