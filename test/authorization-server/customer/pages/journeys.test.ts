import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as oauth from 'openid-client';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_MESSAGES } from '../../../../src/authorization-server/customer/pages/words/messages.ts';
import { tppNamed } from '../../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../../running-sandbox.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from '../chromium.ts';

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };
const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '1234.50' },
  creditorName: 'Garden & Sons GmbH',
  creditorAccount: { iban: 'DE02100100109307118603' },
  remittanceInformationUnstructured: 'Invoice 17',
};
const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20" viewBox="0 0 80 20"><rect width="80" height="20"/></svg>';
/** A template of a bank that would do what the content policy forbids. */
const FOOTER = `<footer><script>document.title = 'owned'</script><img src="https://evil.example/x.png" alt="" onerror="document.title = 'owned'"></footer>`;

describe.skipIf(isChromiumMissing)(`the pages of a bank, in a real browser${chromiumNote}`, () => {
  let folder: string;
  let sandbox: TestSandbox;
  let sites: Awaited<ReturnType<typeof openSites>>;
  let browser: Browser;
  let tpp: DemoTpp;
  const visited: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pages-'));
    await mkdir(join(folder, 'templates/parts'), { recursive: true });
    await writeFile(join(folder, 'logo.svg'), SVG);
    await writeFile(join(folder, 'templates/parts/footer.eta'), FOOTER);
    sandbox = await startTestSandbox({
      amendConfiguration: (config) => ({
        ...config,
        pages: {
          bankName: 'Northbank',
          logoFile: join(folder, 'logo.svg'),
          folder: join(folder, 'templates'),
          colours: { light: { brand: '#8a1538' } },
        },
      }),
    });
    const { description } = sandbox;
    tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    const site =
      (name: string) =>
      ({ url }: { readonly url?: string | undefined }, response: { end(text: string): void }) => {
        if (url !== '/favicon.ico') visited.push(name);
        response.end('back at the TPP');
      };
    sites = await openSites(sandbox, { 'tpp.example': site('tpp'), 'evil.example': site('evil') });
    browser = await launchChromium(sandbox, sites);
  });
  afterAll(async () => {
    await browser?.close();
    sites?.close();
    await tpp?.close();
    await sandbox?.stop();
    await rm(folder, { recursive: true });
  });

  async function push(params: Record<string, string> = {}): Promise<string> {
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
      ...params,
    });
    return url.href;
  }
  const payment = (changes: object = {}, params: Record<string, string> = {}) =>
    push({
      scope: 'openid payments',
      authorization_details: JSON.stringify([{ ...PAYMENT, ...changes }]),
      ...params,
    });
  const customerAt = (at: number) => {
    const customer = sandbox.description.customers[at];
    if (customer === undefined) throw new Error('there is no such customer');
    return customer;
  };

  /** Runs a test in a browser of its own: phone, English, without scripts. */
  async function inBrowser(
    options: BrowserContextOptions,
    run: (page: Page, context: BrowserContext) => Promise<void>,
  ): Promise<void> {
    const context = await browser.newContext({
      viewport: PHONE,
      locale: 'en-GB',
      javaScriptEnabled: false,
      ...options,
    });
    context.setDefaultTimeout(10_000);
    try {
      await run(await context.newPage(), context);
    } finally {
      await context.close();
    }
  }

  async function logIn(page: Page, at = 0): Promise<void> {
    const { username, password } = customerAt(at);
    await page.locator('#username').fill(username);
    await page.locator('#password').fill(password);
    await page.locator('#login').click();
    await page.locator('#approve').waitFor();
  }

  async function approve(page: Page): Promise<URL> {
    await page.locator('input[name=account]').first().check();
    await page.locator('#approve').click();
    await page.waitForURL('https://tpp.example/**');
    return new URL(page.url());
  }

  it.each([
    ['en', PHONE, '£1,234.50'],
    ['de', DESKTOP, '1.234,50\u00a0£'],
    ['fr', PHONE, '1\u202f234,50\u00a0£GB'],
    ['es', DESKTOP, '1234,50\u00a0GBP'],
    ['pt', PHONE, '1234,50\u00a0£'],
  ] as const)(
    'a payment in %s, with amount and payee on each page (RTS article 5)',
    async (tag, viewport, amount) => {
      const messages = BUILT_IN_MESSAGES[tag];
      if (messages === undefined) throw new Error('there is no such language');
      // The request comes before the browser, which prefers another language.
      await inBrowser({ viewport, locale: tag === 'en' ? 'de-DE' : 'en-GB' }, async (page) => {
        await page.goto(await payment({}, { ui_locales: tag }));
        expect(await page.locator('html').getAttribute('lang')).toMatch(`${tag}-`);
        await page.getByLabel(messages['field.customer-name']).waitFor();
        for (const isDecision of [false, true]) {
          if (isDecision) await logIn(page);
          expect(await page.locator('.amount').textContent()).toBe(amount);
          expect(await page.locator('.payee strong').textContent()).toBe('Garden & Sons GmbH');
          expect(await page.locator('.account').textContent()).toBe('DE02 1001 0010 9307 1186 03');
        }
        await page.getByRole('button', { name: messages['button.pay'], exact: true }).waitFor();
        const [allow, cancel] = await Promise.all(
          ['#approve', '#cancel'].map((id) => page.locator(id).boundingBox()),
        );
        // As prominent as each other.
        expect([cancel?.height, cancel?.width]).toEqual([allow?.height, allow?.width]);
        expect((await approve(page)).searchParams.get('code')).toBeTruthy();
      });
    },
  );

  it('reads the language of the browser where the request names none', async () => {
    await inBrowser({ locale: 'fr-CA' }, async (page) => {
      await page.goto(await push());
      expect(await page.locator('html').getAttribute('lang')).toBe('fr-CA');
      const answer = await page.goto(`${sandbox.description.issuer}/nothing`);
      expect(answer?.headers()['content-language']).toBe('fr-CA');
      expect(await page.locator('h1').textContent()).toBe(BUILT_IN_MESSAGES.fr?.['error.heading']);
    });
  });

  it('needs the keyboard alone, whose place is visible at each step (WCAG 2.2 §2.1.1, §2.4.7)', async () => {
    await inBrowser({ viewport: DESKTOP }, async (page) => {
      const { username, password } = customerAt(0);
      const seen: string[] = [];
      const tabTo = async (id: string) => {
        for (let count = 0; count < 30; count += 1) {
          await page.keyboard.press('Tab');
          const focus = await page.evaluate<{ id: string; outline: number }>(
            `(() => { const one = document.activeElement; const row = one.closest('.choice') ?? one; return { id: one.id || one.tagName, outline: parseFloat(getComputedStyle(row).outlineWidth) } })()`,
          );
          expect([focus.id, focus.outline >= 2]).toEqual([focus.id, true]);
          seen.push(focus.id);
          if (focus.id === id) return;
        }
        throw new Error(`the keyboard does not reach ${id}: ${seen.join(' ')}`);
      };
      await page.goto(await push());
      await page.keyboard.type(username);
      await tabTo('password');
      await page.keyboard.type(password);
      await page.keyboard.press('Enter');
      await page.locator('#approve').waitFor();
      await tabTo('SUMMARY');
      await page.keyboard.press('Enter');
      expect(await page.locator('.requester details').getAttribute('open')).toBe('');
      await tabTo('account-1');
      await page.keyboard.press('Space');
      await tabTo('approve');
      await page.keyboard.press('Enter');
      await page.waitForURL('https://tpp.example/**');
      expect(new URL(page.url()).searchParams.get('code')).toBeTruthy();
    });
  });

  it('K2: keeps two tabs apart: a form of the one is refused in the other, and both go on', async () => {
    await inBrowser({}, async (first, context) => {
      const second = await context.newPage();
      await first.goto(await push());
      await second.goto(await payment());
      const token = await first.locator('input[name=csrf]').inputValue();
      await second.evaluate(`document.querySelector('input[name=csrf]').value = ${JSON.stringify(token)}`);
      await second.locator('#cancel').click();
      expect(await second.locator('h1').textContent()).toBe('The request could not be processed.');
      await second.locator('#again').click();
      await logIn(second);
      expect(await second.locator('.amount').textContent()).toBe('£1,234.50');
      await logIn(first);
      expect(await first.locator('.amount').count()).toBe(0);
      for (const page of [second, first]) {
        expect((await approve(page)).searchParams.get('code')).toBeTruthy();
      }
    });
  });

  it('K11: says after the back button what was decided, and gives no second code', async () => {
    await inBrowser({}, async (page) => {
      await page.goto(await push());
      const { pathname } = new URL(page.url());
      await logIn(page);
      await approve(page);
      const before = visited.length;
      for (const path of [pathname, pathname]) {
        await page.goto(`${sandbox.description.issuer}${path}`);
        expect(await page.locator('form').count()).toBe(0);
        expect(await page.locator('a').count()).toBe(0);
      }
      expect(visited.length).toBe(before);
    });
  });

  it('K14: shows nothing of a request to another browser', async () => {
    await inBrowser({}, async (page) => {
      await page.goto(await payment());
      const address = page.url();
      await inBrowser({}, async (other) => {
        const answer = await other.goto(address);
        expect(answer?.status()).toBe(400);
        expect(await other.locator('h1').textContent()).toBe('The request could not be processed.');
        expect(await other.content()).not.toMatch(/1,234|Garden|Money One/);
      });
      await logIn(page);
      expect((await approve(page)).searchParams.get('code')).toBeTruthy();
    });
  });

  it('K10: shows names and references of a request as text, and a template of the bank runs no script', async () => {
    const hostile = `<img src=x onerror="document.title='owned'">`;
    await inBrowser({ javaScriptEnabled: true }, async (page) => {
      await page.goto(
        await payment({
          creditorName: hostile,
          remittanceInformationUnstructured: `"><script>document.title='owned'</script>`,
        }),
      );
      expect(await page.locator('.payee strong').textContent()).toBe(hostile);
      await logIn(page);
      expect(await page.locator('.payee strong').textContent()).toBe(hostile);
      expect(await page.locator('main').textContent()).toContain('<script>');
      expect(await page.locator('main img, main script').count()).toBe(0);
      const hint = encodeURIComponent('<script>document.title="owned"</script>');
      expect(await page.title()).toContain('Northbank');
      await page.goto(`${sandbox.description.issuer}/authorize?client_id=${hint}&error_description=${hint}`);
      expect(await page.locator('main script').count()).toBe(0);
      expect(await page.title()).toContain('Northbank');
    });
    expect(visited).not.toContain('evil');
  });

  it('K8, K13, K15: no frame, no cache, no referrer for others, cookies for this server alone', async () => {
    await inBrowser({}, async (page, context) => {
      const answer = await page.goto(await push());
      const headers = answer?.headers() ?? {};
      const policy = headers['content-security-policy'] ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/script-src|unsafe/);
      expect(headers).toMatchObject({
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
      });
      const cookies = await context.cookies();
      expect(cookies.length).toBeGreaterThan(0);
      for (const { name, httpOnly, secure, sameSite, domain } of cookies) {
        expect([name, httpOnly, secure, sameSite, domain]).toEqual([name, true, true, 'Lax', 'localhost']);
      }
    });
  });

  it('shows logo and colours of the bank', async () => {
    await inBrowser({}, async (page) => {
      await page.goto(await push());
      await page.getByAltText('Northbank').waitFor();
      expect(await page.evaluate('document.querySelector("header img").naturalWidth')).toBe(80);
      const colour = await page.evaluate(
        'getComputedStyle(document.querySelector("#login")).backgroundColor',
      );
      expect(colour).toBe('rgb(138, 21, 56)');
    });
  });
});
