import type { CheckpointLink } from '../line/checkpoint.ts';
import type { FoundCheckpoint } from './chain-check.ts';
import type { Fault } from './fault.ts';

/** A chain as far as it was read. */
export interface ReadChain {
  readonly last: number;
}

export interface CheckpointCheckOptions {
  /** Every checkpoint with a valid signature. */
  readonly found: readonly FoundCheckpoint[];
  /** By the name of the chain. */
  readonly chains: ReadonlyMap<string, ReadChain>;
  /** The last checkpoint that the store has; undefined when the store was not asked, or has none. */
  readonly stored: CheckpointLink | undefined;
  /** Earlier checkpoints may have been archived elsewhere. Default 1: none. */
  readonly since?: number | undefined;
}

/**
 * Follows the checkpoints of all processes from the last one back to the first. A checkpoint that is named and not there
 * shows that the end of a chain, or a whole file, is missing.
 */
export function checkCheckpoints({
  found,
  chains,
  stored,
  since = 1,
}: CheckpointCheckOptions): readonly Fault[] {
  const byHash = new Map(found.map((one) => [one.hash, one]));
  const byNumber = found.toSorted((a, b) => a.checkpoint.number - b.checkpoint.number);
  const faults: Fault[] = [];
  const newest = byNumber.at(-1);
  const seen = new Set<string>();
  const links = [stored, newest === undefined ? undefined : linkTo(newest)].filter(
    (one) => one !== undefined,
  );
  for (let link = links.pop(); link !== undefined; link = links.pop()) {
    const { number, hash, process } = link;
    if (number < since || seen.has(hash)) continue;
    seen.add(hash);
    const one = byHash.get(hash);
    if (one !== undefined) {
      const { after, seen: later } = one.checkpoint;
      links.push(...[after, later].filter((before) => before !== undefined));
      continue;
    }
    faults.push(faultOf(link, chains.get(process)));
    const before = byNumber.findLast(({ checkpoint }) => checkpoint.number < number);
    if (before !== undefined) links.push(linkTo(before));
  }
  return faults;
}

function linkTo({ checkpoint: { number, process, sequence }, hash }: FoundCheckpoint): CheckpointLink {
  return { number, process, sequence, hash };
}

function faultOf({ number, process, sequence }: CheckpointLink, chain: ReadChain | undefined): Fault {
  const named = `checkpoint ${number} names line ${sequence} of the chain`;
  if (chain === undefined) {
    return {
      kind: 'missing-file',
      process,
      from: 1,
      to: sequence,
      message: `${named}, and no file of the chain is there`,
    };
  }
  if (chain.last < sequence) {
    return {
      kind: 'cut',
      process,
      from: chain.last + 1,
      to: sequence,
      message: `${named}, which ends at line ${chain.last}`,
    };
  }
  return {
    kind: 'changed',
    process,
    from: sequence,
    to: sequence,
    message: `${named}, and that line is another one`,
  };
}
