import { CUSTOMER_CLAIM_NAMES } from '../../../src/authorization-server/customer/claims/customer-claims.ts';
import type { Context } from 'koa';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD_STEP } from '../../../src/authorization-server/customer/authentication/bank-steps.ts';
import { Pages } from '../../../src/authorization-server/customer/pages/pages.ts';
import { chromiumNote, isChromiumMissing, launchChromium } from './chromium.ts';

const LONG = `${'Zahlungsdienstleistungsgesellschaft'.repeat(3)} & Söhne`;
const SCOPES = ['openid', 'accounts', 'payments', 'fundsconfirmations', 'offline_access'];
/** Of OAuth, of certificates and of our own code. */
const PROTOCOL =
  /\b(oauth|openid|oidc|par|jwt|pkce|redirect|uri|url|clients?|scopes?|tokens?|grants?|interactions?|sessions?|certificates?|cookies?|csrf|http|tpps?|psu|aspsp|rfc|err_\w+|invalid_\w+|\w+_\w+)\b/i;

const tpp = { name: LONG, legalName: LONG, authorizationNumber: 'PSDDE-BAFIN-1234567890', nca: LONG };
const accounts = [1, 2, 3].map((at) => ({
  accountId: `${at}`,
  name: at === 1 ? LONG : 'Giro',
  identification: '•••• 4321',
}));
const back = { url: 'https://bank.example/authorize/x' };
const asked = { details: [], scopes: SCOPES, claims: CUSTOMER_CLAIM_NAMES };
const login = {
  tpp,
  csrf: 'x',
  number: 0,
  step: PASSWORD_STEP,
  details: [],
  typed: { username: 'ann' },
  problem: 'That was not right.',
};
const until = new Date('2027-01-01T00:00:00Z');
const consent = { tpp, csrf: 'x', asked, accounts: { choice: 'many', offered: accounts }, until } as const;
const ended = { answer: 'ended', service: LONG, error: 'access_denied', description: '' } as const;
const allowed = {
  answer: 'allowed',
  service: LONG,
  grantId: '',
  accountIds: [],
  asked: {
    reference: 'scope',
    details: [],
    scopes: [],
    claims: { idToken: [], userinfo: [] },
    contentHash: '',
    isNamed: false,
    expiresAt: '',
  },
  until: until.toISOString(),
} as const;
const rule = 'request_uri is invalid, expired, or was already used';

const SHOWN: Readonly<Record<string, (pages: Pages, ctx: Context) => void>> = {
  login: (pages, ctx) => pages.login(ctx, login),
  'login by an application': (pages, ctx) =>
    pages.login(ctx, { ...login, step: { type: 'redirect', url: 'https://app.bank.example/' } }),
  consent: (pages, ctx) => pages.consent(ctx, { ...consent, problem: 'Please choose at least one account.' }),
  'one moment': (pages, ctx) => pages.onward(ctx, back.url),
  stopped: (pages, ctx) => pages.stopped(ctx, { reason: 'attempts', status: 403, service: LONG, back }),
  unavailable: (pages, ctx) =>
    pages.stopped(ctx, { reason: 'unavailable', status: 503, service: LONG, back: { csrf: 'x', path: '/' } }),
  'allowed before': (pages, ctx) => pages.decided(ctx, allowed),
  'cancelled before': (pages, ctx) => pages.decided(ctx, ended),
  'a bad link': (pages, ctx) => pages.error(ctx, { status: 400, rule }),
  'our fault': (pages, ctx) => pages.error(ctx, { status: 500, rule: undefined }),
};

describe.skipIf(isChromiumMissing)(`each page on a phone, in a real browser${chromiumNote}`, () => {
  const pages = new Pages({ bankName: LONG });
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 320, height: 640 } });
  }, 60_000);
  afterAll(() => browser?.close());

  async function show(name: string): Promise<void> {
    const ctx = {
      set() {},
      get: () => '',
      query: {},
      body: '',
      method: 'GET',
      path: '/authorize',
      url: '/authorize?x=1&y=2',
      state: { requestId: '6f1c2a3b-0000-4000-8000-1234567890ab' },
    };
    SHOWN[name]?.(pages, ctx as unknown as Context);
    const styled = ctx.body
      .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${pages.stylesheet}</style>`)
      .replace(/<meta http-equiv="refresh"[^>]*>/, '');
    await page.setContent(styled);
  }
  const sizes = (selector: string) =>
    page.$$eval(selector, (found) =>
      found.map((one) => {
        const { top, bottom, left, right, height } = one.getBoundingClientRect();
        return { top, bottom, left, right, height };
      }),
    );

  it.each(Object.keys(SHOWN))(
    'fits the screen, with targets of 44 px and no word of a protocol: %s',
    async (name) => {
      await show(name);
      for (const { left, right } of await sizes('main, main *')) {
        expect(left).toBeGreaterThanOrEqual(0);
        expect(right).toBeLessThanOrEqual(320);
      }
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
      const targets = await sizes(
        'button, .button, input:not([type=hidden]):not([type=checkbox]), .choice label, summary',
      );
      for (const { height } of targets) expect(height).toBeGreaterThanOrEqual(44);
      const text = String(await page.evaluate('document.body.innerText'));
      expect(text.match(PROTOCOL)).toBeNull();
    },
  );

  it.each(['login', 'login by an application', 'consent'])(
    'names the TPP above the buttons: %s',
    async (name) => {
      await show(name);
      const [asking] = await sizes('.requester');
      for (const { top } of await sizes('button, .button'))
        expect(top).toBeGreaterThanOrEqual(asking?.bottom ?? Infinity);
    },
  );

  it('puts the cursor where the customer types next', async () => {
    await show('login');
    expect(await page.locator('#username').inputValue()).toBe('ann');
    expect(await page.evaluate('document.querySelector("[autofocus]").id')).toBe('password');
  });
});
