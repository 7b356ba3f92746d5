import { hash } from 'node:crypto';

/** Begins the text of an inner node (RFC 6962 §2.1); no line begins with this byte. */
const NODE = 1;
const HASH_BYTES = 32;

interface Peak {
  /** In base64url, as every hash here. */
  readonly hash: string;
  readonly leaves: number;
}

/** The Merkle tree over the hashes of lines (RFC 6962 §2.1), of which only the peaks are kept. */
export class MerkleTree {
  readonly #peaks: Peak[] = [];

  add(leaf: string): void {
    let peak: Peak = { hash: leaf, leaves: 1 };
    for (let last = this.#peaks.at(-1); last?.leaves === peak.leaves; last = this.#peaks.at(-1)) {
      peak = { hash: nodeOf(last.hash, peak.hash), leaves: last.leaves * 2 };
      this.#peaks.pop();
    }
    this.#peaks.push(peak);
  }

  /** The root in base64url; empty for a tree without leaves. */
  root(): string {
    const last = this.#peaks.at(-1);
    if (last === undefined) return '';
    return this.#peaks.slice(0, -1).reduceRight((right, { hash: left }) => nodeOf(left, right), last.hash);
  }

  clear(): void {
    this.#peaks.length = 0;
  }
}

/** A neighbour on the way from a leaf to the root, and the side on which the neighbour lies. */
export type ProofStep = readonly ['left' | 'right', string];

/** The proofs of the lines of one tree. The root of each part is computed once. */
export class MerkleProofs {
  readonly #leaves: readonly string[];
  readonly #roots = new Map<string, string>();

  constructor(leaves: readonly string[]) {
    this.#leaves = leaves;
  }

  /** The neighbours that lead from the leaf `index` to the root, the lowest first (RFC 6962 §2.1.1). */
  of(index: number): readonly ProofStep[] {
    const steps: ProofStep[] = [];
    let [start, end] = [0, this.#leaves.length];
    while (end - start > 1) {
      const middle = start + halfOf(end - start);
      if (index < middle) {
        steps.push(['right', this.#rootOf(middle, end)]);
        end = middle;
      } else {
        steps.push(['left', this.#rootOf(start, middle)]);
        start = middle;
      }
    }
    return steps.toReversed();
  }

  #rootOf(start: number, end: number): string {
    const key = `${start} ${end}`;
    const known = this.#roots.get(key);
    if (known !== undefined) return known;
    const root = this.#compute(start, end);
    this.#roots.set(key, root);
    return root;
  }

  #compute(start: number, end: number): string {
    if (end - start === 1) return this.#leaves[start] ?? '';
    const middle = start + halfOf(end - start);
    return nodeOf(this.#rootOf(start, middle), this.#rootOf(middle, end));
  }
}

/** The largest power of two below the number of leaves (RFC 6962 §2.1). */
function halfOf(leaves: number): number {
  return 2 ** Math.ceil(Math.log2(leaves) - 1);
}

/** The root to which a proof leads. */
export function rootOfProof(leaf: string, steps: readonly ProofStep[]): string {
  return steps.reduce(
    (root, [side, neighbour]) => (side === 'left' ? nodeOf(neighbour, root) : nodeOf(root, neighbour)),
    leaf,
  );
}

const node = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);

function nodeOf(left: string, right: string): string {
  node.fill(0, 1);
  node.write(left, 1, HASH_BYTES, 'base64url');
  node.write(right, 1 + HASH_BYTES, HASH_BYTES, 'base64url');
  return hash('sha256', node, 'base64url');
}
