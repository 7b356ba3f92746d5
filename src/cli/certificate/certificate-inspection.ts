import { systemClock } from '../../clock.ts';
import { type CertificateFacts, readCertificateFacts } from './certificate-facts.ts';
import { readCertificates } from './certificate-input.ts';
import { certificateText } from './certificate-text.ts';
import type { ReadingProblem } from './reading-problems.ts';
import { mark } from './shown-text.ts';

/** A certificate of the file, or a PEM block that is none. */
type Inspected = CertificateFacts | { readonly problems: readonly ReadingProblem[] };

/** Prints the certificates of a file; true when every part could be read. */
export async function printInspection(file: string, flags: { readonly json?: true }): Promise<boolean> {
  const certificates = (await readCertificates(file)).map(
    (one): Inspected =>
      'der' in one ? readCertificateFacts(one.der) : { problems: [{ part: 'PEM', problem: one.problem }] },
  );
  if (flags.json === true) console.log(JSON.stringify({ certificates }, undefined, 2));
  else {
    for (const [index, one] of certificates.entries()) {
      console.log(mark.strong(`certificate ${index + 1} of ${certificates.length}`));
      console.log(textOf(one));
    }
  }
  return certificates.every(({ problems }) => problems.length === 0);
}

function textOf(one: Inspected): string {
  if ('thumbprint' in one) return certificateText(one, systemClock.now());
  return one.problems.map(({ part, problem }) => `  ${mark.refused()} ${part}: ${problem}`).join('\n');
}
