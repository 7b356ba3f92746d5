import { OpenBankingError } from '../errors.ts';
import { openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import { canonicalNca } from '../../tpp-registry/nca.ts';
import { parseName } from '../x509/certificate/distinguished-name.ts';
import { type Block, type CertificateBlock, parseBlocks, type TppBlock } from './block.ts';

/** A TPP, and its certificate where one is known. */
export interface BlockSubject {
  readonly authorizationNumber: string;
  readonly nca: string;
  readonly certificate?: {
    /** RFC 4514 string. */
    readonly issuer: string;
    readonly serialNumber: string;
  };
}

/** Certificates and TPPs that this bank does not serve. In memory and synchronous, for every request. */
export interface BlockList {
  /** The block of the certificate, or else of its TPP. */
  find(subject: BlockSubject): Block | undefined;
  isBlocked(subject: BlockSubject): boolean;
  /** Stops watching the source. */
  close(): Promise<void>;
}

export interface FileBlockListOptions {
  /** YAML or JSON; see `parseBlocks` for the shape. */
  readonly file: string;
  readonly log: Log;
  /** Seconds between two looks at the file's date and size. Default 5. */
  readonly pollSeconds?: number;
}

/** A block list that follows a file. */
export interface FileBlockList extends BlockList {
  /** Reads the file now if it has changed; true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
}

/** A block list of fixed blocks. */
export function createBlockList(blocks: readonly Block[]): BlockList {
  const index = indexBlocks(blocks);
  return blockList(
    () => index,
    async () => {},
  );
}

/**
 * Opens a block list that is read again when its file changes. A bad copy is logged with every problem, and the last
 * good one stays.
 *
 * @throws ERR_BLOCK_LIST_INVALID when the first copy is missing or bad
 */
export async function openFileBlockList(options: FileBlockListOptions): Promise<FileBlockList> {
  const { file, log, pollSeconds } = options;
  const followed = await openFollowedFile<Index>({
    file,
    name: 'block-list',
    log,
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
    parse: (content) => indexBlocks(parseBlocks(content, { source: file })),
    unreadable: (cause) => {
      const problems = [{ path: '', message: `cannot be read: ${cause.code}` }];
      return new OpenBankingError('ERR_BLOCK_LIST_INVALID', { source: file, problems }, { cause });
    },
    count: ({ count }) => count,
  });
  return {
    ...blockList(
      () => followed.current,
      () => followed.close(),
    ),
    reload: () => followed.reload(),
  };
}

interface Index {
  readonly count: number;
  readonly bySerial: ReadonlyMap<string, readonly CertificateBlock[]>;
  readonly byNumber: ReadonlyMap<string, readonly TppBlock[]>;
}

function indexBlocks(blocks: readonly Block[]): Index {
  const bySerial = new Map<string, CertificateBlock[]>();
  const byNumber = new Map<string, TppBlock[]>();
  for (const block of blocks) {
    if (block.kind === 'certificate') listOf(bySerial, block.serialNumber).push(block);
    else listOf(byNumber, folded(block.authorizationNumber)).push(block);
  }
  return { count: blocks.length, bySerial, byNumber };
}

function listOf<T>(map: Map<string, T[]>, key: string): T[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created: T[] = [];
  map.set(key, created);
  return created;
}

function blockList(current: () => Index, close: () => Promise<void>): BlockList {
  const find = ({ authorizationNumber, nca, certificate }: BlockSubject): Block | undefined => {
    const { count, bySerial, byNumber } = current();
    if (count === 0) return undefined;
    return (
      certificateBlock(bySerial, certificate) ??
      byNumber.get(folded(authorizationNumber))?.find((block) => isUnder(block, nca))
    );
  };
  return { find, isBlocked: (subject) => find(subject) !== undefined, close };
}

function certificateBlock(
  bySerial: Index['bySerial'],
  certificate: BlockSubject['certificate'],
): CertificateBlock | undefined {
  if (certificate === undefined) return undefined;
  const blocks = bySerial.get(certificate.serialNumber.replace(/^0+(?=.)/, ''));
  return blocks?.find(({ issuer }) => isSameIssuer(issuer, certificate.issuer));
}

/** Compares names as texts, whatever their string types: a block may cover too much rather than too little. */
function isSameIssuer(a: string, b: string): boolean {
  return a === b || parseName(a).keys.join('\n') === parseName(b).keys.join('\n');
}

function isUnder({ nca }: TppBlock, presented: string): boolean {
  return nca === undefined || (canonicalNca(nca) ?? nca) === (canonicalNca(presented) ?? presented);
}

/** The same folding by which the registry calls two identifiers ambiguous. */
function folded(authorizationNumber: string): string {
  return authorizationNumber.normalize('NFKC').toUpperCase();
}
