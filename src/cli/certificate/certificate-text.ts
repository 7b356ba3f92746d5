import type { CertificateFacts } from './certificate-facts.ts';
import { mark, shown, timeText } from './shown-text.ts';
import type { QcStatementsFacts } from './statement-facts.ts';

type Row = readonly [label: string, ...values: string[]];

/** The facts of a certificate, as text for people. */
export function certificateText(facts: CertificateFacts, at: Date): string {
  const { extensions, qcStatements, problems } = facts;
  const lines = [
    ...rows(fieldRows(facts, at), '  '),
    '',
    mark.strong('  extensions'),
    ...rows(
      extensions.map(({ name, oid, critical, values }) => [
        `${name ?? oid}${critical ? ' (critical)' : ''}`,
        ...(qcStatements !== undefined && name === 'qcStatements' ? ['see below'] : values),
      ]),
      '    ',
    ),
  ];
  if (qcStatements !== undefined) lines.push('', ...statementLines(qcStatements));
  if (problems.length > 0) {
    lines.push('', mark.bad('  problems'));
    lines.push(
      ...problems.map(({ part, problem }) => `  ${mark.refused()} ${shown(part)}: ${shown(problem)}`),
    );
  }
  return lines.join('\n');
}

function fieldRows(facts: CertificateFacts, at: Date): Row[] {
  const { publicKey, signatureAlgorithm: signature, organizationIdentifier: identifier } = facts;
  return [
    ['subject', facts.subject ?? 'unreadable'],
    ['issuer', facts.issuer ?? 'unreadable'],
    ['serial number', facts.serialNumber ?? 'unreadable'],
    ['version', String(facts.version ?? 'unreadable')],
    ['valid from', facts.notBefore === undefined ? 'unreadable' : timeText(facts.notBefore)],
    ['valid until', untilText(facts, at)],
    ['public key', keyText(publicKey)],
    ['signature', signatureText(signature)],
    ...(identifier === undefined ? [] : [identifierRow(identifier)]),
    ['x5t#S256', facts.thumbprint['x5t#S256']],
    ['SHA-256', facts.thumbprint.sha256],
    ['SHA-256 of key', publicKey?.spkiSha256 ?? 'unreadable'],
  ];
}

const DAY = 86_400_000;

function untilText({ notBefore, notAfter }: CertificateFacts, at: Date): string {
  if (notAfter === undefined) return 'unreadable';
  const days = Math.floor((notAfter.getTime() - at.getTime()) / DAY);
  if (days < 0) return `${timeText(notAfter)}: expired`;
  if (notBefore !== undefined && notBefore > at) return `${timeText(notAfter)}: not valid yet`;
  return `${timeText(notAfter)}: ${days} more days`;
}

function keyText(key: CertificateFacts['publicKey']): string {
  if (key === undefined) return 'unreadable';
  return key.problem === undefined ? key.text : `${key.text}: ${key.problem}`;
}

function signatureText(signature: CertificateFacts['signatureAlgorithm']): string {
  if (signature === undefined) return 'unreadable';
  return signature.isAccepted ? signature.name : `${signature.name}: unknown or too weak`;
}

function identifierRow(identifier: NonNullable<CertificateFacts['organizationIdentifier']>): Row {
  if (!('scheme' in identifier)) return ['organization', `${identifier.text}: of no known form`];
  const { text, scheme, country, nca, directory, reference } = identifier;
  const parts = [
    `scheme ${scheme}`,
    `country ${country}`,
    ...(nca === undefined ? [] : [`authority ${nca}`]),
    ...(directory === undefined ? [] : [`directory ${directory}`]),
    `reference ${reference}`,
  ];
  return ['organization', text, parts.join(', ')];
}

function statementLines({ statements }: QcStatementsFacts): string[] {
  return [
    mark.strong('  QCStatements'),
    ...rows(
      statements.map(({ name, oid, values, problem }) => [
        name ?? oid,
        ...values,
        ...(problem === undefined ? [] : [`unreadable or refused: ${problem}`]),
      ]),
      '    ',
    ),
  ];
}

/** Labels in one column, values below each other in the next. */
function rows(list: readonly Row[], indent: string): string[] {
  const width = Math.max(0, ...list.map(([label]) => label.length)) + 2;
  return list.flatMap(([label, ...values]) => {
    const [first = '', ...others] = values.map(shown);
    return [
      `${indent}${shown(label).padEnd(width)}${first}`.trimEnd(),
      ...others.map((value) => `${indent}${' '.repeat(width)}${value}`),
    ];
  });
}
