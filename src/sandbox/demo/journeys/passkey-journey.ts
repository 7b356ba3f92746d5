import { randomUUID } from 'node:crypto';
import { tppNamed } from '../../curl-lines.ts';
import { clientNamed } from '../../sandbox-clients.ts';
import { DemoBrowser, walkTo } from '../demo-browser.ts';
import type { SecondElement } from '../second-element.ts';
import type { Walk } from '../walk.ts';
import { allowed, ask, customer } from './bank-journey.ts';
import { SoftwarePasskey } from './software-passkey.ts';

const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '2.40' },
  creditorName: 'Corner Shop',
  creditorAccount: { iban: 'GB33BUKB20201555555555' },
};

/** A payment that a passkey confirms: the challenge holds amount and payee. The passkey is made before, and removed. */
export async function showPasskey(walk: Walk): Promise<void> {
  const { caFile, issuer } = walk.description;
  const browser = await DemoBrowser.open(caFile);
  const passkey = new SoftwarePasskey(issuer);
  try {
    // A sandbox in which the password is enough.
    if ((await browser.visit(new URL(`${issuer}/passkeys`))).status === 404) return;
    const enrolled = await walk.succeeds(
      'alice logs in with two elements, and adds a passkey (an authenticator in software, ES256)',
      () => enrol(walk, browser, passkey),
      () => `passkey ${passkey.id.slice(0, 8)}…`,
    );
    if (enrolled === undefined) return;
    try {
      await showPayment(walk, passkey);
    } finally {
      await send(browser, `${issuer}/passkeys`, 'remove', { passkey: passkey.id });
    }
  } finally {
    await browser.close();
  }
}

async function enrol(walk: Walk, browser: DemoBrowser, passkey: SoftwarePasskey): Promise<string> {
  const address = `${walk.description.issuer}/passkeys`;
  const isThere = ({ pathname }: URL) => pathname === '/consents';
  await walkTo(browser, new URL(address), { answer: customer(walk, 'alice', 'app'), isThere });
  const { html } = await browser.visit(new URL(address));
  const [, offer = ''] = /name="offer" value="([^"]*)"/.exec(html) ?? [];
  const form = { offer, answer: passkey.create(html), name: 'npm run demo' };
  const added = await send(browser, address, 'add', form);
  if (!added.html.includes(passkey.id)) throw new Error(`HTTP ${added.status}, the passkey was not added`);
  return passkey.id;
}

/** Sends a form of the page of passkeys. */
async function send(
  browser: DemoBrowser,
  address: string,
  action: 'add' | 'remove',
  fields: Readonly<Record<string, string>>,
) {
  const { html } = await browser.visit(new URL(address));
  const [, csrf = ''] = /name="csrf" value="([^"]*)"/.exec(html) ?? [];
  return browser.visit(new URL(`${address}/${action}`), new URLSearchParams({ csrf, ...fields }));
}

async function showPayment(walk: Walk, passkey: SoftwarePasskey): Promise<void> {
  const money = tppNamed(walk.description, 'money-one');
  const tpp = await walk.connect('money-one', { client: clientNamed(money, 'mtls-rar') });
  const allow = (second: SecondElement, detail: object) => {
    const parameters = { scope: 'openid', authorization_details: JSON.stringify([detail]) };
    return allowed(walk, tpp, { answer: { ...customer(walk, 'alice', 'app'), second }, parameters });
  };
  const flow = await walk.succeeds(
    'alice confirms 2.40 GBP to Corner Shop with the passkey',
    () => allow(passkey, PAYMENT),
    ({ tokens }) => `token, authenticated by ${tokens.claims()?.amr}`,
  );
  const more = { ...PAYMENT, instructedAmount: { currency: 'GBP', amount: '2.41' } };
  const copy = passkey.last;
  await walk.isRefused('the same signature for one penny more', 'was not taken', () =>
    allow(sentAgain(copy), more),
  );
  await walk.succeeds(
    '… and the bank carries out the payment as she approved it',
    () => {
      const headers = { 'idempotency-key': randomUUID() };
      const token = flow?.tokens.access_token;
      return ask(tpp, { path: '/rar/v1/payments', json: PAYMENT, token, headers });
    },
    ({ status }) => String(status),
  );
}

/** An answer of another page. */
function sentAgain(fields: Readonly<Record<string, string>>): SecondElement {
  return {
    by: 'passkey',
    answer: async (_page, isRefused) => {
      if (isRefused === true) throw new Error('the signature of another payment was not taken');
      return fields;
    },
  };
}
