import { randomUUID } from 'node:crypto';
import * as oauth from 'openid-client';
import { tppNamed } from '../../curl-lines.ts';
import { clientNamed } from '../../sandbox-clients.ts';
import type { DemoTpp } from '../demo-tpp.ts';
import type { Walk } from '../walk.ts';
import { allowed, ask, customer } from './bank-journey.ts';

const AISP = '/open-banking/v4.0/aisp';
const PISP = '/open-banking/v4.0/pisp';
const ACCESS = { Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'] }, Risk: {} };
const INITIATION = {
  InstructionIdentification: 'order-4711',
  InstructedAmount: { Amount: '8.40', Currency: 'GBP' },
  CreditorAccount: {
    SchemeName: 'UK.OBIE.IBAN',
    Identification: 'GB33BUKB20201555555555',
    Name: 'Corner Shop',
  },
};

interface Staged {
  readonly Data: { readonly ConsentId: string; readonly Status: string };
}

/** An access to accounts and a payment as the UK has them: the consent is staged, and named by its identifier. */
export async function showUk(walk: Walk): Promise<void> {
  const client = clientNamed(tppNamed(walk.description, 'money-one'), 'jwt-uk');
  const tpp = await walk.connect('money-one', { client });
  oauth.useCodeIdTokenResponseType(tpp.config);
  oauth.enableDetachedSignatureResponseChecks(tpp.config);
  await showAccounts(walk, tpp);
  await showPayment(walk, tpp);
}

async function showAccounts(walk: Walk, tpp: DemoTpp): Promise<void> {
  const own = await ownToken(tpp, 'accounts');
  const path = `${AISP}/account-access-consents`;
  const id = await walk.succeeds(
    'UK: a consent for accounts is staged',
    async () => stage(tpp, { path, token: own, json: ACCESS }),
    (consentId) => `${ACCESS.Data.Permissions.join(', ')}: consent ${consentId.slice(0, 8)}… waits`,
  );
  if (id === undefined) return;
  const flow = await walk.succeeds(
    'alice logs in with password and a code of her generator (TOTP), and allows one account',
    () => {
      const answer = { ...customer(walk, 'alice', 'totp'), chooses: (one: string) => one === 'acc-1001' };
      return allowed(walk, tpp, { answer, form: 'signed', parameters: naming(id, 'accounts') });
    },
    ({ tokens }) => `token for "${tokens.scope}"`,
  );
  const token = flow?.tokens.access_token;
  await walk.succeeds(
    '… and the bank shows it',
    () => ask(tpp, { path: `${AISP}/accounts/acc-1001/balances`, token }),
    ({ Data }) =>
      JSON.stringify((Data as { readonly Balance: readonly { Amount: unknown }[] }).Balance[0]?.Amount),
  );
  await walk.isRefused('an account that she did not choose', 'ERR_CONSENT_ACCOUNT', () =>
    ask(tpp, { path: `${AISP}/accounts/acc-1002/balances`, token }),
  );
  await walk.isRefused('transactions, which she was not asked for', 'ERR_CONSENT_PERMISSION', () =>
    ask(tpp, { path: `${AISP}/accounts/acc-1001/transactions`, token }),
  );
  await walk.isRefused('the code is used a second time', 'invalid_grant', async () => flow?.redeem());
  await walk.isRefused("another TPP names this TPP's consent", 'ERR_CONSENT_UNKNOWN', async () => {
    const two = tppNamed(walk.description, 'money-two');
    const other = await walk.connect('money-two', { client: clientNamed(two, 'jwt-uk') });
    oauth.useCodeIdTokenResponseType(other.config);
    const request = { form: 'pushed-signed', parameters: naming(id, 'accounts') } as const;
    return allowed(walk, other, { answer: customer(walk, 'alice', 'app'), ...request });
  });
}

async function showPayment(walk: Walk, tpp: DemoTpp): Promise<void> {
  const own = await ownToken(tpp, 'payments');
  const path = `${PISP}/domestic-payment-consents`;
  const json = { Data: { Initiation: INITIATION }, Risk: {} };
  const id = await walk.succeeds(
    'UK: a payment is staged',
    async () => stage(tpp, { path, token: own, json }),
    (consentId) => `8.40 GBP to Corner Shop: consent ${consentId.slice(0, 8)}… waits`,
  );
  if (id === undefined) return;
  const flow = await walk.succeeds(
    'alice sees amount and payee on her phone, and confirms there (decoupled)',
    () => {
      const answer = { ...customer(walk, 'alice', 'app'), chooses: (one: string) => one === 'acc-1001' };
      return allowed(walk, tpp, { answer, form: 'signed', parameters: naming(id, 'payments') });
    },
    ({ tokens }) => `token for "${tokens.scope}"`,
  );
  const pay = (change: object) => {
    const Initiation = { ...INITIATION, ...change };
    const body = { Data: { ConsentId: id, Initiation }, Risk: {} };
    const request = { path: `${PISP}/domestic-payments`, json: body, headers: key() };
    return ask(tpp, { ...request, token: flow?.tokens.access_token });
  };
  const amount = { InstructedAmount: { Amount: '8.41', Currency: 'GBP' } };
  await walk.isRefused('the payment with one penny more', 'U008', () => pay(amount));
  await walk.succeeds(
    'the payment as she approved it',
    () => pay({}),
    ({ Data }) => {
      const { DomesticPaymentId: payment, Status } = Data as Readonly<Record<string, string>>;
      return `payment ${payment?.slice(0, 8)}…, status ${Status}`;
    },
  );
  await walk.isRefused('the payment a second time: the consent is used', 'ERR_TOKEN_REVOKED', () => pay({}));
  await walk.isRefused('an authorization for the used consent', 'ERR_CONSENT_STATUS', () =>
    allowed(walk, tpp, {
      answer: customer(walk, 'alice', 'app'),
      form: 'pushed-signed',
      parameters: naming(id, 'payments'),
    }),
  );
}

async function stage(
  tpp: DemoTpp,
  request: { readonly path: string; readonly token: string; readonly json: object },
): Promise<string> {
  const { Data } = (await ask(tpp, { ...request, headers: key() })) as unknown as Staged;
  return Data.ConsentId;
}

function key() {
  return { 'x-idempotency-key': randomUUID() };
}

function naming(value: string, scope: string) {
  const claims = { id_token: { openbanking_intent_id: { value, essential: true } } };
  return { scope: `openid ${scope}`, claims: JSON.stringify(claims) };
}

async function ownToken({ config }: DemoTpp, scope: string): Promise<string> {
  return (await oauth.clientCredentialsGrant(config, { scope })).access_token;
}
