import { openSync, write, writeSync } from 'node:fs';

/** Lines are written together: one by one they cost a tenth of a token. */
const CHUNK_CHARACTERS = 8192;
/** Chunks of one write, while lines come faster than writes end. A pipe holds so much (pipe(7)). */
const MAX_CHUNKS = 8;
const GATHERED_MILLISECONDS = 100;
/** Some 10,000 lines, while the disk is full or the reader stands still. */
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024;
/** How long a process that has nothing else to do waits for its last lines to be taken. */
const LAST_ATTEMPTS = 10;

/** Lines that were dropped one after the other, because they could not be written. */
export interface Gap {
  readonly count: number;
  readonly since: Date;
}

export interface LineOutputOptions {
  /** Standard output, or a file that is appended to and made with mode 0600. */
  readonly target: 'stdout' | { readonly file: string };
  readonly now: () => Date;
  /** Called when lines can be written again after some were dropped; may write a line about the gap. */
  readonly onGap: (gap: Gap) => void;
  readonly maxWaiting?: number;
}

/**
 * Writes lines to a file, pipe or terminal. The output never blocks, never throws and never ends the process: lines
 * that cannot be written wait up to a bound, then are dropped and counted. A torn chunk is completed first, so that
 * every line in the output is whole.
 */
export class LineOutput {
  /** All outputs of the process, which share the listeners of its end. */
  static readonly #all: LineOutput[] = [];

  readonly #options: LineOutputOptions;
  readonly #maxWaiting: number;
  readonly #fd: number;
  /** Whole lines; the last chunk is still growing. */
  readonly #chunks: string[] = [];
  #waiting = 0;
  /** The rest of a chunk of which a part may be written already. */
  #underWay: Buffer | undefined;
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;
  #gap: Gap | undefined;
  #attemptsLeft = LAST_ATTEMPTS;

  constructor(options: LineOutputOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING_CHARACTERS;
    this.#fd = openTarget(options.target);
    if (LineOutput.#all.length === 0) LineOutput.#hookIntoEnd();
    LineOutput.#all.push(this);
  }

  static #hookIntoEnd(): void {
    process.on('exit', () => {
      for (const output of LineOutput.#all) output.#writeNow();
    });
    process.on('beforeExit', () => {
      for (const output of LineOutput.#all) output.#waitForReader();
    });
  }

  /**
   * Whether a line may be written now; a line that may not counts as dropped. The second half of the room is for
   * acknowledgements only.
   */
  hasRoom(isAcknowledgement: boolean): boolean {
    if (this.#waiting < (isAcknowledgement ? this.#maxWaiting : this.#maxWaiting / 2)) return true;
    this.#gap = { count: (this.#gap?.count ?? 0) + 1, since: this.#gap?.since ?? this.#options.now() };
    return false;
  }

  /** Takes one line with its line break. */
  write(line: string): void {
    const last = this.#chunks.length - 1;
    const open = this.#chunks[last];
    if (open === undefined || open.length + line.length > CHUNK_CHARACTERS) this.#chunks.push(line);
    else this.#chunks[last] = open + line;
    this.#waiting += line.length;
    if (this.#chunks.length > 1) this.#writeNext();
    this.#timer ??= setTimeout(() => this.#onTimer(), GATHERED_MILLISECONDS).unref();
  }

  get #isEmpty(): boolean {
    return this.#waiting === 0 && this.#underWay === undefined;
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#writeNext();
    // A failed attempt is repeated by the next timer, at the latest.
    if (!this.#isEmpty) this.#timer = setTimeout(() => this.#onTimer(), GATHERED_MILLISECONDS).unref();
  }

  #writeNext(): void {
    if (this.#isWriting) return;
    const bytes = this.#nextBytes();
    if (bytes === undefined) return;
    this.#isWriting = true;
    write(this.#fd, bytes, (error, written) => {
      this.#isWriting = false;
      if (error !== null) return;
      this.#written(bytes, written);
      if (this.#underWay !== undefined || this.#chunks.length > 1) this.#writeNext();
    });
  }

  #nextBytes(): Buffer | undefined {
    if (this.#underWay === undefined) {
      const text = this.#chunks.splice(0, MAX_CHUNKS).join('');
      if (text === '') return undefined;
      this.#waiting -= text.length;
      this.#underWay = Buffer.from(text);
    }
    return this.#underWay;
  }

  #written(bytes: Buffer, written: number): void {
    this.#underWay = written < bytes.length ? bytes.subarray(written) : undefined;
    const gap = this.#gap;
    if (gap === undefined || this.#waiting > this.#maxWaiting / 4) return;
    this.#gap = undefined;
    this.#options.onGap(gap);
  }

  /** The last lines of a process, as far as the output takes them at once. */
  #writeNow(): void {
    // A write under way in another thread will end, and must not be repeated.
    if (this.#isWriting) this.#underWay = undefined;
    try {
      for (let bytes = this.#nextBytes(); bytes !== undefined; bytes = this.#nextBytes()) {
        this.#written(bytes, writeSync(this.#fd, bytes));
      }
    } catch {
      // No place is left to report to: this was the log.
    }
  }

  #waitForReader(): void {
    if (this.#attemptsLeft === 0 || this.#isEmpty) return;
    this.#attemptsLeft -= 1;
    this.#writeNext();
    setTimeout(() => {}, GATHERED_MILLISECONDS);
  }
}

/** The file descriptor. A pipe or socket is made non-blocking, else its reader could hold a thread of ours for ever. */
function openTarget(target: LineOutputOptions['target']): number {
  if (target !== 'stdout') return openSync(target.file, 'a', 0o600);
  // Node opens its stream of a pipe in non-blocking mode, and in no other way.
  void process.stdout;
  return 1;
}
