import { setTimeout as sleep } from 'node:timers/promises';
import { OpenBankingError } from '../errors.ts';
import type { AuditOutput } from './audit-output.ts';
import { type LineContent, lineHash, lineText } from './line/audit-line.ts';
import type { Covered } from './line/checkpoint.ts';
import { MerkleTree } from './line/merkle-tree.ts';

/** Some 8,000 lines, while the output does not take them. */
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;
/** Lines for whose durability no request waits are gathered for so long. */
const GATHERED_MILLISECONDS = 100;
/** Lines for which requests wait: a sync for each of them would cost more than the line. */
const URGENT_MILLISECONDS = 2;
/** A write that has not ended by then counts as failed, although it may still succeed. */
const WRITE_MILLISECONDS = 2000;
const RETRY_MILLISECONDS = 250;
/** How long `close` tries to write the last lines. */
const CLOSE_MILLISECONDS = 3000;

export interface ChainOptions {
  readonly output: AuditOutput;
  /** The name of the chain. */
  readonly process: string;
  readonly now: () => Date;
  /** Called at the first write that failed. */
  readonly onFailing: (error: unknown) => void;
  /** Called when lines can be written again. */
  readonly onRecovered: (since: Date) => void;
  /** Called when there is room again after lines were dropped. */
  readonly onGap: (gap: { readonly count: number; readonly since: Date }) => void;
}

interface Waiting {
  text: string;
  last: number;
  /** Of those who wait for the durability of the batch. */
  settled: PromiseWithResolvers<void> | undefined;
}

/**
 * The lines of one process, each with the hash of the line before, and their way to the output. Lines that cannot be
 * written wait up to a bound; further ones are dropped, counted, and reported in the record itself.
 */
export class AuditChain {
  readonly #options: ChainOptions;
  #sequence = 0;
  #previous = '';
  readonly #tree = new MerkleTree();
  #firstUncovered = 1;
  #pending: Waiting = emptyBatch();
  #inFlight: Waiting | undefined;
  #failingSince: Date | undefined;
  #failure: unknown;
  #gap: { readonly count: number; readonly since: Date } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isUrgent = false;
  #writing: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  get isFailing(): boolean {
    return this.#failingSince !== undefined;
  }

  /** Appends a line; drops and counts the line when there is no room. */
  append(content: LineContent): void {
    if (this.#pending.text.length + (this.#inFlight?.text.length ?? 0) >= MAX_WAITING_CHARACTERS) {
      this.#gap = { count: (this.#gap?.count ?? 0) + 1, since: this.#gap?.since ?? this.#options.now() };
      return;
    }
    this.#add(content);
    this.#schedule(false);
  }

  /** Appends a checkpoint of all lines that no checkpoint covers yet, and returns its place. */
  appendCheckpoint(
    contentOf: (
      covered: Covered,
      place: { readonly sequence: number; readonly previous: string },
    ) => LineContent,
  ) {
    const covered = { first: this.#firstUncovered, last: this.#sequence, root: this.#tree.root() };
    const place = { sequence: this.#sequence + 1, previous: this.#previous };
    this.#tree.clear();
    this.#firstUncovered = place.sequence;
    this.#add(contentOf(covered, place));
    this.#schedule(false);
    return { sequence: place.sequence, hash: this.#previous };
  }

  /** Resolves when every line so far is durable. @throws ERR_AUDIT_UNAVAILABLE */
  durable(): Promise<void> {
    const batch = this.#pending.last > 0 ? this.#pending : this.#inFlight;
    if (batch === undefined) return Promise.resolve();
    if (this.isFailing) return Promise.reject(this.unavailable());
    if (batch.settled === undefined) {
      batch.settled = Promise.withResolvers();
      batch.settled.promise.catch(() => undefined);
    }
    this.#schedule(true);
    return batch.settled.promise;
  }

  /** The refusal of a request whose line cannot be written. */
  unavailable(): OpenBankingError<'ERR_AUDIT_UNAVAILABLE'> {
    return new OpenBankingError('ERR_AUDIT_UNAVAILABLE', {}, { cause: this.#failure });
  }

  /** Writes what waits, as far as the output takes it within some seconds. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#inFlight === undefined) this.#writing = this.#flush();
    await Promise.race([this.#writing, sleep(CLOSE_MILLISECONDS)]);
    this.#isClosing = true;
    await this.#options.output.close();
  }

  #add(content: LineContent): void {
    this.#sequence += 1;
    const { process } = this.#options;
    const line = lineText(content, { process, sequence: this.#sequence, previous: this.#previous });
    const hashed = lineHash(line);
    this.#tree.add(hashed);
    this.#previous = hashed.toString('base64url');
    this.#pending.text += `${line}\n`;
    this.#pending.last = this.#sequence;
  }

  #schedule(isUrgent: boolean): void {
    if (this.#inFlight !== undefined || (this.#timer !== undefined && (this.#isUrgent || !isUrgent))) return;
    clearTimeout(this.#timer);
    this.#isUrgent = isUrgent;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#writing = this.#flush();
      },
      isUrgent ? URGENT_MILLISECONDS : GATHERED_MILLISECONDS,
    );
    if (!isUrgent) this.#timer.unref();
  }

  async #flush(): Promise<void> {
    while (this.#pending.last > 0 && !this.#isClosing) {
      const batch = this.#pending;
      this.#inFlight = batch;
      this.#pending = emptyBatch();
      await this.#write(batch);
      this.#inFlight = undefined;
      this.#reportGap();
    }
  }

  async #write(batch: Waiting): Promise<void> {
    while (!this.#isClosing) {
      const limit = setTimeout(() => this.#fail(new Error('the write takes too long')), WRITE_MILLISECONDS);
      try {
        await this.#options.output.append(batch);
        clearTimeout(limit);
        this.#succeed(batch);
        return;
      } catch (error) {
        clearTimeout(limit);
        this.#fail(error);
      }
      await sleep(RETRY_MILLISECONDS, undefined, { ref: false });
    }
  }

  #fail(error: unknown): void {
    const isFirst = !this.isFailing;
    this.#failure = error;
    this.#failingSince ??= this.#options.now();
    for (const batch of [this.#inFlight, this.#pending]) {
      batch?.settled?.reject(this.unavailable());
      if (batch !== undefined) batch.settled = undefined;
    }
    if (isFirst) this.#options.onFailing(error);
  }

  #reportGap(): void {
    const gap = this.#gap;
    if (gap === undefined || this.#pending.text.length > MAX_WAITING_CHARACTERS / 4) return;
    this.#gap = undefined;
    this.#options.onGap(gap);
  }

  #succeed(batch: Waiting): void {
    batch.settled?.resolve();
    const since = this.#failingSince;
    this.#failingSince = undefined;
    if (since !== undefined) this.#options.onRecovered(since);
  }
}

function emptyBatch(): Waiting {
  return { text: '', last: 0, settled: undefined };
}
