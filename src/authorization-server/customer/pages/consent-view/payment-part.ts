import type { Words } from '../words/words.ts';
import { accountInFull, accountMasked } from './account-text.ts';
import type { AskedMembers } from './asked-members.ts';
import { type Fact, facts } from './facts.ts';

export type PaymentKind = 'payment' | 'standing-order' | 'variable-recurring';

/** Amount and payee, which the customer compares before anything else (RTS article 5(1)(a)). */
export interface PaymentFocus {
  /** Absent where the amounts are not known yet: the limits are facts then. */
  readonly amount?: string | undefined;
  readonly payee: string;
  readonly payeeAccount: string;
}

export function paymentKindOf(detail: AskedMembers): PaymentKind {
  const kind = detail.text('kind');
  return kind === 'standing-order' || kind === 'variable-recurring' ? kind : 'payment';
}

export function paymentFocus(detail: AskedMembers, words: Words): PaymentFocus {
  const amount = detail.amount('instructedAmount');
  const account = detail.account('creditorAccount');
  return {
    amount: amount && words.amount(amount),
    payee: detail.text('creditorName') ?? '',
    payeeAccount: account === undefined ? '' : accountInFull(account),
  };
}

/** Everything else of a payment, in the order of the page. */
export function paymentFacts(detail: AskedMembers, words: Words): readonly Fact[] {
  const debtor = detail.account('debtorAccount');
  const date = detail.text('requestedExecutionDate');
  const actions = detail.texts('actions').flatMap((action) => {
    if (action === 'status') return [words.text('action.status')];
    return action === 'cancel' ? [words.text('action.cancel')] : [];
  });
  return facts(words, [
    ['fact.payee-bank', detail.text('creditorAgent')],
    ['fact.from-account', debtor && accountMasked(debtor)],
    ['fact.reference', detail.text('remittanceInformationUnstructured')],
    ['fact.structured-reference', detail.text('remittanceInformationStructured')],
    ['fact.payer-reference', detail.text('endToEndIdentification')],
    ['fact.date', date && words.date(date)],
    ...frequencyFacts(detail.object('frequency'), words),
    ...limitFacts(detail.object('limits'), words),
    ['fact.allowed', actions.length === 0 ? undefined : words.list(actions)],
  ]);
}

type NamedFact = Parameters<typeof facts>[1][number];

function frequencyFacts(frequency: AskedMembers | undefined, words: Words): readonly NamedFact[] {
  if (frequency === undefined) return [];
  const interval = frequency.text('interval');
  const first = frequency.text('firstDate');
  const last = frequency.text('lastDate');
  return [
    ['fact.frequency', interval && (words.findText(`interval.${interval}`) ?? interval)],
    ['fact.first-date', first && words.date(first)],
    ['fact.last-date', last === undefined ? words.text('fact.until-cancelled') : words.date(last)],
  ];
}

function limitFacts(limits: AskedMembers | undefined, words: Words): readonly NamedFact[] {
  if (limits === undefined) return [];
  const maximum = limits.amount('maximumIndividualAmount');
  const [from, to] = [limits.text('validFrom'), limits.text('validTo')];
  const periodic = limits.objects('periodic').map((limit): NamedFact => {
    const period = limit.text('period') ?? '';
    // A limit has its own currency, or the one of a payment.
    const currency = limit.text('currency') ?? maximum?.currency ?? '';
    const amount = limit.amount('amount') ?? { currency, amount: limit.text('amount') ?? '' };
    const label = words.text('fact.limit', { period: words.findText(`period.${period}`) ?? period });
    return [{ name: 'fact.limit', label }, words.amount(amount)];
  });
  return [
    ['fact.maximum', maximum && words.amount(maximum)],
    ...periodic,
    ['fact.valid-from', from && words.date(from)],
    ['fact.valid-to', to && words.date(to)],
  ];
}
