import { extname } from 'node:path';
import { OpenBankingError } from '../../errors.ts';
import type { FollowedFile } from '../../files/followed-file.ts';
import { type FollowedListOptions, type OpenList, openFollowedList } from '../../files/followed-list.ts';
import { FoundRecords } from '../../files/found-records.ts';
import type { ListReader } from '../../files/list-reader.ts';
import { type PackedRecords, packRecords } from '../../files/packed-records.ts';
import { canonicalNca } from '../../../tpp-registry/nca.ts';
import { parseName } from '../../x509/certificate/distinguished-name.ts';
import { type Block, type CertificateBlock, readBlocks, type TppBlock } from './block.ts';

/** A TPP, and its certificate where one is known. */
export interface BlockSubject {
  readonly authorizationNumber: string;
  readonly nca: string;
  readonly certificate?: NamedCertificate | undefined;
}

interface NamedCertificate {
  /** RFC 4514 string. */
  readonly issuer: string;
  readonly serialNumber: string;
}

type OtherBlocks = Pick<BlockList, 'find' | 'size'>;

/** Certificates and TPPs that this bank does not serve. In memory and synchronous, for every request. */
export class BlockList {
  readonly #source: FollowedFile<PackedRecords>;
  readonly #found: FoundRecords<Block>;
  readonly #others: OtherBlocks | undefined;

  /** `others` are asked about what the source does not block. */
  constructor(source: FollowedFile<PackedRecords>, others?: OtherBlocks) {
    this.#source = source;
    this.#others = others;
    this.#found = new FoundRecords(source, unpackedBlock);
  }

  /** The block of the certificate, or else of its TPP. */
  find(subject: BlockSubject): Block | undefined {
    return (this.#source.current.size === 0 ? undefined : this.#own(subject)) ?? this.#others?.find(subject);
  }

  /** This list with the blocks of another. */
  beside(others: OtherBlocks): BlockList {
    return new BlockList(this.#source, others);
  }

  /** How many certificates and TPPs are blocked. */
  get size(): number {
    return this.#source.current.size + (this.#others?.size ?? 0);
  }

  isBlocked(subject: BlockSubject): boolean {
    return this.find(subject) !== undefined;
  }

  /** Reads the file now if it has changed; true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean> {
    return this.#source.reload();
  }

  /** The first blocks of the list. Each is parsed: not for many. */
  first(limit: number): readonly Block[] {
    const { current } = this.#source;
    return Array.from({ length: Math.min(limit, current.size) }, (_, at) =>
      unpackedBlock(current.recordAt(at)),
    );
  }

  /** Stops watching the source. */
  close(): Promise<void> {
    return this.#source.close();
  }

  #own({ authorizationNumber, nca, certificate }: BlockSubject): Block | undefined {
    return (
      this.#certificateBlock(certificate) ??
      this.#found
        .find(keyOfTpp(authorizationNumber))
        .find((block) => block.kind === 'tpp' && isUnder(block, nca))
    );
  }

  #certificateBlock(certificate: NamedCertificate | undefined): CertificateBlock | undefined {
    if (certificate === undefined) return undefined;
    const key = keyOfSerial(certificate.serialNumber.replace(/^0+(?=.)/, ''));
    return this.#found
      .find(key)
      .filter((block) => block.kind === 'certificate')
      .find(({ issuer }) => isSameIssuer(issuer, certificate.issuer));
  }
}

/** A block list of fixed blocks. */
export function createBlockList(blocks: readonly Block[]): BlockList {
  const current = packRecords(blocks.map((block) => [keyOf(block), block]));
  return new BlockList({ current, isBad: false, reload: async () => false, close: async () => {} });
}

/** Reads a block list (`readBlocks`), by serial number or TPP. */
export const blockListReader: ListReader = {
  // The module's file ends as this one does: .ts from source, .js when built.
  worker: new URL(`./block-list-worker${extname(import.meta.url)}`, import.meta.url),
  read: (content, { file }, add) =>
    readBlocks(content, { source: file }, (block) => add(keyOf(block), block)),
  invalid: (problems, { file }, cause) =>
    new OpenBankingError('ERR_BLOCK_LIST_INVALID', { source: file, problems }, { cause }),
};

/**
 * Opens a block list that is read again when its file changes (`parseBlocks` has its shape). A bad copy is logged with every problem, and the last
 * good one stays.
 *
 * @throws ERR_BLOCK_LIST_INVALID when the first copy is missing or bad
 */
export async function openFileBlockList(
  options: Pick<FollowedListOptions, 'log' | 'pollSeconds'> & { readonly file: string },
  openList: OpenList = openFollowedList,
): Promise<BlockList> {
  const { file, log, pollSeconds } = options;
  const source = { file };
  return new BlockList(
    await openList({ reader: blockListReader, source, name: 'block-list', log, pollSeconds }),
  );
}

function keyOf(block: Block): string {
  return block.kind === 'tpp' ? keyOfTpp(block.authorizationNumber) : keyOfSerial(block.serialNumber);
}

/** By the same folding by which the registry calls two identifiers ambiguous. */
function keyOfTpp(authorizationNumber: string): string {
  return `tpp ${authorizationNumber.normalize('NFKC').toUpperCase()}`;
}

function keyOfSerial(serialNumber: string): string {
  return `serial ${serialNumber}`;
}

/** A block that `keyOf` placed: JSON has made a text of its date. */
function unpackedBlock(packed: unknown): Block {
  const block = packed as Block & { readonly since: string | Date };
  return Object.freeze({ ...block, since: new Date(block.since) });
}

/** Compares names as texts, whatever their string types: a block may cover too much rather than too little. */
function isSameIssuer(a: string, b: string): boolean {
  return a === b || parseName(a).keys.join('\n') === parseName(b).keys.join('\n');
}

function isUnder({ nca }: TppBlock, presented: string): boolean {
  return nca === undefined || (canonicalNca(nca) ?? nca) === (canonicalNca(presented) ?? presented);
}
