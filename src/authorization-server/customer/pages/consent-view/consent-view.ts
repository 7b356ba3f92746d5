import type { Words } from '../words/words.ts';
import { accountMasked } from './account-text.ts';
import { type AskedDetail, AskedMembers } from './asked-members.ts';
import type { ConsentPart, PartKind } from './consent-part.ts';
import { dataClusters } from './data-clusters.ts';
import { type Fact, facts } from './facts.ts';
import { ownTypePart } from './own-type-part.ts';
import { paymentFacts, paymentFocus, paymentKindOf } from './payment-part.ts';
import { scopeParts } from './scope-parts.ts';

/** The content of a request. */
export interface AskedContent {
  readonly details: readonly AskedDetail[];
  readonly scopes: readonly string[];
  /** Names of the claims about the customer. */
  readonly claims: readonly string[];
}

/** A request in plain words of one language: for pages, dashboard, approvals on a device, and applications of the bank. */
export interface ConsentView {
  /** Language and region (RFC 5646). */
  readonly locale: string;
  readonly kind: PartKind | 'several';
  /** The heading, as a question. */
  readonly question: string;
  readonly parts: readonly ConsentPart[];
}

/** In plain words what is asked for. Everything that was asked is named: what has no words is shown as it was sent. */
export function consentView({ details, scopes, claims }: AskedContent, words: Words): ConsentView {
  const ofDetails = details.map((detail) => partOf(detail, words));
  const parts = [
    ...ofDetails,
    ...scopeParts({ scopes, claims, kinds: ofDetails.map(({ kind }) => kind) }, words),
  ];
  const kind = kindOf(parts);
  return { locale: words.tag, kind, question: words.text(`ask.${kind}`), parts };
}

/** The parts as pairs of a title and a sentence, for a place that has no room for more. */
export function shortTexts({ parts }: ConsentView): { readonly title: string; readonly text: string }[] {
  return parts.flatMap((part) => {
    if (part.clusters.length > 0) return part.clusters.map(({ title, text }) => ({ title, text }));
    const { amount, payee, payeeAccount } = part.payment ?? {};
    const texts = [amount, payee, payeeAccount].filter((text) => text !== undefined && text !== '');
    const ofFacts = part.facts.map(({ label, value }) => `${label}: ${value}`);
    const sentence = part.text === undefined ? [] : [part.text];
    return [{ title: part.title, text: [...sentence, ...texts, ...ofFacts].join(' · ') }];
  });
}

function partOf(detail: AskedDetail, words: Words): ConsentPart {
  const members = new AskedMembers(detail);
  switch (detail.type) {
    case 'account_information':
      return accountPart(members, words);
    case 'payment_initiation':
      return paymentPart(members, words);
    case 'funds_confirmation':
      return fundsPart(members, words);
    default:
      return ownTypePart(detail, words);
  }
}

function accountPart(members: AskedMembers, words: Words): ConsentPart {
  const asked = { actions: members.texts('actions'), permissions: members.texts('permissions') };
  return {
    kind: 'accounts',
    title: words.text('part.accounts'),
    facts: accountFacts(members, words),
    clusters: dataClusters(asked, words),
  };
}

function accountFacts(members: AskedMembers, words: Words): readonly Fact[] {
  const [from, to] = [members.text('transactionsFrom'), members.text('transactionsTo')];
  const accounts = members.objects('accounts').map((account) => accountMasked(account.asAccount()));
  return facts(words, [
    ['fact.purpose', members.text('purpose')],
    ['fact.accounts', accounts.length === 0 ? undefined : words.list(accounts)],
    ['fact.transactions', transactionRange(words, { from, to })],
    ['fact.how-often', howOften(members, words)],
  ]);
}

function transactionRange(
  words: Words,
  { from, to }: { readonly from: string | undefined; readonly to: string | undefined },
): string | undefined {
  if (from !== undefined && to !== undefined) {
    return words.text('fact.transactions-from-to', { from: words.date(from), to: words.date(to) });
  }
  if (from !== undefined) return words.text('fact.transactions-from', { from: words.date(from) });
  return to === undefined ? undefined : words.text('fact.transactions-to', { to: words.date(to) });
}

function howOften(members: AskedMembers, words: Words): string | undefined {
  if (members.flag('recurring') === false) return words.text('fact.once');
  const count = members.number('frequencyPerDay');
  if (count === undefined) return undefined;
  return count === 1
    ? words.text('fact.once-a-day')
    : words.text('fact.times-a-day', { count: words.number(count) });
}

function paymentPart(members: AskedMembers, words: Words): ConsentPart {
  const kind = paymentKindOf(members);
  return {
    kind,
    title: words.text(`part.${kind}`),
    payment: paymentFocus(members, words),
    facts: paymentFacts(members, words),
    clusters: [],
  };
}

function fundsPart(members: AskedMembers, words: Words): ConsentPart {
  const account = members.account('account');
  return {
    kind: 'funds',
    title: words.text('part.funds'),
    text: words.text('funds.text'),
    facts: facts(words, [['fact.account', account && accountMasked(account)]]),
    clusters: [],
  };
}

/** The subject of the request. Recognition of the customer is the subject only where nothing else is asked for. */
function kindOf(parts: readonly ConsentPart[]): ConsentView['kind'] {
  const kinds = [...new Set(parts.map(({ kind }) => kind))];
  const ofApis = kinds.filter((kind) => kind !== 'identity');
  if (ofApis.length === 0) return kinds.includes('identity') ? 'identity' : 'other';
  return ofApis.length === 1 ? (ofApis[0] ?? 'other') : 'several';
}
