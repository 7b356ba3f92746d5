import type { Clock } from '../../clock.ts';
import type { CrlCache } from './crl-cache.ts';
import type { OcspClient } from './ocsp-client.ts';
import { type CheckedCertificate, crlUrls, isShortTerm, ocspUrls } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import { invalidEvidence, isUnproven, type ProvenStatus, unproven } from './revocation-refusal.ts';

/** The sources of answers. */
export interface AnswerSources {
  readonly ocsp: OcspClient;
  readonly crls: CrlCache;
  readonly clock: Clock;
}

export interface AnswerOptions {
  readonly sources: AnswerSources;
  /** A list that was fetched longer ago is fetched again. */
  readonly maxAgeSeconds: number;
  /** Accepts statuses that belong together; throws ERR_CERT_REVOCATION_INVALID when a newer one is known. */
  readonly accept: (found: readonly ProvenStatus[]) => ProvenStatus;
}

/** The second source is asked after this part of a request's time, when the first has not answered. */
const PATIENCE = 1 / 3;

/**
 * Asks the sources of a certificate as the policy says.
 *
 * @throws ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
 */
export async function askForAnswers(
  about: CheckedCertificate,
  policy: RevocationPolicy,
  { sources, maxAgeSeconds, accept }: AnswerOptions,
): Promise<ProvenStatus> {
  const exempt = exemptionOf(about, policy, sources.clock);
  if (exempt !== undefined) return accept([exempt]);
  const questions = sourcesOf(about, policy).map((name) =>
    name === 'ocsp'
      ? () => sources.ocsp.ask(about, policy)
      : () => sources.crls.ask(about, policy, maxAgeSeconds),
  );
  if (policy.mode === 'both') return accept(await allOf(questions, about));
  const [first, second] = questions.map((ask) => async () => accept([await ask()]));
  if (first === undefined) throw withoutPointers(about);
  return second === undefined
    ? first()
    : eitherOf(first, second, { about, patienceSeconds: policy.budgetSeconds * PATIENCE });
}

/** The statuses that kept answers still prove; none when they do not suffice for the policy. */
export async function recallAnswers(
  about: CheckedCertificate,
  policy: RevocationPolicy,
  sources: AnswerSources,
): Promise<readonly ProvenStatus[]> {
  const names = sourcesOf(about, policy);
  const recalled = await Promise.all(
    names.map((name) => (name === 'ocsp' ? sources.ocsp : sources.crls).recall(about, policy)),
  );
  const found = recalled.flatMap((status) => status ?? []);
  const suffices = policy.mode !== 'both' || found.length === names.length;
  return suffices || found.some(({ status }) => status === 'revoked') ? found : [];
}

/** The sources that the certificate names, in the order of the policy. */
function sourcesOf(about: CheckedCertificate, policy: RevocationPolicy): ('ocsp' | 'crl')[] {
  const names: ('ocsp' | 'crl')[] = [];
  if (ocspUrls(about, policy).length > 0) names.push('ocsp');
  if (crlUrls(about, policy).length > 0) names.push('crl');
  return policy.mode === 'crl-first' ? names.reverse() : names;
}

/** The status of a certificate that needs no answer by the policy; undefined for any other certificate. */
function exemptionOf(
  about: CheckedCertificate,
  policy: RevocationPolicy,
  clock: Clock,
): ProvenStatus | undefined {
  const isExempt =
    (policy.shortTerm === 'accept' && isShortTerm(about)) ||
    (policy.withoutPointers === 'accept' && sourcesOf(about, policy).length === 0);
  if (!isExempt) return undefined;
  const { notAfter: nextUpdate } = about.certificate;
  return { status: 'good', source: 'crl', thisUpdate: clock.now(), nextUpdate };
}

function withoutPointers({ certificate }: CheckedCertificate) {
  return invalidEvidence(certificate, 'the certificate does not say where its status is');
}

/** The statuses of all sources; a single one suffices when its status is revoked. */
async function allOf(
  questions: readonly (() => Promise<ProvenStatus>)[],
  about: CheckedCertificate,
): Promise<readonly ProvenStatus[]> {
  if (questions.length === 0) throw withoutPointers(about);
  const outcomes = await Promise.allSettled(questions.map((ask) => ask()));
  const found = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const errors = outcomes.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
  if (errors.length === 0 || found.some(({ status }) => status === 'revoked')) return found;
  throw reasonOf(about, errors);
}

/** The first source's answer; the second's when the first fails or is slow. */
async function eitherOf(
  first: () => Promise<ProvenStatus>,
  second: () => Promise<ProvenStatus>,
  { about, patienceSeconds }: { readonly about: CheckedCertificate; readonly patienceSeconds: number },
): Promise<ProvenStatus> {
  const one = first();
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patienceSeconds * 1000);
  });
  const early = await Promise.race([one.catch(() => 'failed' as const), patience]);
  clearTimeout(timer);
  if (typeof early !== 'string') return early;
  try {
    return await Promise.any([one, second()]);
  } catch (error) {
    throw reasonOf(about, error instanceof AggregateError ? error.errors : [error]);
  }
}

/** One refusal for several; a fault of the program among them is thrown instead. */
function reasonOf(about: CheckedCertificate, errors: readonly unknown[]): unknown {
  const fault = errors.find((error) => !isUnproven(error));
  return fault ?? unproven(about.certificate, errors.filter(isUnproven));
}
