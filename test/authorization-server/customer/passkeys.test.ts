import * as oauth from 'openid-client';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { generatedCode } from '../../../src/sandbox/demo/second-element.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from './chromium.ts';

const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

describe.skipIf(isChromiumMissing)(`passkeys in a real browser${chromiumNote}`, () => {
  let sandbox: TestSandbox;
  let sites: Awaited<ReturnType<typeof openSites>>;
  let browser: Browser;
  let context: BrowserContext;
  let tpp: DemoTpp;
  let page: Page;
  let cdp: CDPSession;
  let authenticatorId: string;

  beforeAll(async () => {
    sandbox = await startTestSandbox({
      strongAuthentication: true,
      amendConfiguration: (own) => ({ ...own, dashboard: { enabled: true } }),
    });
    const { description } = sandbox;
    tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    sites = await openSites(sandbox, {
      'tpp.example': (_request, response) => response.end('back at the TPP'),
    });
    browser = await launchChromium(sandbox, sites);
    context = await browser.newContext({ locale: 'en-GB', viewport: { width: 360, height: 740 } });
    context.setDefaultTimeout(10_000);
    page = await context.newPage();
    cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    ({ authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    }));
  });
  afterAll(async () => {
    await browser?.close();
    sites?.close();
    await tpp?.close();
    await sandbox?.stop();
  });

  const alice = () => {
    const [customer] = sandbox.description.customers;
    if (customer === undefined) throw new Error('no customers');
    return customer;
  };
  const usePasskey = () => page.getByRole('button', { name: 'Use the passkey' });

  async function logIn(): Promise<void> {
    await page.getByLabel('Customer name').fill(alice().username);
    await page.getByLabel('Password').fill(alice().password);
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  /** The pages of an authorization, behind the password. */
  async function opened(parameters: Readonly<Record<string, string>>, to: Page = page): Promise<string> {
    const verifier = oauth.randomPKCECodeVerifier();
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    await to.goto(url.href);
    await logIn();
    return verifier;
  }
  const paying = (amount: string) => {
    const detail = { ...PAYMENT, instructedAmount: { currency: 'EUR', amount } };
    return { scope: 'openid payments', authorization_details: JSON.stringify([detail]) };
  };
  /** Signs, and keeps the answer on the page instead of sending it. */
  async function signedAnswer(): Promise<string> {
    await page.evaluate("document.querySelector('#factor-form').requestSubmit = () => {}");
    await usePasskey().click();
    const field = page.locator('#passkey-answer');
    await expect.poll(() => field.inputValue()).not.toBe('');
    return field.inputValue();
  }
  /** Sends an answer of another page. */
  async function sendAnswer(answer: string): Promise<void> {
    const value = JSON.stringify(answer);
    await page.evaluate(`document.querySelector('#passkey-answer').value = ${value}`);
    await page.locator('#login').click();
    await page.waitForLoadState();
  }
  const isAtConsent = () => page.locator('#approve').count();

  it('are added by a customer who has proved two other elements', async () => {
    await page.goto(`${sandbox.description.issuer}/passkeys`);
    await logIn();
    const { answer: code = '' } = await generatedCode(alice().totpSecret).answer('');
    const chosen = page.locator('button[name=factor][value=totp]');
    if ((await chosen.count()) > 0) await chosen.click();
    await page.locator('#answer').fill(code);
    await page.locator('#login').click();
    await page.getByRole('link', { name: 'Your passkeys' }).click();
    expect(await page.locator('#no-passkeys').count()).toBe(1);
    await page.getByLabel('Name of this device').fill('My laptop');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByRole('heading', { name: 'My laptop' }).waitFor();
    const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
    expect(credentials.map(({ rpId }) => rpId)).toEqual(['localhost']);
    expect(await sandbox.events({ event: 'psu.passkey.changed' })).toHaveLength(1);
  });

  it('are two elements with the password, and the token names them', async () => {
    const verifier = await opened({});
    await usePasskey().click();
    await page.getByLabel('Savings account').check();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL('https://tpp.example/**');
    const tokens = await oauth.authorizationCodeGrant(tpp.config, new URL(page.url()), {
      pkceCodeVerifier: verifier,
    });
    expect(tokens.claims()).toMatchObject({ amr: ['pwd', 'hwk', 'user', 'mfa'] });
  });

  it('sign one amount and one payee: a signature for another is refused (RTS article 5(1)(b) to (d), K3, K4)', async () => {
    await opened(paying('123.50'));
    expect(await page.locator('main').textContent()).toContain('€123.50');
    const ofOne = await signedAnswer();
    await opened(paying('123.51'));
    await sendAnswer(ofOne);
    expect([await isAtConsent(), await page.locator('#problem').count()]).toEqual([0, 1]);
    // The page has a signature of its own, which is good.
    await page.reload();
    await usePasskey().click();
    await page.locator('#approve').waitFor();
  });

  it('are nothing without verification of the customer by the authenticator', async () => {
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
    await opened({});
    await usePasskey().click();
    await page.locator('#passkey-problem:visible').waitFor();
    expect(await isAtConsent()).toBe(0);
    await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  });

  it('need a script, and every other element does not', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB' });
    const former = page;
    page = await plain.newPage();
    await opened({});
    expect(await page.locator('noscript').textContent()).toContain('JavaScript');
    await page.locator('button[name=factor][value=totp]').click();
    expect(await page.locator('#answer').count()).toBe(1);
    await plain.close();
    page = former;
  });

  it('are removed by their customer, and ask no more', async () => {
    await page.goto(`${sandbox.description.issuer}/passkeys`);
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.locator('#no-passkeys').waitFor();
    await opened({});
    expect(await usePasskey().count()).toBe(0);
  });
});
