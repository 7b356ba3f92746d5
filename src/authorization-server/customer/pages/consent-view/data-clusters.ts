import type { MessageName } from '../words/messages.ts';
import type { Words } from '../words/words.ts';

type ClusterCode =
  | 'accounts'
  | 'balances'
  | 'transactions'
  | 'regular'
  | 'statements'
  | 'features'
  | 'contact'
  | 'cards'
  | 'credit'
  | 'investments'
  | 'exchange'
  | 'other';

type DataName = Extract<MessageName, `data.${string}`>;

/** One kind of data in plain words, and what belongs to it. */
export interface DataCluster {
  readonly code: ClusterCode;
  readonly title: string;
  readonly text: string;
  readonly permissions: readonly string[];
}

/** In the order of the page. */
const CLUSTERS: readonly ClusterCode[] = [
  'accounts',
  'balances',
  'transactions',
  'regular',
  'statements',
  'cards',
  'credit',
  'investments',
  'exchange',
  'features',
  'contact',
  'other',
];

/** Actions of `account_information`. */
const ACTIONS: Readonly<Record<string, readonly [ClusterCode, DataName]>> = {
  list_accounts: ['accounts', 'data.list_accounts'],
  read_account_details: ['accounts', 'data.read_account_details'],
  read_balances: ['balances', 'data.read_balances'],
  read_transactions: ['transactions', 'data.read_transactions'],
  read_beneficiaries: ['regular', 'data.read_beneficiaries'],
  read_standing_orders: ['regular', 'data.read_standing_orders'],
  read_direct_debits: ['regular', 'data.read_direct_debits'],
  read_scheduled_payments: ['regular', 'data.read_scheduled_payments'],
  read_statements: ['statements', 'data.read_statements'],
  read_party: ['contact', 'data.read_party'],
  read_products: ['features', 'data.read_products'],
  read_offers: ['features', 'data.read_offers'],
};

/** Permission codes of the UK (Read/Write data API, `Permissions`). */
const UK_PERMISSIONS: Readonly<Record<string, readonly [ClusterCode, DataName]>> = {
  ReadAccountsBasic: ['accounts', 'data.accounts_basic'],
  ReadAccountsDetail: ['accounts', 'data.read_account_details'],
  ReadPAN: ['accounts', 'data.card_number'],
  ReadBalances: ['balances', 'data.read_balances'],
  ReadTransactionsBasic: ['transactions', 'data.transactions_basic'],
  ReadTransactionsDetail: ['transactions', 'data.read_transactions'],
  ReadTransactionsCredits: ['transactions', 'data.transactions_credits'],
  ReadTransactionsDebits: ['transactions', 'data.transactions_debits'],
  ReadBeneficiariesBasic: ['regular', 'data.beneficiaries_basic'],
  ReadBeneficiariesDetail: ['regular', 'data.read_beneficiaries'],
  ReadStandingOrdersBasic: ['regular', 'data.standing_orders_basic'],
  ReadStandingOrdersDetail: ['regular', 'data.read_standing_orders'],
  ReadDirectDebits: ['regular', 'data.read_direct_debits'],
  ReadScheduledPaymentsBasic: ['regular', 'data.scheduled_payments_basic'],
  ReadScheduledPaymentsDetail: ['regular', 'data.read_scheduled_payments'],
  ReadStatementsBasic: ['statements', 'data.statements_basic'],
  ReadStatementsDetail: ['statements', 'data.read_statements'],
  ReadProducts: ['features', 'data.read_products'],
  ReadOffers: ['features', 'data.read_offers'],
  ReadParty: ['contact', 'data.read_party'],
  ReadPartyPSU: ['contact', 'data.party_user'],
};

/** Permission codes of Brazil (Open Finance, consents API), by their beginning: the first that fits. */
const BRAZIL_PERMISSIONS: readonly (readonly [RegExp, ClusterCode, DataName])[] = [
  [/^ACCOUNTS_BALANCES_/, 'balances', 'data.read_balances'],
  [/^ACCOUNTS_TRANSACTIONS_/, 'transactions', 'data.read_transactions'],
  [/^ACCOUNTS_OVERDRAFT_LIMITS_/, 'features', 'data.overdraft_limits'],
  [/^ACCOUNTS_READ$/, 'accounts', 'data.read_account_details'],
  [/^CREDIT_CARDS_ACCOUNTS_LIMITS_/, 'cards', 'data.card_limits'],
  [/^CREDIT_CARDS_ACCOUNTS_BILLS_TRANSACTIONS_/, 'cards', 'data.card_transactions'],
  [/^CREDIT_CARDS_ACCOUNTS_BILLS_/, 'cards', 'data.card_bills'],
  [/^CREDIT_CARDS_ACCOUNTS_TRANSACTIONS_/, 'cards', 'data.card_transactions'],
  [/^CREDIT_CARDS_ACCOUNTS_READ$/, 'cards', 'data.cards'],
  [/^CUSTOMERS_(PERSONAL|BUSINESS)_IDENTIFICATIONS_/, 'contact', 'data.identification'],
  [/^CUSTOMERS_(PERSONAL|BUSINESS)_ADITTIONALINFO_/, 'contact', 'data.additional_information'],
  [/^RESOURCES_READ$/, 'accounts', 'data.resources'],
  [
    /^(LOANS|FINANCINGS|UNARRANGED_ACCOUNTS_OVERDRAFT|INVOICE_FINANCINGS)_SCHEDULED_INSTALMENTS_/,
    'credit',
    'data.instalments',
  ],
  [
    /^(LOANS|FINANCINGS|UNARRANGED_ACCOUNTS_OVERDRAFT|INVOICE_FINANCINGS)_PAYMENTS_/,
    'credit',
    'data.credit_payments',
  ],
  [
    /^(LOANS|FINANCINGS|UNARRANGED_ACCOUNTS_OVERDRAFT|INVOICE_FINANCINGS)_WARRANTIES_/,
    'credit',
    'data.warranties',
  ],
  [/^LOANS_READ$/, 'credit', 'data.loans'],
  [/^FINANCINGS_READ$/, 'credit', 'data.financings'],
  [/^UNARRANGED_ACCOUNTS_OVERDRAFT_READ$/, 'credit', 'data.overdrafts'],
  [/^INVOICE_FINANCINGS_READ$/, 'credit', 'data.discounted_receivables'],
  [
    /^(BANK_FIXED_INCOMES|CREDIT_FIXED_INCOMES|FUNDS|VARIABLE_INCOMES|TREASURE_TITLES)_READ$/,
    'investments',
    'data.investments',
  ],
  [/^EXCHANGES_READ$/, 'exchange', 'data.exchanges'],
];

/**
 * Actions and permissions, grouped for a customer. Permissions are the finer of both: where a cluster has some, its
 * actions are left out. A permission of the bank's own, or an unknown one, is shown by its name: never left out.
 */
export function dataClusters(
  { actions, permissions }: { readonly actions: readonly string[]; readonly permissions: readonly string[] },
  words: Words,
): readonly DataCluster[] {
  const ofPermissions = permissions.map((code) => placed(code, placeOfPermission(code), words));
  const fine = new Set(ofPermissions.map(({ cluster }) => cluster));
  const ofActions = actions
    .map((code) => placed(code, ACTIONS[code], words))
    .filter(({ cluster }) => !fine.has(cluster));
  const all = [...ofPermissions, ...ofActions];
  return CLUSTERS.flatMap((code) => {
    const texts = new Set(all.filter(({ cluster }) => cluster === code).map(({ text }) => text));
    if (texts.size === 0) return [];
    const title = words.text(`cluster.${code}`);
    return [{ code, title, text: words.text(`cluster.${code}.text`), permissions: [...texts] }];
  });
}

function placeOfPermission(code: string): readonly [ClusterCode, DataName] | undefined {
  if (Object.hasOwn(UK_PERMISSIONS, code)) return UK_PERMISSIONS[code];
  const [, cluster, name] = BRAZIL_PERMISSIONS.find(([pattern]) => pattern.test(code)) ?? [];
  return cluster === undefined || name === undefined ? undefined : [cluster, name];
}

function placed(
  code: string,
  place: readonly [ClusterCode, DataName] | undefined,
  words: Words,
): { readonly cluster: ClusterCode; readonly text: string } {
  if (place !== undefined) return { cluster: place[0], text: words.text(place[1]) };
  return { cluster: 'other', text: words.findText(`permission.${code}`) ?? code };
}
