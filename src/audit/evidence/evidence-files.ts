import { hash, type KeyObject } from 'node:crypto';
import { parseCheckpoint, signedText } from '../line/checkpoint.ts';
import { keyIdOf } from '../line/signing-key.ts';
import type { Evidence, EvidenceQuery } from './evidence.ts';
import { evidencePage } from './evidence-page.ts';
import { opensslSignature } from './openssl-signature.ts';
import { VERIFICATION_SCRIPT } from './verification-script.ts';

export interface EvidenceFilesOptions {
  readonly query: EvidenceQuery;
  readonly evidence: Evidence;
  /** The public keys of checkpoints. */
  readonly publicKeys: readonly KeyObject[];
  readonly exportedAt: Date;
}

/** The files of a bundle for a supervisor, by their names. */
export type EvidenceFiles = ReadonlyMap<string, string | Buffer>;

export function evidenceFiles(options: EvidenceFilesOptions): EvidenceFiles {
  const { evidence, publicKeys } = options;
  const proofs = evidence.lines.map(({ line, hash: hashed, proof }) => ({
    ...{ process: line.process, sequence: line.sequence, hash: hashed },
    ...(proof === undefined ? {} : { checkpoint: proof.checkpoint, steps: proof.steps }),
  }));
  const files = new Map<string, string | Buffer>([
    ['index.html', evidencePage(options)],
    ['verify.sh', VERIFICATION_SCRIPT],
    ['lines.jsonl', evidence.lines.map(({ text }) => `${text}\n`).join('')],
    ['proofs.jsonl', proofs.map((one) => `${JSON.stringify(one)}\n`).join('')],
    ['checkpoints.jsonl', [...evidence.checkpoints.values()].map((line) => `${line}\n`).join('')],
  ]);
  for (const [name, line] of evidence.checkpoints) {
    const checkpoint = parseCheckpoint(JSON.parse(line));
    if (checkpoint === undefined) continue;
    files.set(`checkpoints/${name}.json`, signedText(checkpoint));
    files.set(`checkpoints/${name}.sig`, opensslSignature(checkpoint.signature));
  }
  for (const key of publicKeys) {
    files.set(`keys/${keyIdOf(key)}.pem`, key.export({ type: 'spki', format: 'pem' }).toString());
  }
  for (const [fingerprint, pem] of evidence.certificates) {
    if (pem !== undefined) files.set(`certificates/${fingerprint}.pem`, pem);
  }
  const sums = [...files].map(([name, content]) => `${hash('sha256', content)}  ${name}\n`);
  return files.set('SHA256SUMS', sums.join(''));
}
