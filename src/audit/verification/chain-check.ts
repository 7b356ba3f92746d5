import { CHAIN_LINES, lineHash, parseLine, type ReadLine } from '../line/audit-line.ts';
import { MerkleTree } from '../line/merkle-tree.ts';
import { type Checkpoint, parseCheckpoint } from '../line/checkpoint.ts';
import type { Fault, FaultKind, Place } from './fault.ts';

/** A line that comes again is known as doubled for so many lines. */
const REMEMBERED = 4096;

/** A checkpoint that was read. */
export interface FoundCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly hash: string;
  readonly place: Place;
}

export interface ChainCheckOptions {
  readonly process: string;
  /** Whether earlier files of the chain may have been archived elsewhere. */
  readonly mayBeginLater: boolean;
  /** Called with each checkpoint, in the order of the lines; returns whether its signature holds. */
  readonly onCheckpoint: (found: FoundCheckpoint) => boolean;
}

interface Unreadable {
  readonly place: Place;
  readonly hash: string;
}

interface Range {
  from: number;
  to: number;
  readonly place: Place | undefined;
  readonly missingFile: string | undefined;
}

/** Verifies the lines of one chain in one pass: numbers, hashes, and the trees of checkpoints. */
export class ChainCheck {
  readonly #options: ChainCheckOptions;
  readonly #faults: Fault[] = [];
  readonly #missing: Range[] = [];
  readonly #recent = new Map<number, string>();
  readonly #tree = new MerkleTree();
  #sequence = 0;
  #hash = '';
  #place: Place | undefined;
  #file = '';
  #line = 0;
  #lines = 0;
  /** The line before the last one, when the last one does not follow it. */
  #suspect: Place | undefined;
  #unreadable: Unreadable | undefined;
  /** The hash of the last line as it was written is not known. */
  #isHashUnknown = false;
  #isIntact = true;
  #isFinal = false;
  #missingFile: string | undefined;
  #torn = 0;

  constructor(options: ChainCheckOptions) {
    this.#options = options;
  }

  get lines(): number {
    return this.#lines;
  }

  /** The number of the last line. */
  get last(): number {
    return this.#sequence;
  }

  /** Whether the chain has its end; else its process runs, or was killed. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** Octets of a torn line at the end. */
  get torn(): number {
    return this.#torn;
  }

  /** Begins the next file; `missing` is the name of a file that should have come before it. */
  begin(file: string, missing: string | undefined): void {
    this.#file = file;
    this.#line = 0;
    this.#missingFile = missing;
  }

  /** Takes the next line, without its line break. */
  take(bytes: Buffer): void {
    this.#line += 1;
    this.#lines += 1;
    const hash = lineHash(bytes);
    const place = { file: this.#file, line: this.#line };
    const read = parseLine(bytes.toString());
    if (read === undefined) {
      this.#settleUnreadable(undefined);
      this.#unreadable = { place, hash };
      this.#isIntact = false;
      return;
    }
    this.#settleUnreadable(read);
    if (read.process !== this.#options.process) this.#fault('added', place, 'a line of another chain');
    else if (this.#follows(read, hash, place)) this.#accept(read, { hash, place });
  }

  /** Takes the octets behind the last line break, and returns every fault. */
  end(torn: Buffer): readonly Fault[] {
    this.#torn = torn.length;
    this.#settleUnreadable(undefined);
    if (this.#suspect !== undefined)
      this.#fault('changed', this.#suspect, 'the line, or the one behind it, is not as written');
    const { process } = this.#options;
    const missing = this.#missing.map(({ from, to, place, missingFile }): Fault => {
      const lines = from === to ? `line ${from}` : `lines ${from} to ${to}`;
      if (missingFile === undefined)
        return {
          kind: 'missing',
          process,
          ...place,
          from,
          to,
          message: `${lines} of the chain missing before this one`,
        };
      return {
        kind: 'missing-file',
        process,
        file: missingFile,
        from,
        to,
        message: `the file is missing, with ${lines} of the chain`,
      };
    });
    return [...this.#faults, ...missing];
  }

  /** Whether the line takes the next place of the chain. */
  #follows(read: ReadLine, hash: string, place: Place): boolean {
    const { sequence, previous } = read;
    const isLinked = previous === this.#hash && (this.#sequence > 0 || previous === '');
    if (sequence === this.#sequence + 1) {
      this.#settleSuspect(isLinked, place);
      return true;
    }
    if (isLinked && this.#sequence > 0) {
      this.#fault('changed', place, `its number is ${sequence}, and should be ${this.#sequence + 1}`);
      this.#isHashUnknown = true;
      this.#sequence += 1;
      return false;
    }
    if (sequence > this.#sequence) {
      const mayBegin = this.#sequence === 0 && this.#options.mayBeginLater;
      if (!mayBegin) this.#noteMissing(this.#sequence + 1, sequence - 1, place);
      this.#settleSuspect(true, place);
      return true;
    }
    if (this.#recent.get(sequence) === hash)
      this.#fault('doubled', place, `line ${sequence} of the chain again`);
    else if (this.#isFoundLate(sequence))
      this.#fault('reordered', place, `line ${sequence} of the chain, out of its place`);
    else this.#fault('added', place, `a second line ${sequence} of the chain`);
    return false;
  }

  #accept(read: ReadLine, at: { readonly hash: string; readonly place: Place }): void {
    if (this.#isFinal && read.event !== CHAIN_LINES.checkpoint) {
      this.#fault('added', at.place, 'a line behind the end of the chain');
    }
    if (read.event === CHAIN_LINES.checkpoint) this.#takeCheckpoint(read, at);
    this.#tree.add(at.hash);
    this.#recent.set(read.sequence, at.hash);
    this.#recent.delete(read.sequence - REMEMBERED);
    this.#sequence = read.sequence;
    this.#hash = at.hash;
    this.#place = at.place;
  }

  #takeCheckpoint(
    { members }: ReadLine,
    { hash, place }: { readonly hash: string; readonly place: Place },
  ): void {
    const checkpoint = parseCheckpoint(members);
    const isSigned = checkpoint !== undefined && this.#options.onCheckpoint({ checkpoint, hash, place });
    if (!isSigned) this.#fault('forged', place, 'a checkpoint without a valid signature of a known key');
    else if (this.#isIntact && checkpoint.covers.first > 0 && checkpoint.covers.root !== this.#tree.root()) {
      const { first, last } = checkpoint.covers;
      this.#fault('changed', place, `lines ${first} to ${last} are not those that the checkpoint covers`);
    }
    if (checkpoint?.isFinal === true) this.#isFinal = true;
    this.#tree.clear();
    this.#isIntact = true;
  }

  /** A line that does not follow its predecessor: the next line shows which of the two is changed. */
  #settleSuspect(isLinked: boolean, place: Place): void {
    const isKnown = !this.#isHashUnknown;
    this.#isHashUnknown = false;
    const suspect = this.#suspect;
    this.#suspect = undefined;
    if (suspect !== undefined) {
      this.#fault('changed', isLinked ? suspect : (this.#place ?? suspect), 'the line is not as written');
    } else if (!isLinked && isKnown && this.#sequence > 0) {
      this.#suspect = this.#place ?? place;
      this.#isIntact = false;
    }
  }

  /** A line that cannot be read is a changed line, an added one, or torn: then its chain says so in the next line. */
  #settleUnreadable(next: ReadLine | undefined): void {
    const unreadable = this.#unreadable;
    if (unreadable === undefined) return;
    this.#unreadable = undefined;
    const torn = next?.event === CHAIN_LINES.completed ? next.members.torn : undefined;
    if (typeof torn === 'object' && torn !== null && 'hash' in torn && torn.hash === unreadable.hash) return;
    const isAdded = next?.sequence === this.#sequence + 1;
    this.#fault(isAdded ? 'added' : 'changed', unreadable.place, 'no line of an audit record');
    if (isAdded) return;
    this.#sequence += 1;
    this.#place = unreadable.place;
    this.#isHashUnknown = true;
  }

  #noteMissing(from: number, to: number, place: Place): void {
    this.#isIntact = false;
    this.#isHashUnknown = true;
    this.#missing.push({ from, to, place, missingFile: this.#line === 1 ? this.#missingFile : undefined });
  }

  #isFoundLate(sequence: number): boolean {
    const at = this.#missing.findIndex(({ from, to }) => from <= sequence && sequence <= to);
    const range = this.#missing[at];
    if (range === undefined) return false;
    const { place, missingFile } = range;
    const rest = [
      { from: range.from, to: sequence - 1, place, missingFile },
      { from: sequence + 1, to: range.to, place, missingFile },
    ];
    this.#missing.splice(at, 1, ...rest.filter(({ from, to }) => from <= to));
    return true;
  }

  #fault(kind: FaultKind, place: Place, message: string): void {
    this.#isIntact = false;
    this.#faults.push({ kind, process: this.#options.process, ...place, message });
  }
}
