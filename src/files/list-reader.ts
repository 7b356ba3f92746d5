import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type ErrorCode, type ErrorDetails, isRefusal, OpenBankingError, type Problem } from '../errors.ts';
import { RecordPacker } from './packed-records.ts';

/** A list as a thread, or another process, is asked to read it. */
export interface ListSource {
  readonly file: string;
  /** Facts against which the reader checks the list. */
  readonly facts?: Readonly<Record<string, readonly string[]>>;
}

/** How a kind of list is read. */
export interface ListReader {
  /** The module of the thread that reads the list: `answerInThread(reader)`. */
  readonly worker: URL;
  /** Passes each record with its key to `add`. @throws the refusal of the list, with every problem */
  readonly read: (content: Uint8Array, source: ListSource, add: RecordPacker['add']) => void;
  readonly invalid: (problems: readonly Problem[], source: ListSource, cause?: unknown) => OpenBankingError;
}

/** Twice 100,000 clients with keys. */
export const MAX_LIST_BYTES = 256 * 1024 * 1024;
/** Of the thread, beside the bytes of the file. A list that is read entry by entry needs a fifth of it. */
const MAX_HEAP_MEGABYTES = 512;
/** Reading so many bytes takes less time than the start of a thread: 10 ms at most, as YAML. */
const MAX_INLINE_BYTES = 16_384;

type Answer =
  | { readonly packed: ArrayBuffer }
  | {
      readonly code: ErrorCode;
      readonly details: ErrorDetails[ErrorCode];
      readonly fault: string | undefined;
    };

/**
 * The packed records of a file. A file of more than 16 kB is read in a thread that starts and ends for it, so that the calling
 * thread goes on to serve.
 *
 * @throws the refusal of the reader, with a cause when the file could not be read; the reason of `closing` once aborted
 */
export async function readList(
  reader: ListReader,
  source: ListSource,
  closing: AbortSignal,
): Promise<ArrayBuffer> {
  const isSmall = await stat(source.file).then(
    ({ size }) => size <= MAX_INLINE_BYTES,
    () => true,
  );
  const answer = isSmall ? answerOf(reader, source) : await answerOfThread(reader, source, closing);
  if ('packed' in answer) return answer.packed;
  const { code, details, fault } = answer;
  throw new OpenBankingError(code, details, fault === undefined ? {} : { cause: new Error(fault) });
}

/** All that the module of a thread does. */
export function answerInThread(reader: ListReader): void {
  const answer = answerOf(reader, workerData);
  parentPort?.postMessage(answer, 'packed' in answer ? [answer.packed] : []);
}

function answerOf(reader: ListReader, source: ListSource): Answer {
  try {
    const content = contentOf(reader, source);
    // The records as JSON, each with its key: a fifth more than compact JSON, and less than a file for people.
    const packer = new RecordPacker(Math.ceil(content.length * 1.25));
    reader.read(content, source, (key, record) => packer.add(key, record));
    return { packed: packer.pack() };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const fault = error.cause instanceof Error ? error.cause.message : undefined;
    return { code: error.code, details: error.details, fault };
  }
}

function contentOf({ invalid }: ListReader, source: ListSource): Uint8Array {
  try {
    if (statSync(source.file).size <= MAX_LIST_BYTES) return readFileSync(source.file);
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw invalid([{ path: '', message: `cannot be read: ${code}` }], source, cause);
  }
  throw invalid([{ path: '', message: `is longer than ${MAX_LIST_BYTES} bytes` }], source);
}

async function answerOfThread(
  { worker, invalid }: ListReader,
  source: ListSource,
  closing: AbortSignal,
): Promise<Answer> {
  closing.throwIfAborted();
  const thread = new Worker(worker, {
    workerData: source,
    execArgv: [],
    name: 'list-reader',
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const stop = () => reject(closing.reason);
  thread.once('message', resolve);
  thread.once('error', (error: NodeJS.ErrnoException) => {
    const message = `needs more than ${MAX_HEAP_MEGABYTES} MB to read: a long list needs less as JSON`;
    const isTooLarge = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    reject(isTooLarge ? invalid([{ path: '', message }], source) : error);
  });
  thread.once('exit', (code) =>
    reject(new Error(`the reading thread ended with code ${code} and no answer`)),
  );
  closing.addEventListener('abort', stop);
  try {
    return await promise;
  } finally {
    closing.removeEventListener('abort', stop);
    await thread.terminate();
  }
}
