import type { AccountChoice } from '../customer/bank/aspsp.ts';
import { consentView, type ConsentView } from '../customer/pages/consent-view/consent-view.ts';
import type { Words } from '../customer/pages/words/words.ts';
import { type Access, accountsOf } from './access-list.ts';

/** An access in the words of a page. */
export interface AccessView {
  readonly consentId: string;
  readonly service: string;
  readonly agent?: string | undefined;
  readonly purpose?: string | undefined;
  readonly asked: ConsentView;
  /** Those without a name are not known to the bank any more, or the bank does not answer. */
  readonly accounts: readonly { readonly name?: string; readonly identification?: string }[];
  readonly since: DateView;
  /** Of a current access. */
  readonly until?: DateView | undefined;
  readonly lastUsed?: DateView | undefined;
  readonly ended?: { readonly how: EndedHow; readonly on: DateView } | undefined;
}

export interface DateView {
  readonly iso: string;
  readonly text: string;
}

export type EndedHow = 'customer' | 'tpp' | 'bank' | 'expired' | 'consumed';

interface Known {
  readonly words: Words;
  readonly accounts: readonly AccountChoice[];
  readonly lastUsed?: Date | undefined;
}

export function accessView(access: Access, { words, accounts, lastUsed }: Known): AccessView {
  const { consent, service, since, endedAt } = access;
  const { details, scopes, claims, requester, expiresAt } = consent;
  const claimNames = [...new Set([...(claims?.idToken ?? []), ...(claims?.userinfo ?? [])])];
  return {
    consentId: consent.consentId,
    service,
    agent: requester?.agent,
    purpose: requester?.purpose,
    asked: consentView({ details, scopes, claims: claimNames }, words),
    accounts: accountsOf(consent.accountIds, accounts),
    since: dateView(since, words),
    until: endedAt === undefined ? dateView(expiresAt, words) : undefined,
    lastUsed: lastUsed && dateView(lastUsed, words),
    ended: endedAt && { how: howEnded(access), on: dateView(endedAt, words) },
  };
}

function howEnded({ consent, endedBy }: Access): EndedHow {
  if (consent.status === 'consumed') return 'consumed';
  if (endedBy === undefined) return 'expired';
  return endedBy === 'server' ? 'bank' : endedBy;
}

function dateView(at: Date, words: Words): DateView {
  return { iso: at.toISOString(), text: words.date(at) };
}
