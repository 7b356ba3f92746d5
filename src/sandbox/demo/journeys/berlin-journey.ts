import { randomUUID } from 'node:crypto';
import { tppNamed } from '../../curl-lines.ts';
import { clientNamed } from '../../sandbox-clients.ts';
import type { DemoTpp } from '../demo-tpp.ts';
import type { Walk } from '../walk.ts';
import { allowed, ask, customer } from './bank-journey.ts';

const SEPA = '/v1/payments/sepa-credit-transfers';
const EURO = 'acc-3001';
const CONSENT = {
  access: { balances: [{ iban: 'GB45BUKB20201555550004' }] },
  recurringIndicator: true,
  validUntil: '2099-12-31',
  frequencyPerDay: 4,
  combinedServiceIndicator: false,
};
const PAYMENT = {
  instructedAmount: { currency: 'EUR', amount: '12.50' },
  creditorName: 'Merchant Berlin',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

/** The same by the Berlin Group: the certificate is the registration, and a scope names the consent. */
export async function showBerlin(walk: Walk): Promise<void> {
  const { description } = walk;
  const money = tppNamed(description, 'money-one');
  const connect = (name: string) => {
    const tpp = tppNamed(description, name);
    return walk.connect(name, { client: clientNamed(tpp, tpp.organizationIdentifier) });
  };
  const tpp = await connect(money.name);
  await showAccounts(walk, tpp);
  await showPayment(walk, { tpp, other: await connect('money-two') });
}

const headers = () => ({ 'x-request-id': randomUUID(), 'psu-ip-address': '192.0.2.1' });
const naming = (scope: string) => ({ scope: `openid ${scope}` });

async function showAccounts(walk: Walk, tpp: DemoTpp): Promise<void> {
  const made = await walk.succeeds(
    'Berlin Group: a consent for balances, made with the certificate alone',
    () => ask(tpp, { path: '/v1/consents', json: CONSENT, headers: headers() }),
    ({ consentStatus, _links: links }) =>
      `${consentStatus}, scaOAuth ${(links as { readonly scaOAuth: { readonly href: string } }).scaOAuth.href}`,
  );
  if (made === undefined) return;
  const id = String(made.consentId);
  const flow = await walk.succeeds(
    'chloe logs in, confirms in the app of the bank, and allows it',
    () => allowed(walk, tpp, { answer: customer(walk, 'chloe', 'app'), parameters: naming(`AIS:${id}`) }),
    ({ tokens }) => `token for "${tokens.scope}"`,
  );
  const read = (path: string, consentId = id) =>
    ask(tpp, {
      path,
      token: flow?.tokens.access_token,
      headers: { ...headers(), 'consent-id': consentId },
    });
  await walk.succeeds(
    '… and the bank shows the balance',
    () => read(`/v1/accounts/${EURO}/balances`),
    ({ balances }) =>
      JSON.stringify((balances as readonly { readonly balanceAmount: unknown }[])[0]?.balanceAmount),
  );
  await walk.isRefused('the same token for another consent', 'CONSENT_UNKNOWN', () =>
    read('/v1/accounts', 'another'),
  );
}

async function showPayment(
  walk: Walk,
  { tpp, other }: { readonly tpp: DemoTpp; readonly other: DemoTpp },
): Promise<void> {
  const made = await walk.succeeds(
    'Berlin Group: a SEPA credit transfer',
    () => ask(tpp, { path: SEPA, json: PAYMENT, headers: headers() }),
    ({ transactionStatus }) => `12.50 EUR to Merchant Berlin, status ${transactionStatus}`,
  );
  if (made === undefined) return;
  const scope = `PIS:${made.paymentId}`;
  const answer = { ...customer(walk, 'chloe', 'app'), chooses: (one: string) => one === EURO };
  await walk.isRefused('another TPP asks the customer to approve it', 'ERR_CONSENT_UNKNOWN', () =>
    allowed(walk, other, { answer, parameters: naming(scope) }),
  );
  await walk.isRefused('a payment that there is not', 'ERR_CONSENT_UNKNOWN', () =>
    allowed(walk, tpp, { answer, parameters: naming('PIS:no-such-payment') }),
  );
  await walk.succeeds(
    'chloe sees amount and payee on her phone, and confirms there (decoupled)',
    () => allowed(walk, tpp, { answer, parameters: naming(scope) }),
    ({ tokens }) => `token for "${tokens.scope}"`,
  );
  await walk.succeeds(
    '… and the bank carries it out',
    () => ask(tpp, { path: `${SEPA}/${made.paymentId}/status`, headers: headers() }),
    ({ transactionStatus }) => `status ${transactionStatus}`,
  );
  await walk.isRefused('an authorization for the used payment', 'ERR_CONSENT_STATUS', () =>
    allowed(walk, tpp, { answer, parameters: naming(scope) }),
  );
}
