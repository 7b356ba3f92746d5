import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import * as oauth from 'openid-client';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from './chromium.ts';

describe.skipIf(isChromiumMissing)(`in a real browser, with scripts switched off${chromiumNote}`, () => {
  let sandbox: TestSandbox;
  let sites: Awaited<ReturnType<typeof openSites>>;
  let browser: Browser;
  let context: BrowserContext;
  let tpp: DemoTpp;

  beforeAll(async () => {
    sandbox = await startTestSandbox();
    const { description } = sandbox;
    tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    sites = await openSites(sandbox, {
      'tpp.example': (_request, response) => response.end('back at the TPP'),
    });
    browser = await launchChromium(sandbox, sites);
    context = await browser.newContext({
      javaScriptEnabled: false,
      locale: 'en-GB',
      viewport: { width: 360, height: 740 },
    });
    context.setDefaultTimeout(5000);
  });
  afterAll(async () => {
    await browser?.close();
    sites?.close();
    await tpp?.close();
    await sandbox?.stop();
  });

  async function push() {
    const verifier = oauth.randomPKCECodeVerifier();
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, verifier };
  }

  async function logIn(page: Page, username: string, password: string): Promise<void> {
    await page.getByLabel('Customer name').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  async function consentOf(page: Page, customer: { username: string; password: string }, account: string) {
    const { url, verifier } = await push();
    await page.goto(url);
    await logIn(page, customer.username, customer.password);
    await page.getByLabel(account).check();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL('https://tpp.example/**');
    return oauth.authorizationCodeGrant(tpp.config, new URL(page.url()), { pkceCodeVerifier: verifier });
  }

  it('a customer logs in, chooses an account and allows; another one does after her', async () => {
    const page = await context.newPage();
    const [alice, bob] = sandbox.description.customers;
    if (alice === undefined || bob === undefined) throw new Error('no customers');
    const first = await consentOf(page, alice, 'Savings account');
    const seen = await tpp.call('/accounts', first.access_token);
    expect((seen.body.accounts as { accountId: string }[]).map((one) => one.accountId)).toEqual(['acc-1002']);
    const second = await consentOf(page, bob, 'Current account');
    expect(second.claims()?.sub).toBe('psu-9b40d7');
    const own = await tpp.call('/accounts', second.access_token);
    expect((own.body.accounts as { accountId: string }[]).map((one) => one.accountId)).toEqual(['acc-2001']);
    await page.close();
  });

  it('says who asks, for what and until when, and stays on the page without a choice', async () => {
    const page = await context.newPage();
    const [alice] = sandbox.description.customers;
    await page.goto((await push()).url);
    await logIn(page, alice?.username ?? '', alice?.password ?? '');
    await page.getByRole('button', { name: 'Allow' }).waitFor();
    const text = await page.locator('main').textContent();
    expect(text).toContain('Money One');
    expect(text).toContain('PSDGB-FCA-900003, supervised by Financial Conduct Authority');
    expect(text).toContain('See your accounts');
    expect(text).toMatch(/This access ends on \d+ \w+ \d{4}/);
    await page.getByRole('button', { name: 'Allow' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('choose at least one account');
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    await page.close();
  });

  it('cancels from each page: access_denied', async () => {
    const page = await context.newPage();
    const [alice] = sandbox.description.customers;
    for (const isLoggedIn of [false, true]) {
      await page.goto((await push()).url);
      if (isLoggedIn) await logIn(page, alice?.username ?? '', alice?.password ?? '');
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.waitForURL('https://tpp.example/**');
      expect(new URL(page.url()).searchParams.get('error')).toBe('access_denied');
    }
    await page.close();
  });

  it('tells a wrong password on the page, and the same sentence on every error page', async () => {
    const page = await context.newPage();
    await page.goto((await push()).url);
    await logIn(page, 'alice', 'wrong');
    expect(await page.getByRole('alert').textContent()).toContain('do not belong together');
    for (const path of [
      '/nothing',
      '/authorize',
      '/interaction/unknown',
      '/authorize?request_uri=urn:x&client_id=y',
    ]) {
      await page.goto(`${sandbox.description.issuer}${path}`);
      expect(await page.locator('h1').textContent()).toBe('The request could not be processed.');
      expect(await page.locator('code').textContent()).toMatch(/^[0-9a-f-]{36}$/);
    }
    await page.close();
  });

  it.each(['light', 'dark'] as const)(
    'meets WCAG 2.2 AA on every page, as axe sees it: %s',
    async (colorScheme) => {
      const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      const scripted = await browser.newContext({
        bypassCSP: true,
        colorScheme,
        viewport: { width: 360, height: 740 },
      });
      const page = await scripted.newPage();
      const [alice] = sandbox.description.customers;
      const violations = async () => {
        await page.evaluate(axe);
        return page.evaluate<string[]>(
          `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((found) => found.violations.map((one) => one.id))`,
        );
      };
      await page.goto((await push()).url);
      expect(await violations()).toEqual([]);
      await logIn(page, alice?.username ?? '', 'wrong');
      expect(await violations()).toEqual([]);
      await logIn(page, alice?.username ?? '', alice?.password ?? '');
      await page.getByRole('button', { name: 'Allow' }).waitFor();
      expect(await violations()).toEqual([]);
      await page.goto(`${sandbox.description.issuer}/nothing`);
      expect(await violations()).toEqual([]);
      await scripted.close();
    },
  );
});
