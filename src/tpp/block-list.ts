import { OpenBankingError } from '../errors.ts';
import { type FollowedFile, type FollowedFileOptions, openFollowedFile } from '../files/followed-file.ts';
import { canonicalNca } from '../../tpp-registry/nca.ts';
import { parseName } from '../x509/certificate/distinguished-name.ts';
import { type Block, type CertificateBlock, parseBlocks, type TppBlock } from './block.ts';

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

/** Certificates and TPPs that this bank does not serve. In memory and synchronous, for every request. */
export class BlockList {
  readonly #source: FollowedFile<Index>;

  constructor(source: FollowedFile<Index>) {
    this.#source = source;
  }

  /** The block of the certificate, or else of its TPP. */
  find({ authorizationNumber, nca, certificate }: BlockSubject): Block | undefined {
    const { count, bySerial, byNumber } = this.#source.current;
    if (count === 0) return undefined;
    return (
      certificateBlock(bySerial, certificate) ??
      byNumber.get(folded(authorizationNumber))?.find((block) => isUnder(block, nca))
    );
  }

  isBlocked(subject: BlockSubject): boolean {
    return this.find(subject) !== undefined;
  }

  /** Reads the file now if it has changed; true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean> {
    return this.#source.reload();
  }

  /** Stops watching the source. */
  close(): Promise<void> {
    return this.#source.close();
  }
}

/** A block list of fixed blocks. */
export function createBlockList(blocks: readonly Block[]): BlockList {
  return new BlockList({ current: indexBlocks(blocks), reload: async () => false, close: async () => {} });
}

/**
 * Opens a block list that is read again when its file changes (`parseBlocks` has its shape). A bad copy is logged with every problem, and the last
 * good one stays.
 *
 * @throws ERR_BLOCK_LIST_INVALID when the first copy is missing or bad
 */
export async function openFileBlockList(
  options: Pick<FollowedFileOptions<Index>, 'file' | 'log' | 'pollSeconds'>,
): Promise<BlockList> {
  const { file, log, pollSeconds } = options;
  const followed = await openFollowedFile<Index>({
    file,
    name: 'block-list',
    log,
    pollSeconds,
    parse: (content) => indexBlocks(parseBlocks(content, { source: file })),
    unreadable: (cause) => {
      const problems = [{ path: '', message: `cannot be read: ${cause.code}` }];
      return new OpenBankingError('ERR_BLOCK_LIST_INVALID', { source: file, problems }, { cause });
    },
    count: ({ count }) => count,
  });
  return new BlockList(followed);
}

interface Index {
  readonly count: number;
  readonly bySerial: ReadonlyMap<string, readonly CertificateBlock[]>;
  readonly byNumber: ReadonlyMap<string, readonly TppBlock[]>;
}

function indexBlocks(blocks: readonly Block[]): Index {
  const certificates = blocks.filter((block) => block.kind === 'certificate');
  const tpps = blocks.filter((block) => block.kind === 'tpp');
  return {
    count: blocks.length,
    bySerial: Map.groupBy(certificates, ({ serialNumber }) => serialNumber),
    byNumber: Map.groupBy(tpps, ({ authorizationNumber }) => folded(authorizationNumber)),
  };
}

function certificateBlock(
  bySerial: Index['bySerial'],
  certificate: NamedCertificate | undefined,
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
