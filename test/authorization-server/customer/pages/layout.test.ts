import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Pages } from '../../../../src/authorization-server/customer/pages/pages.ts';
import { chromiumNote, isChromiumMissing, launchChromium } from '../chromium.ts';
import { htmlOf, LONG, SHOWN_PAGES } from './shown-pages.ts';

/** Of OAuth, of certificates and of our own code. */
const PROTOCOL =
  /\b(oauth|openid|oidc|par|jwt|pkce|redirect|uri|url|clients?|scopes?|tokens?|grants?|interactions?|sessions?|certificates?|cookies?|csrf|http|tpps?|psu|aspsp|rfc|err_\w+|invalid_\w+|\w+_\w+)\b/i;

/** A folder, which no run commits. */
const { SCREENSHOTS } = process.env;
const LANGUAGES = ['en', 'de', 'fr', 'es', 'pt'];

describe.skipIf(isChromiumMissing)(`each page on a phone, in a real browser${chromiumNote}`, () => {
  const pages = new Pages({ bankName: LONG });
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 320, height: 640 } });
  });
  afterAll(() => browser?.close());

  const show = (name: string, language = 'en') => page.setContent(htmlOf(name, pages, language));
  const sizes = (selector: string) =>
    page.$$eval(selector, (found) =>
      found.map((one) => {
        const { top, bottom, left, right, height } = one.getBoundingClientRect();
        return { top, bottom, left, right, height };
      }),
    );

  it.each(Object.keys(SHOWN_PAGES))(
    'fits the screen, with targets of 44 px and no word of a protocol: %s',
    async (name) => {
      for (const language of LANGUAGES) {
        await show(name, language);
        for (const { left, right } of await sizes('main, main *:not(.unseen)')) {
          expect([language, left >= 0, right <= 320]).toEqual([language, true, true]);
        }
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
        const targets = await sizes(
          'button, .button, input:not([type=hidden]):not([type=checkbox]):not([type=radio]), .choice label, summary',
        );
        for (const { height } of targets) expect(height).toBeGreaterThanOrEqual(44);
        const text = String(await page.evaluate('document.body.innerText'));
        if (language === 'en') expect(text.match(PROTOCOL)).toBeNull();
        // A placeholder without its value.
        expect(text).not.toMatch(/[{}]|undefined|\[object/);
        expect(await page.getAttribute('html', 'lang')).toMatch(`${language}-`);
      }
    },
  );

  it.each(['login', 'login by an application', 'passkey', 'consent', 'payment'])(
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

  it.each(['light', 'dark'] as const)(
    'meets WCAG 2.2 AA on every page, as axe sees it: %s',
    async (scheme) => {
      const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      await page.emulateMedia({ colorScheme: scheme });
      for (const name of Object.keys(SHOWN_PAGES)) {
        await show(name);
        // Also what is closed at first.
        await page.$$eval('details', (all) => {
          for (const one of all) one.open = true;
        });
        await page.evaluate(axe);
        const violations = await page.evaluate<unknown>(
          `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((found) => found.violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
        );
        expect([name, violations]).toEqual([name, []]);
      }
      await page.emulateMedia({ colorScheme: 'light' });
    },
  );

  // Kept by CI: every page in every language, on a phone and a desktop, light and dark.
  it.skipIf(SCREENSHOTS === undefined)(
    'takes pictures for the artefacts of a test run',
    async () => {
      const folder = SCREENSHOTS ?? '';
      await mkdir(folder, { recursive: true });
      const named = new Pages({ bankName: 'Northbank' });
      for (const [width, scheme] of [
        [390, 'light'],
        [390, 'dark'],
        [1280, 'light'],
      ] as const) {
        await page.setViewportSize({ width, height: 844 });
        await page.emulateMedia({ colorScheme: scheme });
        for (const name of Object.keys(SHOWN_PAGES)) {
          for (const language of LANGUAGES) {
            await page.setContent(htmlOf(name, named, language));
            const file = [name.replaceAll(' ', '-'), language, width, scheme].join('.');
            await page.screenshot({ path: `${folder}/${file}.png`, fullPage: true });
          }
        }
      }
    },
    300_000,
  );
});
