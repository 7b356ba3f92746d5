import { hash } from 'node:crypto';
import type { Evidence, EvidenceLine, EvidenceQuery } from './evidence.ts';

export interface EvidenceFilesOptions {
  readonly query: EvidenceQuery;
  readonly evidence: Evidence;
  /** The public key of the checkpoints, in PEM. */
  readonly publicKeys: readonly string[];
  readonly exportedAt: Date;
}

/** The files of a bundle for a supervisor, by their names. */
export function evidenceFiles(options: EvidenceFilesOptions): ReadonlyMap<string, string> {
  const { evidence, publicKeys } = options;
  const proofs = evidence.lines.map(({ line, hash: hashed, proof }) => ({
    ...{ process: line.process, sequence: line.sequence, hash: hashed },
    ...(proof === undefined ? {} : { checkpoint: proof.checkpoint, steps: proof.steps }),
  }));
  const files = new Map<string, string>([
    ['index.html', indexPage(options)],
    ['lines.jsonl', evidence.lines.map(({ text }) => `${text}\n`).join('')],
    ['proofs.jsonl', proofs.map((one) => `${JSON.stringify(one)}\n`).join('')],
    ['checkpoints.jsonl', [...evidence.checkpoints.values()].map((line) => `${line}\n`).join('')],
  ]);
  for (const [at, pem] of publicKeys.entries()) files.set(`audit-key-${at + 1}.pem`, pem);
  for (const [fingerprint, pem] of evidence.certificates) {
    if (pem !== undefined) files.set(`certificates/${fingerprint}.pem`, pem);
  }
  const sums = [...files].map(([name, text]) => `${hash('sha256', text)}  ${name}\n`);
  return files.set('SHA256SUMS', sums.join(''));
}

function indexPage({ query, evidence, exportedAt }: EvidenceFilesOptions): string {
  const { lines, certificates, checkpoints } = evidence;
  const refusals = lines.filter(
    ({ line }) => /\.refused$/.test(line.event) || typeof line.members.code === 'string',
  );
  const decisions = lines.filter(({ line }) => line.event === 'tpp.decision.changed');
  const uncovered = lines.filter(({ proof }) => proof === undefined).length;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evidence about ${escaped(query.tpp)}</title>
<style>body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}code{font-size:.9em;overflow-wrap:anywhere}</style></head><body>
<h1>Evidence about ${escaped(query.tpp)}</h1>
<p>From ${query.from.toISOString()} to ${query.to.toISOString()}, exported ${exportedAt.toISOString()}. ${lines.length} lines of the audit record, ${refusals.length} of them refusals (PSD2 article 68(5) and (6), RTS article 29); ${checkpoints.size} signed checkpoints cover ${lines.length - uncovered} of them.</p>
<h2>Refusals</h2>${lineTable(refusals)}
<h2>Decisions about certificates</h2>${decisions.map(decisionSection).join('') || '<p>None in this time.</p>'}
<h2>Certificates</h2><ul>${[...certificates].map(([name, pem]) => `<li><code>${escaped(name)}</code>${pem === undefined ? ' (not kept)' : ''}</li>`).join('')}</ul>
<h2>Every line</h2>${lineTable(lines)}
<h2>How to verify</h2>
<p><code>lines.jsonl</code> has the lines as they were written. The SHA-256 of a line leads by the steps of <code>proofs.jsonl</code> (Merkle tree of RFC 6962 §2.1, with the hash of a line as the leaf) to <code>covers.root</code> of the line of <code>checkpoints.jsonl</code> whose own SHA-256 is <code>checkpoint</code>. Its <code>signature</code> is ES256 over the same line without <code>signature</code>, under <code>audit-key-1.pem</code>.</p>
</body></html>
`;
}

function lineTable(lines: readonly EvidenceLine[]): string {
  if (lines.length === 0) return '<p>None in this time.</p>';
  const rows = lines.map(({ line: { at, event, members } }) => {
    const {
      clientId = '',
      route = '',
      code = members.outcome ?? '',
      certificate = members.fingerprint ?? '',
    } = members;
    const cells = [at, event, code, clientId, route, certificate].map(
      (one) => `<td>${escaped(String(one))}</td>`,
    );
    return `<tr>${cells.join('')}</tr>`;
  });
  const head = ['at', 'event', 'code or outcome', 'client', 'route', 'certificate'].map(
    (one) => `<th>${one}</th>`,
  );
  return `<table><tr>${head.join('')}</tr>${rows.join('')}</table>`;
}

function decisionSection({ line: { at, members } }: EvidenceLine): string {
  const steps = Array.isArray(members.steps) ? (members.steps as Readonly<Record<string, unknown>>[]) : [];
  const rows = steps.map(({ rule, clause, found = '', refused }) => {
    const outcome = refused === undefined ? 'passed' : `refused: ${String(refused)}`;
    return `<tr>${[rule, clause, found, outcome].map((one) => `<td>${escaped(String(one))}</td>`).join('')}</tr>`;
  });
  return `<h3>${escaped(at)}: ${escaped(String(members.outcome))}</h3><p><code>${escaped(String(members.fingerprint))}</code></p><table><tr><th>rule</th><th>clause</th><th>found</th><th>outcome</th></tr>${rows.join('')}</table>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
