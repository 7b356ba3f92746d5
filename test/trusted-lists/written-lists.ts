import {
  type WrittenList,
  type WrittenService,
  type WrittenState,
  writeTrustedList,
} from '../../src/sandbox/registers/trusted-list-writer.ts';
import { issue, NOW, type Party } from '../x509/certificate-factory.ts';

export const DAY = 86_400_000;
export const days = (count: number): Date => new Date(NOW.getTime() + count * DAY);

/** An operator of lists: a certificate, and its key. */
export const operator = (name: string): Party => issue('end entity', name);

export const service = (authority: Party, ...states: readonly WrittenState[]): WrittenService => {
  const [first = { status: 'granted', since: days(-300) }, ...former] = states;
  return {
    provider: 'Test TSP',
    name: 'Test QWAC service',
    certificates: [authority.der],
    states: [first, ...former],
  };
};

/** A national list, signed by `signer`. */
export function nationalList(signer: Party, list: Partial<WrittenList> = {}): Buffer {
  const usual: WrittenList = {
    type: 'EUgeneric',
    territory: 'AA',
    sequenceNumber: 5,
    issuedAt: days(-10),
    nextUpdate: days(100),
  };
  return signed({ ...usual, ...list }, signer);
}

/** A list of the lists, or a pivot, signed by `signer`, that names `next` as the signer of the following ones. */
export function listOfLists(
  signer: Party,
  { next, lists = [], ...rest }: Partial<WrittenList> & ListOfListsOptions,
): Buffer {
  const national = lists.map(({ territory, location, by }) => ({
    location: location ?? `https://lists.example/${territory}.xml`,
    type: 'EUgeneric' as const,
    territory,
    signers: [by.der],
  }));
  const own = {
    location: 'https://lists.example/eu-lotl.xml',
    type: 'EUlistofthelists' as const,
    territory: 'EU',
    signers: [(next ?? signer).der],
  };
  const usual: WrittenList = {
    type: 'EUlistofthelists',
    territory: 'EU',
    sequenceNumber: 100,
    issuedAt: days(-5),
    nextUpdate: days(100),
    pointers: [own, ...national],
  };
  return signed({ ...usual, ...rest }, signer);
}

interface ListOfListsOptions {
  readonly next?: Party;
  readonly lists?: readonly { readonly territory: string; readonly location?: string; readonly by: Party }[];
}

export function signed(list: WrittenList, signer: Party): Buffer {
  return writeTrustedList(list, { certificate: signer.der, privateKey: signer.keys.privateKey });
}
