import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type * as oauth from 'openid-client';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize } from '../../../src/sandbox/demo/authorization-request.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { chromiumNote, isChromiumMissing, launchChromium } from '../customer/chromium.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const ALICE = { decision: 'allow', username: 'alice', password: 'alice-in-the-sandbox' } as const;
const BOB = { decision: 'allow', username: 'bob', password: 'bob-in-the-sandbox' } as const;
const PHONE = { width: 360, height: 740 };

describe.skipIf(isChromiumMissing)(`the dashboard in a real browser${chromiumNote}`, () => {
  let sandbox: TestSandbox;
  let browser: Browser;
  let context: BrowserContext;
  let one: DemoTpp;
  let two: DemoTpp;
  beforeAll(async () => {
    sandbox = await startTestSandbox({
      amendConfiguration: (own) => ({ ...own, dashboard: { enabled: true }, sca: { enabled: false } }),
    });
    [one, two] = await Promise.all([connect('money-one'), connect('money-two')]);
    browser = await launchChromium(sandbox);
    context = await newContext();
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([one?.close(), two?.close()]);
    await sandbox?.stop();
  });

  function connect(name: string): Promise<DemoTpp> {
    const { description } = sandbox;
    return connectTpp({ description, tpp: tppNamed(description, name) });
  }

  async function newContext(options: object = {}): Promise<BrowserContext> {
    const made = await browser.newContext({
      javaScriptEnabled: false,
      viewport: PHONE,
      locale: 'en-GB',
      ...options,
    });
    made.setDefaultTimeout(10_000);
    return made;
  }

  async function granted(tpp: DemoTpp, answer: typeof ALICE | typeof BOB = ALICE, scope = 'openid accounts') {
    const { caFile } = sandbox.description;
    const { redeem } = await authorize(tpp, { caFile, answer, parameters: { scope } });
    return redeem();
  }

  const url = (path = '') => `${sandbox.description.issuer}/consents${path}`;

  async function logIn(
    page: Page,
    { username, password } = ALICE as typeof ALICE | typeof BOB,
  ): Promise<void> {
    await page.goto(url());
    await page.getByLabel('Customer name').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'Who may use your accounts' }).waitFor();
  }

  const consentIdsOn = async (page: Page) =>
    (await page.getByRole('link', { name: /^End access:/ }).all()).length;
  const cookiesOf = async (of: BrowserContext) =>
    new Map((await of.cookies()).map((cookie) => [cookie.name, cookie]));
  const statusOf = async (tpp: DemoTpp, tokens: oauth.TokenEndpointResponse) =>
    (await tpp.call('/accounts', tokens.access_token)).status;

  it('shows a customer each access by TPP and account, and ends one: its tokens within five seconds (K16)', async () => {
    const [first, second] = [await granted(one), await granted(two)];
    await granted(one, BOB);
    expect(await statusOf(one, first)).toBe(200);
    const page = await context.newPage();
    await logIn(page);
    expect(await consentIdsOn(page)).toBe(2);
    const text = (await page.locator('main').textContent()) ?? '';
    for (const shown of ['Money One', 'Money Two', 'Savings account •••• 0002', 'Active', 'Last used']) {
      expect(text.replace(/\s+/g, ' ')).toContain(shown);
    }
    expect(text).toMatch(/Allowed on\s*\d+ \w+ \d{4}/);
    await page.getByRole('link', { name: /^End access: Money One/ }).click();
    const warning = await page.locator('#consequence').textContent();
    expect(warning).toContain('may stop working');
    expect(warning).toContain('contact Money One');
    await page.getByRole('button', { name: 'End access' }).click();
    expect(await page.locator('#ended').textContent()).toContain('The access of Money One has ended.');
    await expect.poll(() => statusOf(one, first), { timeout: 5000 }).toBe(401);
    expect(await statusOf(two, second)).toBe(200);
    expect(await consentIdsOn(page)).toBe(1);
    await page.getByRole('link', { name: 'Ended (1)' }).click();
    expect(await page.locator('main').textContent()).toMatch(/Ended by you on \d+ \w+ \d{4}/);
    const [event] = await sandbox.events({ event: 'dashboard.access.ended' });
    expect(event).toMatchObject({ authorizationNumber: 'PSDGB-FCA-900003' });
    await page.close();
  });

  it('ends all accesses of a company, and keeps those of another', async () => {
    const tokens = [await granted(one), await granted(one)];
    const page = await context.newPage();
    await page.goto(url());
    await page.getByRole('link', { name: /^End all 2 accesses of/ }).click();
    expect(await page.locator('section.access').count()).toBe(2);
    await page.getByRole('link', { name: 'Keep access' }).click();
    expect(await consentIdsOn(page)).toBe(3);
    await page.getByRole('link', { name: /^End all 2 accesses of/ }).click();
    await page.getByRole('button', { name: 'End access' }).click();
    expect(await page.locator('#ended').textContent()).toContain('All accesses of');
    expect(await consentIdsOn(page)).toBe(1);
    for (const given of tokens) await expect.poll(() => statusOf(one, given), { timeout: 5000 }).toBe(401);
    await page.close();
  });

  it('says in a second tab, and after a second click, that the access had ended already', async () => {
    await granted(one);
    const [tab, other] = [await context.newPage(), await context.newPage()];
    for (const page of [tab, other]) {
      await page.goto(url());
      await page
        .getByRole('link', { name: /^End access: Money One/ })
        .first()
        .click();
    }
    await tab.getByRole('button', { name: 'End access' }).click();
    await tab.locator('#ended').waitFor();
    await other.getByRole('button', { name: 'End access' }).click();
    expect(await other.locator('h1').textContent()).toBe('This access had ended already');
    expect(await other.locator('main').textContent()).toMatch(
      /The access of Money One ended on \d+ \w+ \d{4}/,
    );
    await other.goBack();
    await other.goto(other.url());
    expect(await other.locator('h1').textContent()).toBe('This access had ended already');
    await Promise.all([tab.close(), other.close()]);
  });

  it('answers about the access of another customer as about none (K1)', async () => {
    await granted(one, BOB);
    const bobs = await newContext();
    const page = await bobs.newPage();
    await logIn(page, BOB);
    const href = await page
      .getByRole('link', { name: /^End access:/ })
      .first()
      .getAttribute('href');
    const alices = await context.newPage();
    const answers = [];
    for (const path of [
      href,
      '/consents/end?consent=unknown',
      '/consents/end?tpp=PSDGB-FCA-1',
      '/consents/end',
    ]) {
      const response = await alices.goto(`${sandbox.description.issuer}${path}`);
      answers.push([response?.status(), await alices.locator('main').textContent()]);
    }
    expect(new Set(answers.map((given) => JSON.stringify(given))).size).toBe(1);
    expect(answers[0]?.[0]).toBe(404);
    // The form of an own access, with the identifier of another customer's.
    await granted(one);
    await alices.goto(url());
    await alices
      .getByRole('link', { name: /^End access: Money One/ })
      .first()
      .click();
    const csrf = await alices.locator('input[name=csrf]').first().inputValue();
    const consent = new URL(href ?? '', url()).searchParams.get('consent') ?? '';
    const sent = await context.request.post(url('/end'), {
      form: { csrf, consent },
      headers: { origin: sandbox.description.issuer },
      ignoreHTTPSErrors: true,
    });
    expect(sent.status()).toBe(404);
    await page.reload();
    expect(await consentIdsOn(page)).toBeGreaterThan(0);
    await Promise.all([bobs.close(), alices.close()]);
  });

  it('refuses forms of another site, session or without a token (K7)', async () => {
    const page = await context.newPage();
    await page.goto(url());
    const csrf = await page.locator('input[name=csrf]').first().inputValue();
    const form = { consent: 'x', csrf };
    const post = (path: string, given: Record<string, string>, origin: string) =>
      context.request.post(url(path), { form: given, headers: { origin }, ignoreHTTPSErrors: true });
    const own = sandbox.description.issuer;
    expect((await post('/end', form, 'https://evil.example')).status()).toBe(403);
    expect((await post('/end', form, 'null')).status()).toBe(403);
    expect((await post('/end', { consent: 'x' }, own)).status()).toBe(403);
    expect((await post('/end', { ...form, csrf: 'x'.repeat(43) }, own)).status()).toBe(403);
    expect((await post('/logout', {}, own)).status()).toBe(403);
    const cookies = await cookiesOf(context);
    expect(cookies.get('__Host-consents')).toMatchObject({
      secure: true,
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      expires: -1,
    });
    await page.goto(url());
    expect(await page.locator('h1').textContent()).toBe('Who may use your accounts');
    await page.close();
  });

  it('begins a session under a new identifier, whatever the browser had before (K9)', async () => {
    const other = await newContext();
    const planted = { name: '__Host-consents', value: 'p'.repeat(43), url: sandbox.description.issuer };
    await other.addCookies([
      { ...planted, secure: true, httpOnly: true },
      { ...planted, name: '__Host-consents-login', value: 'q'.repeat(43), secure: true, httpOnly: true },
    ]);
    const page = await other.newPage();
    await page.goto(url());
    expect(await page.locator('h1').textContent()).toBe('You are not logged in any more');
    await logIn(page);
    const first = (await cookiesOf(other)).get('__Host-consents')?.value;
    expect(first).not.toBe('p'.repeat(43));
    expect((await cookiesOf(other)).has('__Host-consents-login')).toBe(false);
    // Another login in the same browser: the session before is over.
    const third = await newContext();
    await third.addCookies([{ ...planted, value: first ?? '', secure: true, httpOnly: true }]);
    const second = await third.newPage();
    await second.goto(url());
    expect(await second.locator('h1').textContent()).toBe('Who may use your accounts');
    await page.getByRole('button', { name: 'Log out' }).click();
    expect(await page.locator('h1').textContent()).toBe('You are logged out');
    // K12: also for whoever has copied the cookie.
    await second.reload();
    expect(await second.locator('h1').textContent()).toBe('You are not logged in any more');
    await Promise.all([other.close(), third.close()]);
  });

  it('counts wrong passwords with those of every other login, and says so', async () => {
    const other = await newContext();
    const page = await other.newPage();
    await page.goto(url());
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await page.getByLabel('Customer name').fill('mallory');
      await page.getByLabel('Password').fill(`guess ${attempt}`);
      await page.getByRole('button', { name: 'Log in' }).click();
    }
    expect(await page.locator('h1').textContent()).toBe('You cannot log in now');
    await other.close();
  });

  it.each([
    ['de-DE', 'Wer Ihre Konten nutzen darf', 'Abmelden'],
    ['fr-FR', 'Qui peut utiliser vos comptes', 'Se déconnecter'],
    ['es-ES', 'Quién puede usar sus cuentas', 'Cerrar sesión'],
    ['pt-PT', 'Quem pode usar as suas contas', 'Terminar sessão'],
  ])('speaks %s', async (locale, heading, logout) => {
    const other = await newContext({ locale });
    const page = await other.newPage();
    await page.goto(url());
    await page.locator('input[name=username]').fill(ALICE.username);
    await page.locator('input[name=password]').fill(ALICE.password);
    await page.locator('#login').click();
    expect(await page.locator('h1').textContent()).toBe(heading);
    expect(await page.getByRole('button', { name: logout }).count()).toBe(1);
    expect(await page.locator('main').textContent()).not.toMatch(/dashboard\.|\{\w+\}/);
    await other.close();
  });

  it('is for no cache, no search engine, no frame and no script', async () => {
    const page = await context.newPage();
    for (const path of ['', '/login', '/end?consent=x']) {
      const response = await page.goto(url(path));
      const headers = response?.headers() ?? {};
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-robots-tag': 'noindex, nofollow',
        'x-frame-options': 'DENY',
        'referrer-policy': 'same-origin',
      });
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['content-security-policy']).not.toContain('script-src');
    }
    await page.close();
  });

  it.each(['light', 'dark'] as const)(
    'meets WCAG 2.2 AA, as axe sees it, and fits a phone: %s',
    async (colorScheme) => {
      await granted(one);
      const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      const scripted = await newContext({ javaScriptEnabled: true, bypassCSP: true, colorScheme });
      const page = await scripted.newPage();
      const violations = async () => {
        await page.evaluate(axe);
        expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
        return page.evaluate<string[]>(
          `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((found) => found.violations.map((one) => one.id))`,
        );
      };
      await page.goto(url());
      expect(['login', ...(await violations())]).toEqual(['login']);
      await logIn(page);
      expect(['list', ...(await violations())]).toEqual(['list']);
      await page.getByRole('link', { name: /^Ended/ }).click();
      expect(['ended', ...(await violations())]).toEqual(['ended']);
      await page.goto(url());
      await page
        .getByRole('link', { name: /^End access:/ })
        .first()
        .click();
      expect(['confirm', ...(await violations())]).toEqual(['confirm']);
      await page.goto(url('/end?consent=x'));
      expect(['unknown', ...(await violations())]).toEqual(['unknown']);
      await scripted.close();
    },
  );

  it('can be used with the keyboard alone', async () => {
    const page = await context.newPage();
    await page.goto(url());
    const link = page.getByRole('link', { name: /^End access: Money One/ }).first();
    for (
      let at = 0;
      at < 40 &&
      !(await link.evaluate((given) => given === given.ownerDocument.activeElement).catch(() => false));
      at += 1
    ) {
      await page.keyboard.press('Tab');
      if (at === 39) throw new Error('the link is not reached');
    }
    await page.keyboard.press('Enter');
    await page.locator('#end').waitFor();
    await page.close();
  });
});
