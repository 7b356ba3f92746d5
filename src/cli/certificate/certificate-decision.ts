import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import type { TrustPreset } from '../../tpp/trust-profile.ts';
import { readCertificateFacts } from './certificate-facts.ts';
import { readCertificates } from './certificate-input.ts';
import { configurationFrom, verifyCertificate } from './certificate-verify.ts';
import { decisionJson } from '../../tpp/decision-groups.ts';
import { decisionTree } from './decision-tree.ts';
import { mark, shown, timeText } from './shown-text.ts';

export interface VerifyFlags {
  readonly config?: string;
  readonly sandbox?: string;
  readonly intermediates?: string;
  readonly at?: Date;
  readonly profile?: TrustPreset;
  readonly scope: readonly string[];
  readonly client?: string;
  readonly revocation: boolean;
  readonly json?: true;
}

/** Prints the decision about the first certificate of a file; true when it is accepted. */
export async function printDecision(file: string, flags: VerifyFlags): Promise<boolean> {
  const [der = Buffer.alloc(0), ...others] = await readDers(file);
  const sent = flags.intermediates === undefined ? [] : await readDers(flags.intermediates);
  const at = flags.at ?? systemClock.now();
  const asksRevocation = flags.revocation && flags.at === undefined;
  const evaluation = await verifyCertificate(await configurationFrom(flags), {
    der,
    intermediates: [...others, ...sent],
    clock: flags.at === undefined ? systemClock : { now: () => at },
    asksRevocation,
    scopes: flags.scope,
    ...(flags.client === undefined ? {} : { clientId: flags.client }),
    ...(flags.profile === undefined ? {} : { profile: flags.profile }),
  });
  if (flags.json === true) console.log(JSON.stringify(decisionJson(evaluation, at), undefined, 2));
  else {
    const subject = readCertificateFacts(der).subject ?? 'a certificate without a readable subject';
    console.log(`${mark.strong(shown(subject))}, as of ${timeText(at)}`);
    console.log(decisionTree(evaluation));
    if (!asksRevocation) console.log('Revocation was not asked for.');
  }
  return 'tpp' in evaluation;
}

async function readDers(file: string): Promise<Buffer[]> {
  return (await readCertificates(file)).map((one) => {
    if ('der' in one) return one.der;
    throw invalidConfig(file, [{ path: '', message: one.problem }]);
  });
}
