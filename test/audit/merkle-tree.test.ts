import { describe, expect, it } from 'vitest';
import { lineHash } from '../../src/audit/line/audit-line.ts';
import { MerkleProofs, MerkleTree, rootOfProof } from '../../src/audit/line/merkle-tree.ts';

describe('the Merkle tree of a checkpoint (RFC 6962 §2.1)', () => {
  it.each([1, 2, 3, 4, 5, 7, 8, 33])('proves each of %i lines, and no other line', (count) => {
    const leaves = Array.from({ length: count }, (_, at) => lineHash(`line ${at}`));
    const tree = new MerkleTree();
    for (const leaf of leaves) tree.add(leaf);
    const proofs = new MerkleProofs(leaves);
    for (const [at, leaf] of leaves.entries()) {
      const proof = proofs.of(at);
      expect(rootOfProof(leaf, proof)).toBe(tree.root());
      expect(rootOfProof(lineHash('another line'), proof)).not.toBe(tree.root());
    }
  });
});
