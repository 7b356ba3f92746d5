import { hash } from 'node:crypto';

/** Begins the text of an inner node (RFC 6962 §2.1); no line begins with this byte. */
const NODE = 1;
const HASH_BYTES = 32;

interface Peak {
  readonly hash: Buffer;
  readonly leaves: number;
}

/** The Merkle tree over the hashes of lines (RFC 6962 §2.1), of which only the peaks are kept. */
export class MerkleTree {
  readonly #peaks: Peak[] = [];

  add(leaf: Buffer): void {
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
    const root = this.#peaks
      .slice(0, -1)
      .reduceRight((right, { hash: left }) => nodeOf(left, right), last.hash);
    return root.toString('base64url');
  }

  clear(): void {
    this.#peaks.length = 0;
  }
}

/** A neighbour on the way from a leaf to the root, and the side on which the neighbour lies. */
export type ProofStep = readonly ['left' | 'right', string];

/** The neighbours that lead from the leaf `index` to the root, the lowest first (RFC 6962 §2.1.1). */
export function merkleProof(leaves: readonly Buffer[], index: number): readonly ProofStep[] {
  if (leaves.length < 2) return [];
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return index < half
    ? [...merkleProof(left, index), ['right', rootOf(right)]]
    : [...merkleProof(right, index - half), ['left', rootOf(left)]];
}

/** The root to which a proof leads. */
export function rootOfProof(leaf: Buffer, steps: readonly ProofStep[]): string {
  let root = leaf;
  for (const [side, text] of steps) {
    const neighbour = Buffer.from(text, 'base64url');
    root = side === 'left' ? nodeOf(neighbour, root) : nodeOf(root, neighbour);
  }
  return root.toString('base64url');
}

function rootOf(leaves: readonly Buffer[]): string {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.add(leaf);
  return tree.root();
}

const node = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);

function nodeOf(left: Buffer, right: Buffer): Buffer {
  left.copy(node, 1);
  right.copy(node, 1 + HASH_BYTES);
  return hash('sha256', node, 'buffer');
}
