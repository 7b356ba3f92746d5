import { open, readdir, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { takeFolderTurn } from '../files/folder-turn.ts';
import { CHAIN_LINES, lineHash, lineText, parseLine, type ReadLine } from './line/audit-line.ts';
import { parseCheckpoint, signedCheckpoint } from './line/checkpoint.ts';
import type { LastCheckpoint } from './last-checkpoint.ts';
import { MerkleTree } from './line/merkle-tree.ts';
import { parseSegmentName, segmentName } from './line/segment-name.ts';
import type { AuditKey } from './line/signing-key.ts';
import { readPart } from './reading/file-part.ts';

/** A process of another host has ended when its file shows no life for so long; it shows some once a minute. */
const SILENT_SECONDS = 180;
/** A process of this host whose number is in use: of that process, or of another one since. */
const LONG_SILENT_SECONDS = 86_400;
/** Files in which the last checkpoint of a chain is looked for. */
const MAX_FILES = 4;
const LINE_BREAK = 10;
const TURN = 'turn.lock';

export interface Completion {
  readonly key: AuditKey;
  readonly last: LastCheckpoint;
  /** The chain of this process. */
  readonly by: string;
}

export interface CompletedChain {
  readonly process: string;
  readonly tornBytes: number;
}

/** The end of a chain as its last files have it. */
interface ChainEnd {
  readonly process: string;
  readonly file: string;
  readonly last: ReadLine;
  readonly lastHash: string;
  /** Hashes of the lines from the last checkpoint on. */
  readonly uncovered: readonly string[];
  /** Octets behind the last whole line. */
  readonly torn: Buffer;
  /** Whether the last line lacks nothing but its line break. */
  readonly lacksLineBreak: boolean;
}

/** Writes the ends of chains whose processes were killed: a torn line is reported, and a final checkpoint covers the rest. */
export class EndedChains {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #finished = new Set<string>();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** One process at a time; the others return an empty list. */
  async complete({ key, last, by }: Completion): Promise<readonly CompletedChain[]> {
    const turn = await takeFolderTurn(join(this.#folder, TURN), this.#clock);
    if (turn === undefined) return [];
    try {
      const completed: CompletedChain[] = [];
      for (const [process, files] of await this.#chains()) {
        if (process === by || this.#finished.has(process)) continue;
        await turn.renew();
        const end = await this.#endOf(process, files);
        if (end === undefined) continue;
        await this.#write(end, { key, last, by });
        this.#finished.add(process);
        completed.push({ process, tornBytes: end.torn.length });
      }
      return completed;
    } finally {
      await turn.end();
    }
  }

  async #chains(): Promise<Map<string, number[]>> {
    const chains = new Map<string, number[]>();
    for (const name of await readdir(this.#folder)) {
      const segment = parseSegmentName(name);
      if (segment === undefined) continue;
      const numbers = chains.get(segment.process) ?? [];
      numbers.push(segment.number);
      chains.set(
        segment.process,
        numbers.sort((a, b) => a - b),
      );
    }
    return chains;
  }

  /** Undefined for a chain that has its end, or whose process may live. */
  async #endOf(process: string, numbers: readonly number[]): Promise<ChainEnd | undefined> {
    const files = numbers.map((number) => join(this.#folder, segmentName(process, number)));
    const [first, file] = [files[0], files.at(-1)];
    if (first === undefined || file === undefined) return undefined;
    if (await isFinished(file)) {
      this.#finished.add(process);
      return undefined;
    }
    const silentSeconds = (this.#clock.now().getTime() - (await stat(file)).mtimeMs) / 1000;
    return silentSeconds > (await patienceFor(first)) ? readEnd(process, files) : undefined;
  }

  async #write(end: ChainEnd, { key, last, by }: Completion): Promise<void> {
    const { process, torn, lacksLineBreak } = end;
    const handle = await open(end.file, 'a');
    try {
      const at = this.#clock.now().toISOString();
      const tornFacts = { bytes: torn.length, hash: lineHash(torn) };
      const content = {
        ...{ at, event: CHAIN_LINES.completed, by },
        ...(torn.length === 0 ? {} : { torn: tornFacts }),
      };
      const uncovered = [...end.uncovered];
      const chain = { sequence: end.last.sequence, previous: end.lastHash };
      const append = async (line: string, prefix = '') => {
        chain.sequence += 1;
        chain.previous = lineHash(line);
        uncovered.push(chain.previous);
        await handle.write(`${prefix}${line}\n`);
        await handle.datasync();
      };
      const placeNow = () => ({ process, sequence: chain.sequence + 1, previous: chain.previous });
      await append(lineText(content, placeNow()), torn.length > 0 || lacksLineBreak ? '\n' : '');
      await last.advance(async (before) => {
        const covers = {
          first: chain.sequence - uncovered.length + 1,
          last: chain.sequence,
          root: rootOf(uncovered),
        };
        const place = placeNow();
        const signed = signedCheckpoint({ at, place, covers, ...before, isFinal: true }, key);
        uncovered.length = 0;
        await append(lineText(signed, place));
        return { number: signed.number, process, sequence: place.sequence, hash: chain.previous };
      });
    } finally {
      await handle.close();
    }
  }
}

/** Seconds without a sign of life after which the process of a chain has ended. */
async function patienceFor(firstFile: string): Promise<number> {
  const [line = ''] = (await readPart(firstFile, 'start')).split('\n', 1);
  const { host, pid } = parseLine(line)?.members ?? {};
  if (host !== hostname() || typeof pid !== 'number') return SILENT_SECONDS;
  if (pid === process.pid) return -1;
  try {
    process.kill(pid, 0);
    return LONG_SILENT_SECONDS;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? -1 : LONG_SILENT_SECONDS;
  }
}

/** Whether the last line is the checkpoint that ends a chain. */
async function isFinished(file: string): Promise<boolean> {
  const line = (await readPart(file, 'end')).split('\n').at(-2) ?? '';
  return parseCheckpoint(parseLine(line)?.members ?? {})?.isFinal === true;
}

async function readEnd(process: string, files: readonly string[]): Promise<ChainEnd | undefined> {
  const file = files.at(-1) ?? '';
  let hashes: string[] = [];
  let last: ReadLine | undefined;
  let torn: Buffer = Buffer.alloc(0);
  let lacksLineBreak = false;
  for (const name of files.slice(-MAX_FILES)) {
    const bytes = await readFile(name);
    let start = 0;
    for (let end = bytes.indexOf(LINE_BREAK); end !== -1; end = bytes.indexOf(LINE_BREAK, start)) {
      const line = bytes.subarray(start, end);
      start = end + 1;
      last = parseLine(line.toString()) ?? last;
      if (last?.event === CHAIN_LINES.checkpoint) hashes = [];
      hashes.push(lineHash(line));
    }
    torn = bytes.subarray(start);
  }
  const whole = parseLine(torn.toString());
  if (whole !== undefined) {
    last = whole;
    hashes.push(lineHash(torn));
    lacksLineBreak = true;
    torn = Buffer.alloc(0);
  }
  const lastHash = hashes.at(-1);
  if (last === undefined || lastHash === undefined) return undefined;
  return { process, file, last, lastHash, uncovered: hashes, torn, lacksLineBreak };
}

function rootOf(leaves: readonly string[]): string {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.add(leaf);
  return tree.root();
}
