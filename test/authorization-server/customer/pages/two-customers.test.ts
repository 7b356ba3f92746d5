import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_CUSTOMERS } from '../../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../../running-sandbox.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from '../chromium.ts';

/** A tab of the browser with an authorization of its own, and its customer. */
interface Tab {
  readonly page: Page;
  readonly tpp: DemoTpp;
  readonly verifier: string;
  readonly customer: (typeof DEMO_CUSTOMERS)[number];
}

type Name = 'money-one' | 'money-two';

const SAME: readonly [Name, Name] = ['money-one', 'money-one'];
const TWO: readonly [Name, Name] = ['money-one', 'money-two'];

describe.skipIf(isChromiumMissing)(`K2: two customers in two tabs of one browser${chromiumNote}`, () => {
  let sandbox: TestSandbox;
  let sites: Awaited<ReturnType<typeof openSites>>;
  let browser: Browser;
  const tpps: DemoTpp[] = [];

  beforeAll(async () => {
    sandbox = await startTestSandbox();
    const { description } = sandbox;
    for (const name of TWO) tpps.push(await connectTpp({ description, tpp: tppNamed(description, name) }));
    sites = await openSites(sandbox, { 'tpp.example': (_request, response) => response.end('back') });
    browser = await launchChromium(sandbox, sites);
  });
  afterAll(async () => {
    await browser?.close();
    sites?.close();
    for (const tpp of tpps) await tpp.close();
    await sandbox?.stop();
  });

  /** Both tabs are open before anyone logs in. */
  async function inTabs(
    names: readonly [Name, Name],
    run: (alice: Tab, bob: Tab) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext({ locale: 'en-GB', javaScriptEnabled: false });
    context.setDefaultTimeout(10_000);
    const open = async (at: 0 | 1): Promise<Tab> => {
      const tpp = tpps[TWO.indexOf(names[at])];
      const customer = DEMO_CUSTOMERS[at];
      if (tpp === undefined || customer === undefined) throw new Error('there is no such tab');
      const verifier = oauth.randomPKCECodeVerifier();
      const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
        redirect_uri: DEMO_REDIRECT_URI,
        scope: 'openid accounts',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      const page = await context.newPage();
      await page.goto(url.href);
      return { page, tpp, verifier, customer };
    };
    try {
      await run(await open(0), await open(1));
    } finally {
      await context.close();
    }
  }

  async function logIn({ page, customer }: Tab): Promise<void> {
    await page.locator('#username').fill(customer.username);
    await page.locator('#password').fill(customer.password);
    await page.locator('#login').click();
    await page.locator('#approve').waitFor();
  }

  async function decide({ page }: Tab, button: '#approve' | '#cancel' = '#approve'): Promise<URL> {
    if (button === '#approve') await page.locator('input[name=account]').first().check();
    await page.locator(button).click();
    await page.waitForURL('https://tpp.example/**');
    return new URL(page.url());
  }

  /** The TPP of the tab got the access of the tab's customer, and of no other. */
  async function expectOwn({ page, tpp, verifier, customer }: Tab): Promise<void> {
    const tokens = await oauth.authorizationCodeGrant(tpp.config, new URL(page.url()), {
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const { consent_id: consentId, sub } = decodeJwt(tokens.access_token);
    const consent = await sandbox.server.consents.find(String(consentId));
    const { psuId, accounts } = customer;
    expect([consent?.psuId, tokens.claims()?.sub, sub]).toEqual([psuId, psuId, psuId]);
    expect(consent?.accountIds).toEqual([accounts[0]?.accountId]);
  }

  it.each([
    ['in the order of their logins', SAME, false],
    ['for two TPPs, the last to log in first', TWO, true],
  ] as const)('both approve, %s', async (_name, names, isReversed) => {
    await inTabs(names, async (alice, bob) => {
      await logIn(alice);
      await logIn(bob);
      const order = isReversed ? [bob, alice] : [alice, bob];
      for (const tab of order) {
        await tab.page.reload();
        await decide(tab);
      }
      for (const tab of order) await expectOwn(tab);
    });
  });

  it('one cancels, which does not concern the other', async () => {
    await inTabs(SAME, async (alice, bob) => {
      await logIn(bob);
      await logIn(alice);
      expect((await decide(bob, '#cancel')).searchParams.get('error')).toBe('access_denied');
      await decide(alice);
      await expectOwn(alice);
    });
  });

  it('both approve at once, twice', async () => {
    for (let round = 0; round < 2; round += 1) {
      await inTabs(TWO, async (alice, bob) => {
        await logIn(alice);
        await logIn(bob);
        await Promise.all([alice, bob].map((tab) => decide(tab)));
        await expectOwn(alice);
        await expectOwn(bob);
      });
    }
  });
});
