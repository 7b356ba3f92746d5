import type { Consents } from '../../../src/consent/consents.ts';
import type { AskedConsent } from '../../../src/consent/consent-changes.ts';
import type { Consent } from '../../../src/consent/consent.ts';
import type { BankProcess } from '../bank.ts';

/** The bank's side of the consents of a server process, which a test uses over IPC. */
export type ConsentQuestion = { readonly number: number } & (
  | { readonly ask: 'create'; readonly consent: Omit<AskedConsent, 'expiresAt' | 'by'> }
  | { readonly ask: 'find' | 'revoke' | 'consume'; readonly consentId: string }
);
type Unnumbered<Q> = Q extends unknown ? Omit<Q, 'number'> : never;

export interface ConsentReply {
  readonly repliesTo: number;
  /** As JSON. */
  readonly value?: unknown;
  readonly error?: string;
}

const HOUR = 3_600_000;
const BY = { by: { kind: 'bank' } } as const;

/** In the server process. */
export async function replyTo(question: ConsentQuestion, consents: Consents): Promise<ConsentReply> {
  const { number: repliesTo } = question;
  try {
    return { repliesTo, value: await carryOut(question, consents) };
  } catch (error) {
    return { repliesTo, error: String(error) };
  }
}

function carryOut(question: ConsentQuestion, consents: Consents): Promise<unknown> {
  if (question.ask === 'create') {
    return consents.create({
      ...question.consent,
      expiresAt: new Date(Date.now() + HOUR),
      by: { kind: 'tpp' },
    });
  }
  const { ask, consentId } = question;
  if (ask === 'find') return consents.find(consentId);
  return ask === 'revoke' ? consents.revoke(consentId, BY) : consents.consume(consentId, BY);
}

let asked = 0;

async function question<T>(to: BankProcess, words: Unnumbered<ConsentQuestion>): Promise<T> {
  asked += 1;
  const number = asked;
  const reply = to.report((report) =>
    typeof report === 'object' && 'repliesTo' in report && report.repliesTo === number ? report : undefined,
  );
  to.command({ ...words, number } as ConsentQuestion);
  const { value, error } = await reply;
  if (error !== undefined) throw new Error(error);
  return value as T;
}

export const createConsent = (to: BankProcess, consent: Omit<AskedConsent, 'expiresAt' | 'by'>) =>
  question<Consent>(to, { ask: 'create', consent });
export const findConsent = (to: BankProcess, consentId: string) =>
  question<Consent | undefined>(to, { ask: 'find', consentId });
export const revokeConsent = (to: BankProcess, consentId: string) =>
  question<Consent | undefined>(to, { ask: 'revoke', consentId });
export const consumeConsent = (to: BankProcess, consentId: string) =>
  question<boolean>(to, { ask: 'consume', consentId });
