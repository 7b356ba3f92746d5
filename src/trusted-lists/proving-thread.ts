import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OpenBankingError } from '../errors.ts';
import type { ProvedListOfLists, ProvedNationalList, ProvingTask } from './proving.ts';
import type { ProvingReply } from './proving-worker.ts';

/** Six times what the longest list takes. */
const MAX_HEAP_MEGABYTES = 1024;

type ProvedBy<Task extends ProvingTask> = Task extends { readonly kind: 'list-of-lists' }
  ? ProvedListOfLists
  : ProvedNationalList;

/** Proves lists in a thread, one after the other. The thread starts with the first, and lives until `close`. */
export class ProvingThread {
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * As `prove`.
   *
   * @throws ERR_TRUSTED_LIST_MALFORMED, ERR_TRUSTED_LIST_SIGNATURE, ERR_TRUSTED_LIST_SIGNER
   */
  async prove<Task extends ProvingTask>(task: Task): Promise<ProvedBy<Task>> {
    const mine = this.#last.then(() => this.#ask(task));
    this.#last = mine.catch(() => undefined);
    const reply = await mine;
    if ('code' in reply) throw new OpenBankingError(reply.code, reply.details);
    return reply.proved as ProvedBy<Task>;
  }

  /** Makes proofs that are under way reject. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
    await this.#last;
  }

  #ask(task: ProvingTask): Promise<ProvingReply> {
    this.#worker ??= new Worker(new URL(`./proving-worker${extname(import.meta.url)}`, import.meta.url), {
      execArgv: [],
      name: 'trusted-lists',
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MEGABYTES },
    });
    const worker = this.#worker;
    const { promise, resolve, reject } = Promise.withResolvers<ProvingReply>();
    const ended = (code: number) => reject(new Error(`the proving thread ended with code ${code}`));
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', ended);
    worker.postMessage(task);
    return promise.finally(() => {
      worker.off('message', resolve);
      worker.off('error', reject);
      worker.off('exit', ended);
    });
  }
}
