import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import type { Clock } from '../../../src/clock.ts';
import { isRefusal, OpenBankingError } from '../../../src/errors.ts';
import type { Log } from '../../../src/events.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import type { BulkFile } from './bulk-file.ts';
import type { BulkFileReply, BulkFileTask } from './bulk-file-worker.ts';
import { readRegister, type RegisterCopy, writeRegister } from './register-file.ts';

/** The file metadata takes 400 bytes, the ZIP 20 MB. */
export const MAX_METADATA_BYTES = 65_536;
export const MAX_ZIP_BYTES = 100_000_000;
const MAX_JSON_BYTES = 1_000_000_000;
/** 1,900 of 330,000 records are kept. */
const MAX_HEAP_MEGABYTES = 256;
const REGISTER = 'eba-register.json';
const ZIP = 'eba-register.zip';

export interface EbaRefreshOptions {
  readonly folder: string;
  /** Address of the file metadata. */
  readonly address: string;
  /** Fetches at most so many bytes. */
  readonly fetch: (address: string, maxBytes: number) => Promise<Buffer>;
  readonly clock: Clock;
  readonly log: Log;
}

const metadata = z.looseObject({
  latest_version_relative_zip_path: z.string().min(1).max(512),
  golden_copy_path_context: z.string().min(1).max(512),
  sha256_hash: z.string().regex(/^[0-9a-fA-F]{64}$/),
  timestamp: z.string().max(64),
});

/** The file of a folder that has the institutions of the register. */
export function registerFileOf(folder: string): string {
  return join(folder, REGISTER);
}

/**
 * The copy of a folder; undefined when there is none.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export async function keptRegister(folder: string): Promise<RegisterCopy | undefined> {
  const file = registerFileOf(folder);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : readRegister(text, file);
}

/**
 * Asks the register for its newest copy: file metadata, ZIP, both digests, institutions. When that fails, the copy of the folder
 * stays, and says why.
 *
 * @throws ERR_REGISTER_*, ERR_OUTBOUND_* when there is no copy either
 */
export async function refreshEbaRegister(options: EbaRefreshOptions): Promise<RegisterCopy> {
  const { folder, clock, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const before = await keptOrNone(options);
  const askedAt = clock.now();
  try {
    const copy = await newestCopy(options, before, askedAt);
    await replaceFile(registerFileOf(folder), writeRegister(copy));
    log.emit('eba-register.renewed', {
      count: copy.entities.length,
      since: copy.state.snapshotAt.toISOString(),
    });
    return copy;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.emit('eba-register.not-renewed', { url: options.address, error });
    if (before === undefined) throw error;
    const problem = `${error.message} ${JSON.stringify(error.details)}`;
    const copy = { ...before, state: { ...before.state, askedAt, problem } };
    await replaceFile(registerFileOf(folder), writeRegister(copy));
    return copy;
  }
}

async function keptOrNone({ folder, log }: EbaRefreshOptions): Promise<RegisterCopy | undefined> {
  try {
    return await keptRegister(folder);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.emit('eba-register.not-renewed', { file: registerFileOf(folder), error });
    return undefined;
  }
}

async function newestCopy(
  { folder, address, fetch }: EbaRefreshOptions,
  before: RegisterCopy | undefined,
  askedAt: Date,
): Promise<RegisterCopy> {
  const newest = readMetadata(await fetch(address, MAX_METADATA_BYTES), address);
  const { url, digest, snapshotAt } = newest;
  assertSuccessor(snapshotAt, before, address);
  if (before?.state.digest === digest) {
    const { problem: _solved, ...state } = before.state;
    return { ...before, state: { ...state, askedAt, fetchedAt: askedAt } };
  }
  const zip = await fetch(url, MAX_ZIP_BYTES);
  const found = createHash('sha256').update(zip).digest('hex');
  if (found !== digest) throw invalid(url, 'the digest of the ZIP is not that of the file metadata');
  const copy = await importedCopy(zip, { source: url, at: askedAt, snapshotAt });
  await replaceFile(join(folder, ZIP), zip);
  return copy;
}

/**
 * The copy of a ZIP that was fetched elsewhere. Its digest is computed; the digest of its JSON is beside it in the ZIP.
 *
 * @throws ERR_REGISTER_INVALID, ERR_REGISTER_ROLLBACK
 */
export async function importEbaRegister(
  zip: Buffer,
  to: { readonly folder: string; readonly source: string; readonly snapshotAt: Date; readonly clock: Clock },
): Promise<RegisterCopy> {
  const { folder, source, snapshotAt, clock } = to;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  assertSuccessor(snapshotAt, await keptRegister(folder), source);
  const copy = await importedCopy(zip, { source, at: clock.now(), snapshotAt });
  await replaceFile(join(folder, ZIP), zip);
  await replaceFile(registerFileOf(folder), writeRegister(copy));
  return copy;
}

async function importedCopy(
  zip: Buffer,
  from: { readonly source: string; readonly at: Date; readonly snapshotAt: Date },
): Promise<RegisterCopy> {
  const { source, at, snapshotAt } = from;
  const { entities, recordCount, problems } = await readInThread(zip, source);
  const digest = createHash('sha256').update(zip).digest('hex');
  return {
    state: { askedAt: at, fetchedAt: at, snapshotAt, source, digest, recordCount, problems },
    entities,
  };
}

function readMetadata(bytes: Buffer, address: string) {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid(address, 'the file metadata is not JSON');
  }
  const parsed = metadata.safeParse(value);
  if (parsed.data === undefined) {
    const [issue] = parsed.error.issues;
    throw invalid(address, `the file metadata has no good ${issue?.path.join('.')}`);
  }
  const { golden_copy_path_context: context, latest_version_relative_zip_path: path } = parsed.data;
  const url = URL.parse(path, context);
  // The register has no signature: everything comes from the host that was asked, over its TLS.
  if (url === null || url.origin !== URL.parse(address)?.origin) {
    throw invalid(address, 'the file metadata names a ZIP of another host');
  }
  const snapshotAt = timeOf(parsed.data.timestamp);
  if (snapshotAt === undefined) throw invalid(address, 'the file metadata has no good timestamp');
  return { url: url.href, digest: parsed.data.sha256_hash.toLowerCase(), snapshotAt };
}

/** `Sun Aug 16 00:00:16 UTC 2026`, as Java writes it. */
function timeOf(text: string): Date | undefined {
  const [, month, day, time, year] =
    /^\w{3} (\w{3}) (\d{1,2}) (\d{2}:\d{2}:\d{2}) UTC (\d{4})$/.exec(text) ?? [];
  const at = new Date(`${day} ${month} ${year} ${time} UTC`);
  return month === undefined || Number.isNaN(at.getTime()) ? undefined : at;
}

function assertSuccessor(snapshotAt: Date, before: RegisterCopy | undefined, source: string): void {
  if (before === undefined || snapshotAt.getTime() >= before.state.snapshotAt.getTime()) return;
  const details = { source, snapshotAt, before: before.state.snapshotAt };
  throw new OpenBankingError('ERR_REGISTER_ROLLBACK', details);
}

async function readInThread(zip: Buffer, source: string): Promise<BulkFile> {
  const copy = new Uint8Array(zip);
  const task: BulkFileTask = { zip: copy, maxJsonBytes: MAX_JSON_BYTES };
  // The thread's file ends as this one does: .ts from source, .js when built.
  const file = new URL(`./bulk-file-worker${extname(import.meta.url)}`, import.meta.url);
  const thread = new Worker(file, {
    workerData: task,
    transferList: [copy.buffer],
    execArgv: [],
    name: 'eba-register',
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
  });
  const { promise, resolve, reject } = Promise.withResolvers<BulkFileReply>();
  thread.once('message', resolve);
  thread.once('error', reject);
  thread.once('exit', (code) => reject(new Error(`the thread of the register ended with code ${code}`)));
  try {
    const reply = await promise;
    if ('problem' in reply) throw invalid(source, `the ZIP ${reply.problem}`);
    return reply.file;
  } finally {
    await thread.terminate();
  }
}

function invalid(source: string, problem: string): OpenBankingError {
  return new OpenBankingError('ERR_REGISTER_INVALID', { source, problem });
}
