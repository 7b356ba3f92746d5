import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { type EbaEntity, readEntity } from './entity.ts';
import { EntityStream, EntityStreamError } from './entity-stream.ts';

/** The entities of a bulk file that can be TPPs, and what was noticed on the way. */
export interface BulkFile {
  readonly entities: readonly EbaEntity[];
  /** Records of all types. */
  readonly recordCount: number;
  /** Records that are not as the register writes them: the first few, with their number. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

export interface BulkFileLimits {
  /** Of the JSON. The register has 217 MB. */
  readonly maxJsonBytes: number;
}

const MAX_ENTRIES = 8;
const MAX_SIDECAR_BYTES = 1024;
/** Four times today's institutions. */
const MAX_ENTITIES = 20_000;
const MAX_PROBLEMS = 20;
/** More than one in a hundred: the shape has changed, and no absence proves anything. */
const MAX_PROBLEM_SHARE = 0.01;

/** The reason why a ZIP is no bulk file of the register. */
export class BulkFileError extends Error {
  override readonly name = 'BulkFileError';
}

/**
 * Reads the entities out of the ZIP of the EBA register: one JSON file, streamed, and its digest beside it, which must match.
 *
 * @throws BulkFileError
 */
export async function readBulkFile(zip: Buffer, limits: BulkFileLimits): Promise<BulkFile> {
  const file = await promisify<Buffer, yauzl.Options, ZipFile>(yauzl.fromBuffer)(zip, {
    lazyEntries: true,
    validateEntrySizes: true,
  }).catch(noZip);
  try {
    const entries = await entriesOf(file);
    const json = onlyEntry(entries, '.json');
    const sidecar = onlyEntry(entries, '.sha256');
    const expected = await digestIn(file, sidecar);
    return await readJson(file, json, { ...limits, expected });
  } finally {
    file.close();
  }
}

function noZip(error: unknown): never {
  throw new BulkFileError('is no ZIP', { cause: error });
}

function entriesOf(file: ZipFile): Promise<Entry[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Entry[]>();
  const entries: Entry[] = [];
  file.on('entry', (entry: Entry) => {
    entries.push(entry);
    if (entries.length > MAX_ENTRIES) reject(new BulkFileError(`has more than ${MAX_ENTRIES} files`));
    else file.readEntry();
  });
  file.once('end', () => resolve(entries));
  file.once('error', (error) => reject(new BulkFileError('is no ZIP', { cause: error })));
  file.readEntry();
  return promise;
}

function onlyEntry(entries: readonly Entry[], ending: string): Entry {
  const [entry, second] = entries.filter(({ fileName }) => fileName.endsWith(ending));
  if (entry !== undefined && second === undefined) return entry;
  throw new BulkFileError(`has not one file ${ending}`);
}

async function streamOf(file: ZipFile, entry: Entry) {
  return promisify(file.openReadStream.bind(file) as (entry: Entry, done: StreamDone) => void)(entry).catch(
    noZip,
  );
}

type StreamDone = (error: Error | null, stream: NodeJS.ReadableStream) => void;

/** The digest of the JSON, as `sha256sum` writes it or alone. */
async function digestIn(file: ZipFile, entry: Entry): Promise<string> {
  if (entry.uncompressedSize > MAX_SIDECAR_BYTES) throw new BulkFileError('has a digest that is too long');
  const chunks: Buffer[] = [];
  for await (const chunk of await streamOf(file, entry)) chunks.push(Buffer.from(chunk));
  const digest = /\b[0-9a-f]{64}\b/i.exec(Buffer.concat(chunks).toString('latin1'))?.[0];
  if (digest === undefined) throw new BulkFileError('has no digest in its .sha256 file');
  return digest.toLowerCase();
}

async function readJson(
  file: ZipFile,
  entry: Entry,
  { maxJsonBytes, expected }: BulkFileLimits & { readonly expected: string },
): Promise<BulkFile> {
  const entities: EbaEntity[] = [];
  const problems: string[] = [];
  let recordCount = 0;
  let problemCount = 0;
  const stream = new EntityStream((bytes) => {
    recordCount += 1;
    const read = readEntity(bytes);
    if (read === undefined) return;
    if (typeof read === 'string') {
      problemCount += 1;
      if (problems.length < MAX_PROBLEMS) problems.push(`record ${recordCount}: ${read}`);
    } else if (entities.push(read) > MAX_ENTITIES) {
      throw new BulkFileError(`has more than ${MAX_ENTITIES} institutions`);
    }
  });
  const hash = createHash('sha256');
  let length = 0;
  try {
    await pipeline(await streamOf(file, entry), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        length += chunk.length;
        if (length > maxJsonBytes) throw new BulkFileError(`has more than ${maxJsonBytes} bytes of JSON`);
        hash.update(chunk);
        stream.write(chunk);
      }
      stream.end();
    });
  } catch (error) {
    if (error instanceof BulkFileError) throw error;
    if (error instanceof EntityStreamError) throw new BulkFileError(`its JSON ${error.message}`);
    throw new BulkFileError('its JSON cannot be read', { cause: error });
  }
  const digest = hash.digest('hex');
  if (digest !== expected) throw new BulkFileError('the digest of its JSON is not that of its .sha256 file');
  if (entities.length === 0) throw new BulkFileError('has no institution');
  if (problemCount > MAX_PROBLEM_SHARE * (entities.length + problemCount)) {
    throw new BulkFileError(`${problemCount} of its institutions cannot be read: ${problems[0]}`);
  }
  return { entities, recordCount, problems, problemCount };
}
