import { X509Certificate } from 'node:crypto';
import { ERROR_CODES, type ErrorCode, ruleOf } from '../../errors.ts';
import type { Evidence, EvidenceLine, EvidenceQuery } from './evidence.ts';

export interface EvidencePageOptions {
  readonly query: EvidenceQuery;
  readonly evidence: Evidence;
  readonly exportedAt: Date;
}

const STYLE = [
  'body{font:16px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}',
  'table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top;overflow-wrap:anywhere}',
  'code,pre{font-size:.9em;overflow-wrap:anywhere}pre{background:#f4f4f4;padding:.6em;white-space:pre-wrap}',
  '.refused{background:#fde8e8;font-weight:bold}summary{cursor:pointer;padding:.3em 0}',
].join('');

/** The page on which a supervisor reads what the record has about a TPP. */
export function evidencePage({ query, evidence, exportedAt }: EvidencePageOptions): string {
  const lines = evidence.lines.map((one, at) => ({ ...one, number: at + 1 }));
  const refusals = lines.filter(
    ({ line }) => /\.refused$/.test(line.event) || typeof line.members.code === 'string',
  );
  const decisions = lines.filter(({ line }) => line.event === 'tpp.decision.changed');
  const uncovered = lines.filter(({ proof }) => proof === undefined).length;
  const name = escaped(query.tpp);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evidence about ${name}</title><style>${STYLE}</style></head><body>
<h1>Evidence about ${name}</h1>
<p>From ${query.from.toISOString()} to ${query.to.toISOString()} (that instant excluded), exported ${exportedAt.toISOString()}; every time is UTC. ${lines.length} lines of the audit record, ${refusals.length} of them refusals (PSD2 article 68(5) and (6), RTS article 29). ${evidence.checkpoints.size} signed checkpoints cover ${lines.length - uncovered} lines; ${uncovered} lines have no checkpoint yet.</p>
<ul><li><a href="#refusals">Refusals</a></li><li><a href="#decisions">Decisions about certificates</a></li><li><a href="#certificates">Certificates</a></li><li><a href="#lines">Every line</a></li><li><a href="#verify">How to verify</a></li></ul>
${table(
  ['event', 'lines'],
  countsOf(lines).map((one) => cellsRow(one)),
)}
<h2 id="refusals">Refusals</h2>${table(['line', 'at', 'event', 'reason', 'client', 'route', 'certificate', 'facts'], refusals.map(refusalRow))}
<h2 id="decisions">Decisions about certificates</h2>
<p>Each decision that differs from the one before about the same certificate, with every rule that was applied, in order; a server that starts decides anew.</p>${decisions.map((one) => decisionSection(one, evidence)).join('') || NONE}
<h2 id="certificates">Certificates</h2>${table(['SHA-256 and file', 'subject', 'issuer', 'serial number', 'valid'], [...evidence.certificates].map(certificateRow))}
<h2 id="lines">Every line</h2><p>The number is that of the line in <code>lines.jsonl</code>, which has every member.</p>${table(['line', 'at', 'event', 'code or outcome', 'client', 'route', 'certificate'], lines.map(lineRow))}
<h2 id="verify">How to verify</h2>${VERIFICATION}
</body></html>
`;
}

interface NumberedLine extends EvidenceLine {
  /** In the file of lines, from 1 upwards. */
  readonly number: number;
}

const NONE = '<p>None in this time.</p>';

const VERIFICATION = `<p><code>sh verify.sh</code> verifies every line of this folder with openssl, and <code>sh verify.sh 17</code> line 17. The same by hand:</p>
<ol>
<li>The key in <code>keys/</code> must be the one that the bank has named before, by another way than this bundle; the name of the file is the first 16 digits of the SHA-256 of the key:
<pre>openssl pkey -pubin -in keys/‹key›.pem -outform DER | openssl dgst -sha256</pre></li>
<li>Each file <code>checkpoints/‹checkpoint›.json</code> has the octets that were signed (ES256: ECDSA with P-256 and SHA-256), with the name of the key as <code>key</code>; the file <code>.sig</code> has the signature. The answer must be <code>Verified OK</code>:
<pre>openssl dgst -sha256 -verify keys/‹key›.pem -signature checkpoints/‹checkpoint›.sig checkpoints/‹checkpoint›.json</pre></li>
<li>Line 17 of <code>lines.jsonl</code>, as it was written, without its line break, has the SHA-256 that line 17 of <code>proofs.jsonl</code> names as <code>hash</code> (base64url, 43 characters):
<pre>sed -n 17p lines.jsonl | tr -d '\\n' | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d =</pre></li>
<li>From there each of the <code>steps</code> gives the next hash: SHA-256 over one octet of value 1, then the 32 octets of the hash on the left, then those on the right. <code>["left", …]</code> names the hash on the left of the one so far, <code>["right", …]</code> the one on its right (the Merkle tree of RFC 6962 §2.1, with the hash of a line as the leaf). The last one is <code>covers.root</code> of <code>checkpoints/‹checkpoint›.json</code>, of the checkpoint that the proof names.</li>
<li>The certificates: <pre>openssl x509 -in certificates/‹SHA-256›.pem -noout -text -fingerprint -sha256</pre></li>
</ol>
<p><code>checkpoints.jsonl</code> has the checkpoints as lines of the record; the name of a checkpoint is the SHA-256 of its line. Lines about other TPPs are not in this bundle, and none is needed. That no line of this TPP was left out is seen by <code>tallystick audit verify</code> on the whole record, at the bank.</p>`;

function countsOf(lines: readonly NumberedLine[]): readonly (readonly string[])[] {
  const byEvent = Map.groupBy(lines, ({ line }) => line.event);
  return [...byEvent].map(([event, { length }]) => [event, String(length)]).toSorted();
}

function refusalRow({ number, line: { at, event, members } }: NumberedLine): string {
  const { code = '', details = {} } = members;
  const isKnown = (ERROR_CODES as readonly unknown[]).includes(code);
  const reason = isKnown ? `${String(code)}: ${ruleOf(code as ErrorCode)}` : code;
  const { clientId = '', route = '', certificate = '', kind = '' } = members;
  const facts = Object.entries(details as object).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  if (kind !== '') facts.unshift(String(kind));
  return cellsRow([number, at, event, reason, clientId, route, certificate, facts.join(', ')]);
}

function lineRow({ number, line: { at, event, members } }: NumberedLine): string {
  const { clientId = '', route = '', code = members.outcome ?? '' } = members;
  const { certificate = String(members.fingerprint ?? '').slice(0, 16) } = members;
  return cellsRow([number, at, event, code, clientId, route, certificate]);
}

function decisionSection(
  { number, line: { at, members } }: NumberedLine,
  { certificates }: Pick<Evidence, 'certificates'>,
): string {
  const fingerprint = String(members.fingerprint);
  const outcome = String(members.outcome);
  const steps = Array.isArray(members.steps) ? (members.steps as Readonly<Record<string, unknown>>[]) : [];
  const rows = steps.map(({ rule, clause, found = '', refused }) => {
    const result = refused === undefined ? 'passed' : `refused: ${String(refused)}`;
    return cellsRow([rule, clause, found, result], refused === undefined ? '' : ' class="refused"');
  });
  const subject = parsed(certificates.get(fingerprint))?.subject.replaceAll('\n', ', ') ?? '';
  const isRefused = outcome !== 'accepted';
  return `<details${isRefused ? ' open' : ''}><summary>${escaped(at)} (line ${number}): <strong>${escaped(outcome)}</strong>, ${escaped(subject)}</summary><p><code>${escaped(fingerprint)}</code></p>${table(['rule', 'clause', 'found', 'outcome'], rows)}</details>`;
}

function certificateRow([fingerprint, pem]: readonly [string, string | undefined]): string {
  if (pem === undefined) return cellsRow([`${fingerprint} (not kept)`, '', '', '', '']);
  const link = `<a href="certificates/${escaped(fingerprint)}.pem"><code>${escaped(fingerprint)}</code></a>`;
  const found = parsed(pem);
  const facts = found && [
    found.subject,
    found.issuer,
    found.serialNumber,
    `${found.validFromDate.toISOString()} to ${found.validToDate.toISOString()}`,
  ];
  const cells = facts?.map((one) => `<td>${escaped(one.replaceAll('\n', ', '))}</td>`) ?? [
    '<td colspan="4">cannot be read</td>',
  ];
  return `<tr><td>${link}</td>${cells.join('')}</tr>`;
}

/** The first certificate of a chain in PEM. */
function parsed(pem: string | undefined): X509Certificate | undefined {
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function table(names: readonly string[], rows: readonly string[]): string {
  if (rows.length === 0) return NONE;
  return `<table><tr>${names.map((one) => `<th>${one}</th>`).join('')}</tr>${rows.join('')}</table>`;
}

function cellsRow(cells: readonly unknown[], attributes = ''): string {
  const shown = cells.map((one) => `<td>${escaped(String(one))}</td>`);
  return `<tr${attributes}>${shown.join('')}</tr>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
