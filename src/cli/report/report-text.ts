import { mark, shown } from '../certificate/shown-text.ts';
import { registryConfiguration, type RegistryFlags } from '../registry/registry-report.ts';
import { type ReportedCertificate, reportCertificates } from './certificate-report.ts';

export interface ReportFlags extends RegistryFlags {
  readonly csv?: true;
}

const COLUMNS = [
  'authorizationNumber',
  'legalName',
  'daysLeft',
  'notAfter',
  'problems',
  'issuer',
  'serialNumber',
  'fingerprint',
  'key',
  'signature',
  'seenAt',
  'clients',
  'renewedBy',
  'onlyThis',
] as const;

/** Prints the certificates of TPPs; true when none has a problem. */
export async function printCertificates(flags: ReportFlags): Promise<boolean> {
  const certificates = await reportCertificates(await registryConfiguration(flags));
  if (flags.json === true) console.log(JSON.stringify({ certificates }, undefined, 2));
  else if (flags.csv === true) printCsv(certificates);
  else printText(certificates);
  return certificates.every(({ problems }) => problems.length === 0);
}

function printText(certificates: readonly ReportedCertificate[]): void {
  for (const one of certificates) {
    const sign = one.problems.length === 0 ? mark.passed() : mark.refused();
    const end = `${one.notAfter.toISOString().slice(0, 10)}, ${one.daysLeft} days left`;
    console.log(
      `${sign} ${mark.strong(shown(one.authorizationNumber))} ${shown(one.legalName)}: until ${end}`,
    );
    console.log(
      mark.faint(
        `    ${one.fingerprint.slice(0, 16)}, ${one.key}, ${one.signature}, issuer ${shown(one.issuer)}`,
      ),
    );
    if (one.clients.length > 0) console.log(`    clients: ${shown(one.clients.join(', '))}`);
    if (one.renewedBy !== undefined) {
      const left = one.onlyThis?.length ? `, but not for ${shown(one.onlyThis.join(', '))}` : '';
      console.log(`    renewed by ${one.renewedBy.slice(0, 16)}${left}`);
    }
    for (const problem of one.problems) console.log(mark.bad(`    ${shown(problem)}`));
  }
  const bad = certificates.filter(({ problems }) => problems.length > 0).length;
  console.log(`${certificates.length} certificates seen in the last 90 days, ${bad} with a problem.`);
}

function printCsv(certificates: readonly ReportedCertificate[]): void {
  console.log(COLUMNS.join(','));
  for (const one of certificates) console.log(COLUMNS.map((column) => cell(one[column])).join(','));
}

/** RFC 4180. A text that a spreadsheet would take for a formula begins with an apostrophe: names are of strangers. */
function cell(value: ReportedCertificate[keyof ReportedCertificate] | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text =
    value instanceof Date ? value.toISOString() : typeof value === 'string' ? value : value.join('; ');
  const safe = shown(text).replace(/^[=+\-@]/, "'$&");
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
