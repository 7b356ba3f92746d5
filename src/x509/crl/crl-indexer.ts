import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { CrlIndex, indexCrl } from './crl-index.ts';
import type { CrlReply, CrlTask } from './crl-worker.ts';

/** About 5,000 entries: indexing takes under two milliseconds, starting a worker fifty. */
const DEFAULT_MAX_INLINE_BYTES = 262_144;

/**
 * Indexes lists without blocking this process: those above `maxInlineBytes` (default 262144) in a worker thread, one list
 * at a time, so that no more than one is in the memory of a worker.
 */
export class CrlIndexer {
  readonly #maxInlineBytes: number;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor({ maxInlineBytes = DEFAULT_MAX_INLINE_BYTES }: { readonly maxInlineBytes?: number } = {}) {
    this.#maxInlineBytes = maxInlineBytes;
  }

  /**
   * As `indexCrl`, which verifies the list first by one of the signers. The bytes of a long list are copied.
   *
   * @throws ERR_CRL_MALFORMED, ERR_CRL_UNTRUSTED
   */
  async index(der: Uint8Array, signers: readonly Certificate[]): Promise<CrlIndex> {
    if (der.length <= this.#maxInlineBytes) return indexCrl(der, signers);
    const mine = this.#last.then(() => indexInWorker(der, signers, this.#closing.signal));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Makes calls that are under way reject. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the CRL indexer is closed'));
    await this.#last;
  }
}

async function indexInWorker(
  der: Uint8Array,
  signers: readonly Certificate[],
  closing: AbortSignal,
): Promise<CrlIndex> {
  closing.throwIfAborted();
  // Copies: a transferred buffer is lost here, and a view would transfer its whole buffer.
  const task: CrlTask = {
    der: new Uint8Array(der),
    signers: signers.map((signer) => new Uint8Array(signer.der)),
  };
  const buffers = [task.der, ...task.signers].flatMap(({ buffer }) =>
    buffer instanceof ArrayBuffer ? [buffer] : [],
  );
  // The worker's file ends as this one does: .ts from source, .js when built.
  const file = new URL(`./crl-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(file, { workerData: task, transferList: buffers });
  const stop = (): void => void worker.terminate();
  closing.addEventListener('abort', stop);
  try {
    return indexFrom(await replyOf(worker));
  } catch (error) {
    closing.throwIfAborted();
    throw error;
  } finally {
    closing.removeEventListener('abort', stop);
    await worker.terminate();
  }
}

function replyOf(worker: Worker): Promise<CrlReply> {
  const { promise, resolve, reject } = Promise.withResolvers<CrlReply>();
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new Error(`the CRL worker ended with code ${code} and no answer`)));
  return promise;
}

function indexFrom(reply: CrlReply): CrlIndex {
  if ('malformed' in reply) throw new OpenBankingError('ERR_CRL_MALFORMED', reply.malformed);
  if ('untrusted' in reply) throw new OpenBankingError('ERR_CRL_UNTRUSTED', reply.untrusted);
  return new CrlIndex(reply.parts);
}
