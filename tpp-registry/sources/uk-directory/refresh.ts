import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../src/clock.ts';
import { isRefusal, OpenBankingError } from '../../../src/errors.ts';
import type { Log } from '../../../src/events.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import { type DirectoryCopy, readDirectory, writeDirectory } from './directory-file.ts';
import { type FetchKeyStore, withKeys } from './key-stores.ts';
import { ParticipantPages, type ReadParticipants } from './pages.ts';

const DIRECTORY = 'uk-directory.json';
/** A participant takes 2 to 40 kB. */
const PAGE = 50;
export const MAX_PAGE_BYTES = 8_000_000;
const MAX_BYTES = 200_000_000;
const MAX_SECONDS = 600;
const MAX_PROBLEMS = 20;

/** The way to the directory, for one refresh. */
export interface DirectoryConnection {
  /** Fetches a page of at most `MAX_PAGE_BYTES`, with an access token and over mutual TLS. */
  readonly fetchPage: (url: string) => Promise<Buffer>;
  /** Absent: keys and certificates are not read. */
  readonly fetchKeyStore?: FetchKeyStore | undefined;
  readonly close: () => Promise<void>;
}

export interface DirectoryRefreshOptions {
  readonly folder: string;
  /** Address of SCIM, `https://matls-api.openbanking.org.uk/scim/v2`. */
  readonly address: string;
  /** Called once a refresh. @throws ERR_OUTBOUND_*, ERR_REGISTER_TOKEN */
  readonly connect: () => Promise<DirectoryConnection>;
  /** Called while the refresh lasts, so that no other process begins one. */
  readonly renew?: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The file of a folder that has the participants of the directory. */
export function directoryFileOf(folder: string): string {
  return join(folder, DIRECTORY);
}

/**
 * The copy of a folder; undefined when there is none.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export async function keptDirectory(folder: string): Promise<DirectoryCopy | undefined> {
  const file = directoryFileOf(folder);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : readDirectory(text, file);
}

/**
 * Reads every participant of the directory. When that fails, the copy of the folder stays, and states the reason.
 *
 * @throws ERR_REGISTER_*, ERR_OUTBOUND_* when there is no copy either
 */
export async function refreshUkDirectory(options: DirectoryRefreshOptions): Promise<DirectoryCopy> {
  const { folder, address, clock, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const before = await keptOrNone(options);
  const askedAt = clock.now();
  try {
    const copy = await newestCopy(options, before, askedAt);
    await replaceFile(directoryFileOf(folder), writeDirectory(copy));
    log.emit('uk-directory.renewed', { count: copy.participants.length });
    return copy;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.emit('uk-directory.not-renewed', { url: address, error });
    if (before === undefined) throw error;
    const problem = `${error.message} ${JSON.stringify(error.details)}`;
    const copy = { ...before, state: { ...before.state, askedAt, problem } };
    await replaceFile(directoryFileOf(folder), writeDirectory(copy));
    return copy;
  }
}

/**
 * The copy of a SCIM list that was fetched elsewhere, whole.
 *
 * @throws ERR_REGISTER_INVALID
 */
export async function importUkDirectory(
  content: Buffer,
  to: { readonly folder: string; readonly source: string; readonly clock: Clock },
): Promise<DirectoryCopy> {
  const { folder, source, clock } = to;
  const pages = new ParticipantPages(source);
  pages.add(content);
  if (pages.nextIndex !== undefined) throw invalid(source, 'has not all of the participants that it states');
  const copy = copyOf(pages.read(), { source, at: clock.now() });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await replaceFile(directoryFileOf(folder), writeDirectory(copy));
  return copy;
}

async function keptOrNone({ folder, log }: DirectoryRefreshOptions): Promise<DirectoryCopy | undefined> {
  try {
    return await keptDirectory(folder);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.emit('uk-directory.not-renewed', { file: directoryFileOf(folder), error });
    return undefined;
  }
}

async function newestCopy(
  options: DirectoryRefreshOptions,
  before: DirectoryCopy | undefined,
  at: Date,
): Promise<DirectoryCopy> {
  const { address: source, connect, renew = async () => {}, log } = options;
  await renew();
  const connection = await connect();
  try {
    const read = await readPages(options, connection, renew);
    if (read.problemCount > 0) {
      const problems = read.problems.map((message) => ({ path: '', message }));
      log.emit('uk-directory.incomplete', { count: read.problemCount, problems });
    }
    const { fetchKeyStore } = connection;
    if (fetchKeyStore === undefined) return copyOf(read, { source, at });
    const keyed = await withKeys(read.participants, {
      fetchKeyStore,
      before: before?.participants ?? [],
      renew,
    });
    const problems = [...read.problems, ...keyed.problems].slice(0, MAX_PROBLEMS);
    return copyOf({ participants: keyed.participants, problems }, { source, at });
  } finally {
    await connection.close();
  }
}

/** Bounded in pages by what they hold, in bytes and in time. */
async function readPages(
  { address, clock }: DirectoryRefreshOptions,
  connection: DirectoryConnection,
  renew: () => Promise<void>,
): Promise<ReadParticipants> {
  const pages = new ParticipantPages(address);
  const end = clock.now().getTime() + MAX_SECONDS * 1000;
  let size = 0;
  for (let index = pages.nextIndex; index !== undefined; index = pages.nextIndex) {
    await renew();
    const page = await connection.fetchPage(
      `${address}/OBThirdPartyProviders?startIndex=${index}&count=${PAGE}`,
    );
    size += page.length;
    if (size > MAX_BYTES) throw invalid(address, `has more than ${MAX_BYTES} bytes`);
    if (clock.now().getTime() > end) throw invalid(address, `takes more than ${MAX_SECONDS} seconds to read`);
    pages.add(page);
  }
  return pages.read();
}

function copyOf(
  { participants, problems }: Pick<ReadParticipants, 'participants' | 'problems'>,
  { source, at }: { readonly source: string; readonly at: Date },
): DirectoryCopy {
  const digest = createHash('sha256').update(JSON.stringify(participants)).digest('hex');
  return { state: { askedAt: at, fetchedAt: at, source, digest, problems }, participants };
}

function invalid(source: string, problem: string): OpenBankingError {
  return new OpenBankingError('ERR_REGISTER_INVALID', { source, problem });
}
