import type { ClientPage, ClientRecord } from '../../../src/authorization-server/clients/client-records.ts';
import type { AskedConsent } from '../../../src/consent/consent-changes.ts';
import type { Consent } from '../../../src/consent/consent.ts';
import type { RunningServer } from '../../../src/index.ts';
import type { BankProcess } from '../bank.ts';

/** The bank's side of a server process, its consents and its clients, which a test uses over IPC. */
export type BankQuestion = { readonly number: number } & (
  | { readonly ask: 'create'; readonly consent: Omit<AskedConsent, 'expiresAt' | 'by'> }
  | { readonly ask: 'find' | 'revoke' | 'consume'; readonly consentId: string }
  | { readonly ask: 'consents of' | 'approve'; readonly clientId: string }
  | { readonly ask: 'clients' }
);
type Unnumbered<Q> = Q extends unknown ? Omit<Q, 'number'> : never;

export interface BankReply {
  readonly repliesTo: number;
  /** As JSON. */
  readonly value?: unknown;
  readonly error?: string;
}

type Bank = Pick<RunningServer, 'consents' | 'clients'>;

const HOUR = 3_600_000;
const PAGE = 100;
const BY = { by: { kind: 'bank' } } as const;

/** In the server process. */
export async function replyTo(question: BankQuestion, bank: Bank): Promise<BankReply> {
  const { number: repliesTo } = question;
  try {
    return { repliesTo, value: await carryOut(question, bank) };
  } catch (error) {
    return { repliesTo, error: String(error) };
  }
}

function carryOut(question: BankQuestion, { consents, clients }: Bank): Promise<unknown> {
  switch (question.ask) {
    case 'create':
      return consents.create({
        ...question.consent,
        expiresAt: new Date(Date.now() + HOUR),
        by: { kind: 'tpp' },
      });
    case 'find':
      return consents.find(question.consentId);
    case 'revoke':
      return consents.revoke(question.consentId, BY);
    case 'consume':
      return consents.consume(question.consentId, BY);
    case 'consents of':
      return consents.pageOfClient(question.clientId, { limit: PAGE }).then((page) => page.consents);
    case 'approve':
      return clients.approve(question.clientId);
    case 'clients':
      return allClients(clients);
  }
}

async function allClients(clients: Bank['clients']): Promise<readonly ClientRecord[]> {
  const all: ClientRecord[] = [];
  let page: ClientPage | undefined;
  do {
    const after: string | undefined = page?.next;
    page = await clients.page('all', { limit: PAGE, after });
    all.push(...page.clients);
  } while (page.next !== undefined);
  return all;
}

let asked = 0;

async function question<T>(to: BankProcess, words: Unnumbered<BankQuestion>): Promise<T> {
  asked += 1;
  const number = asked;
  const reply = to.report((report) =>
    typeof report === 'object' && 'repliesTo' in report && report.repliesTo === number ? report : undefined,
  );
  to.command({ ...words, number } as BankQuestion);
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
/** At most 100. */
export const consentsOf = (to: BankProcess, clientId: string) =>
  question<readonly Consent[]>(to, { ask: 'consents of', clientId });
export const approveClient = (to: BankProcess, clientId: string) =>
  question<void>(to, { ask: 'approve', clientId });
/** Every client of the store, of any status. */
export const clientsOf = (to: BankProcess) => question<readonly ClientRecord[]>(to, { ask: 'clients' });
