import { CHAIN_LINES, lineHash, parseLine, type ReadLine } from '../line/audit-line.ts';
import { MerkleProofs, type ProofStep } from '../line/merkle-tree.ts';
import type { AuditSegment, AuditSource } from '../reading/audit-source.ts';
import { visitLines } from '../reading/lines-of.ts';

export interface EvidenceQuery {
  /** The authorization number of the TPP. */
  readonly tpp: string;
  readonly from: Date;
  readonly to: Date;
}

/** A line about the TPP, and the way from its hash to the root that a checkpoint has signed. */
export interface EvidenceLine {
  readonly text: string;
  readonly line: ReadLine;
  readonly hash: string;
  /** Absent while no checkpoint covers the line. */
  readonly proof?: { readonly checkpoint: string; readonly steps: readonly ProofStep[] };
}

export interface Evidence {
  readonly lines: readonly EvidenceLine[];
  /** The lines of the checkpoints that cover them, by their hashes. */
  readonly checkpoints: ReadonlyMap<string, string>;
  /** Certificates of the TPP, by their fingerprints, in PEM; undefined for one that was not kept. */
  readonly certificates: ReadonlyMap<string, string | undefined>;
}

const DECISION = Buffer.from('"event":"tpp.decision.changed"');
/** Digits of a fingerprint by which other lines name a certificate. */
const PREFIX = 16;

/** Gathers what the record has about one TPP: lines, proofs, checkpoints and certificates. Reads the record twice. */
export async function gatherEvidence(source: AuditSource, query: EvidenceQuery): Promise<Evidence> {
  const segments = await source.segments();
  const fingerprints = await fingerprintsOf(segments, query);
  const prefixes = new Set([...fingerprints].map((one) => one.slice(0, PREFIX)));
  const checkpoints = new Map<string, string>();
  const lines: EvidenceLine[] = [];
  for (const parts of Map.groupBy(segments, ({ process }) => process).values()) {
    const range = new Range(query, prefixes);
    for (const part of parts) {
      await visitLines(part, (bytes) => {
        const covered = range.take(bytes);
        if (covered === undefined || covered.lines.length === 0) return;
        lines.push(...covered.lines);
        checkpoints.set(covered.hash, bytes.toString());
      });
    }
    lines.push(...range.uncovered());
  }
  const certificates = new Map<string, string | undefined>();
  for (const one of fingerprints) certificates.set(one, await source.findCertificate(one));
  return { lines: lines.toSorted((a, b) => (a.line.at < b.line.at ? -1 : 1)), checkpoints, certificates };
}

/** The lines of one chain since its last checkpoint. */
class Range {
  readonly #query: EvidenceQuery;
  readonly #needle: Buffer;
  readonly #prefixes: ReadonlySet<string>;
  #leaves: string[] = [];
  #chosen: { readonly index: number; readonly text: string; readonly line: ReadLine }[] = [];

  constructor(query: EvidenceQuery, prefixes: ReadonlySet<string>) {
    this.#query = query;
    this.#needle = needleOf(query);
    this.#prefixes = prefixes;
  }

  /** At a checkpoint: its hash, and the chosen lines that it covers. */
  take(bytes: Buffer): { readonly hash: string; readonly lines: readonly EvidenceLine[] } | undefined {
    const hash = lineHash(bytes);
    const line = parseLine(bytes.toString());
    const isCheckpoint = line?.event === CHAIN_LINES.checkpoint;
    const covered = isCheckpoint ? { hash, lines: this.#end(hash) } : undefined;
    if (line !== undefined && this.#isChosen(bytes, line)) {
      this.#chosen.push({ index: this.#leaves.length, text: bytes.toString(), line });
    }
    this.#leaves.push(hash);
    return covered;
  }

  /** Chosen lines that no checkpoint covers. */
  uncovered(): readonly EvidenceLine[] {
    return this.#chosen.map(({ text, line, index }) => ({ text, line, hash: this.#hashAt(index) }));
  }

  #end(checkpoint: string): readonly EvidenceLine[] {
    const proofs = new MerkleProofs(this.#leaves);
    const lines = this.#chosen.map(({ text, line, index }) => ({
      ...{ text, line, hash: this.#hashAt(index) },
      proof: { checkpoint, steps: proofs.of(index) },
    }));
    this.#leaves = [];
    this.#chosen = [];
    return lines;
  }

  #isChosen(bytes: Buffer, { at, members }: ReadLine): boolean {
    if (at < this.#query.from.toISOString() || at >= this.#query.to.toISOString()) return false;
    const { certificate } = members;
    return (
      bytes.includes(this.#needle) || (typeof certificate === 'string' && this.#prefixes.has(certificate))
    );
  }

  #hashAt(index: number): string {
    return this.#leaves[index] ?? '';
  }
}

async function fingerprintsOf(
  segments: readonly AuditSegment[],
  query: EvidenceQuery,
): Promise<ReadonlySet<string>> {
  const needle = needleOf(query);
  const found = new Set<string>();
  for (const segment of segments) {
    await visitLines(segment, (bytes) => {
      if (!bytes.includes(DECISION) || !bytes.includes(needle)) return;
      const fingerprint = parseLine(bytes.toString())?.members.fingerprint;
      if (typeof fingerprint === 'string' && /^[0-9a-f]{64}$/.test(fingerprint)) found.add(fingerprint);
    });
  }
  return found;
}

/** Lines name a TPP in their own member, or in the details of a refusal. */
function needleOf({ tpp }: EvidenceQuery): Buffer {
  return Buffer.from(JSON.stringify(tpp));
}
