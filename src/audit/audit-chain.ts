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
/** Turns of the event loop in which lines for which requests wait are gathered. */
const MAX_TURNS = 4;
/** Most lines without text and hash. Lines that are hashed together cost about half as much as one by one. */
const MAX_UNHASHED = 256;
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

/** An event on its way into the chain. */
export interface ChainEntry {
  readonly at: Date;
  readonly event: string;
  readonly members: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly unhashed: ChainEntry[];
  text: string;
  /** The sequence number of the last line in the text. */
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
  /** Turns since a request waits for lines that are not yet on their way; 0 when none waits. */
  #turn = 0;
  #writing: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  get isFailing(): boolean {
    return this.#failingSince !== undefined;
  }

  /** Appends a line; drops and counts the line when there is no room. */
  append(entry: ChainEntry): void {
    const { unhashed, text } = this.#pending;
    if (text.length + (this.#inFlight?.text.length ?? 0) >= MAX_WAITING_CHARACTERS) {
      this.#gap = { count: (this.#gap?.count ?? 0) + 1, since: this.#gap?.since ?? entry.at };
      return;
    }
    unhashed.push(entry);
    if (unhashed.length === MAX_UNHASHED) this.#hashPending();
    this.#gather();
  }

  /** Appends a checkpoint of all lines that no checkpoint covers yet, and returns its place. */
  appendCheckpoint(
    contentOf: (
      covered: Covered,
      place: { readonly sequence: number; readonly previous: string },
    ) => LineContent,
  ) {
    this.#hashPending();
    const covered = { first: this.#firstUncovered, last: this.#sequence, root: this.#tree.root() };
    const place = { sequence: this.#sequence + 1, previous: this.#previous };
    this.#tree.clear();
    this.#firstUncovered = place.sequence;
    this.#add(contentOf(covered, place));
    this.#gather();
    return { sequence: place.sequence, hash: this.#previous };
  }

  /** Resolves when every line so far is durable. @throws ERR_AUDIT_UNAVAILABLE */
  durable(): Promise<void> {
    const batch = isEmpty(this.#pending) ? this.#inFlight : this.#pending;
    if (batch === undefined) return Promise.resolve();
    if (this.isFailing) return Promise.reject(this.unavailable());
    if (batch.settled === undefined) {
      batch.settled = Promise.withResolvers();
      batch.settled.promise.catch(() => undefined);
    }
    this.#writeSoon();
    return batch.settled.promise;
  }

  /** The refusal of a request whose line cannot be written. */
  unavailable(): OpenBankingError<'ERR_AUDIT_UNAVAILABLE'> {
    return new OpenBankingError('ERR_AUDIT_UNAVAILABLE', {}, { cause: this.#failure });
  }

  /** Writes what waits, as far as the output takes it within some seconds. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.race([this.#writeAll(), sleep(CLOSE_MILLISECONDS)]);
    this.#isClosing = true;
    await this.#options.output.close();
  }

  #add(content: LineContent): void {
    this.#sequence += 1;
    const { process } = this.#options;
    const line = lineText(content, { process, sequence: this.#sequence, previous: this.#previous });
    this.#previous = lineHash(line);
    this.#tree.add(this.#previous);
    this.#pending.text += `${line}\n`;
    this.#pending.last = this.#sequence;
  }

  #hashPending(): void {
    const { unhashed } = this.#pending;
    for (const { at, event, members } of unhashed) this.#add({ at: at.toISOString(), event, ...members });
    unhashed.length = 0;
  }

  /** Writes within the time in which lines are gathered. */
  #gather(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#begin();
    }, GATHERED_MILLISECONDS).unref();
  }

  /** Writes after a turn of the event loop that brought no further line, so that a busy server writes many at once. */
  #writeSoon(): void {
    if (this.#turn > 0 || this.#inFlight !== undefined) return;
    const takeTurn = (before: number) => {
      this.#turn += 1;
      setImmediate(() => {
        const isMore = this.#pending.unhashed.length > before;
        if (isMore && this.#turn < MAX_TURNS && this.#inFlight === undefined)
          takeTurn(this.#pending.unhashed.length);
        else this.#begin();
      });
    };
    takeTurn(this.#pending.unhashed.length);
  }

  async #writeAll(): Promise<void> {
    while (this.#inFlight !== undefined || !isEmpty(this.#pending)) {
      this.#begin();
      await this.#writing;
    }
  }

  #begin(): void {
    this.#turn = 0;
    if (this.#inFlight === undefined && !isEmpty(this.#pending)) this.#writing = this.#writePending();
  }

  async #writePending(): Promise<void> {
    this.#hashPending();
    const batch = this.#pending;
    this.#inFlight = batch;
    this.#pending = emptyBatch();
    await this.#write(batch);
    this.#inFlight = undefined;
    this.#reportGap();
    if (this.#pending.settled !== undefined) this.#writeSoon();
    else if (!isEmpty(this.#pending)) this.#gather();
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
  return { unhashed: [], text: '', last: 0, settled: undefined };
}

function isEmpty({ unhashed, text }: Waiting): boolean {
  return unhashed.length === 0 && text === '';
}
