import type { KeyObject } from 'node:crypto';
import type { CheckpointLink } from '../line/checkpoint.ts';
import { isSigned } from '../line/checkpoint.ts';
import { segmentName } from '../line/segment-name.ts';
import { visitLines } from '../reading/lines-of.ts';
import type { AuditSegment, AuditSource } from '../reading/audit-source.ts';
import { ChainCheck, type FoundCheckpoint } from './chain-check.ts';
import { checkCheckpoints } from './checkpoint-check.ts';
import type { Fault } from './fault.ts';

export interface VerificationOptions {
  readonly source: AuditSource;
  /** The public keys of checkpoints, by their names. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** The last checkpoint that the store has; undefined when the store was not asked, or has none. */
  readonly stored: CheckpointLink | undefined;
  /** The first checkpoint that must be there; files of earlier ones may have been archived. */
  readonly since?: number | undefined;
  readonly onProgress?: (progress: { readonly bytes: number; readonly ofBytes: number }) => void;
}

export interface Verification {
  readonly lines: number;
  readonly chains: number;
  readonly files: number;
  readonly checkpoints: number;
  readonly faults: readonly Fault[];
  /** Chains without an end: their processes run, or were killed. */
  readonly open: readonly { readonly process: string; readonly lines: number; readonly tornBytes: number }[];
}

/** Verifies a whole record in one pass, and its checkpoints. Memory grows with the checkpoints, not with the lines. */
export async function verifyAudit(options: VerificationOptions): Promise<Verification> {
  const { source, keys, onProgress } = options;
  const segments = await source.segments();
  const ofBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const found: FoundCheckpoint[] = [];
  const faults: Fault[] = [];
  const chains = new Map<string, ChainCheck>();
  let bytes = 0;
  for (const [process, parts] of Map.groupBy(segments, (segment) => segment.process)) {
    const chain = new ChainCheck({
      process,
      mayBeginLater: options.since !== undefined,
      onCheckpoint: (one) => {
        const holds = isSigned(one.checkpoint, keys);
        if (holds) found.push(one);
        return holds;
      },
    });
    chains.set(process, chain);
    let torn: Buffer = Buffer.alloc(0);
    for (const [at, part] of parts.entries()) {
      chain.begin(part.name, missingBefore(part, parts[at - 1]));
      if (torn.length > 0) chain.take(torn);
      torn = await visitLines(
        part,
        (line) => chain.take(line),
        (more) => {
          bytes += more;
          onProgress?.({ bytes, ofBytes });
        },
      );
    }
    faults.push(...chain.end(torn));
  }
  faults.push(...checkCheckpoints({ ...options, found, chains }));
  const open = [...chains].flatMap(([process, { isFinal, lines, torn }]) =>
    isFinal ? [] : [{ process, lines, tornBytes: torn }],
  );
  const lines = chains.values().reduce((sum, chain) => sum + chain.lines, 0);
  return { lines, chains: chains.size, files: segments.length, checkpoints: found.length, faults, open };
}

/** The name of the file that should be between two parts of a chain. */
function missingBefore(
  { process, number }: AuditSegment,
  before: AuditSegment | undefined,
): string | undefined {
  return number === (before?.number ?? 0) + 1 ? undefined : segmentName(process, number - 1);
}
