import type { RequestListener, ServerResponse } from 'node:http';
import * as oauth from 'openid-client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { clientNamed } from '../../../src/sandbox/sandbox-clients.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from './chromium.ts';

const CALLBACK = 'https://callback.example/cb';
const POPUP_CALLBACK = 'https://app.example/popup';
const IN_POPUP = `<script>document.title = 'opener ' + (window.opener !== null)</script>`;
const OPENER = `<script>function start(url) { window.bank = window.open(url, 'bank', 'width=500,height=600'); }</script>`;

describe.skipIf(isChromiumMissing)(`the way back to the TPP, in a real browser${chromiumNote}`, () => {
  let sandbox: TestSandbox;
  let sites: Awaited<ReturnType<typeof openSites>>;
  let browser: Browser;
  let tpp: DemoTpp;
  let visited: string[] = [];

  beforeAll(async () => {
    sandbox = await startTestSandbox({ redirectUris: [CALLBACK, POPUP_CALLBACK] });
    const { description } = sandbox;
    tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    const site =
      (answer: (path: string, response: ServerResponse) => void): RequestListener =>
      ({ url = '', headers: { host } }, response) => {
        visited.push(`${host}${url.split('?')[0]}`);
        answer(url, response);
      };
    const html = (response: ServerResponse, text: string) =>
      response.setHeader('content-type', 'text/html').end(text);
    sites = await openSites(sandbox, {
      // The callback goes on to another origin.
      'callback.example': site((path, response) => {
        response.writeHead(302, { location: `https://app.example/done${path.slice('/cb'.length)}` }).end();
      }),
      'app.example': site((path, response) => html(response, path.startsWith('/popup') ? IN_POPUP : OPENER)),
    });
    browser = await launchChromium(sandbox, sites);
  });
  beforeEach(() => {
    visited = [];
  });
  afterAll(async () => {
    await browser?.close();
    sites?.close();
    await tpp?.close();
    await sandbox?.stop();
  });

  async function push(redirectUri: string): Promise<string> {
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: redirectUri,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
    });
    return url.href;
  }

  async function logIn(page: Page): Promise<void> {
    const [alice] = sandbox.description.customers;
    await page.getByLabel('Customer name').fill(alice?.username ?? '');
    await page.getByLabel('Password').fill(alice?.password ?? '');
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  async function allow(page: Page): Promise<void> {
    await page.getByLabel('Savings account').check();
    await page.getByRole('button', { name: 'Allow' }).click();
  }

  it('goes through a callback that redirects on to another origin, without scripts, and so after Cancel', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(await push(CALLBACK));
    await logIn(page);
    await allow(page);
    await page.waitForURL('https://app.example/done?**');
    expect(new URL(page.url()).searchParams.get('code')).toBeTruthy();
    expect(visited.filter((path) => path.startsWith('callback.example'))).toEqual(['callback.example/cb']);
    for (const isLoggedIn of [false, true]) {
      await page.goto(await push(CALLBACK));
      if (isLoggedIn) await logIn(page);
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.waitForURL('https://app.example/done?**');
      expect(new URL(page.url()).searchParams.get('error')).toBe('access_denied');
    }
    await context.close();
  });

  it.each([
    ['mtls-fapi1', { response_type: 'code id_token' }, '#', ['code', 'id_token', 'state']],
    ['mtls-signing', { response_mode: 'fragment.jwt' }, '#', ['response']],
    ['mtls-signing', { response_mode: 'query.jwt' }, '?', ['response']],
  ] as const)(
    'holds the whole answer for %s with %o, also past a callback that redirects on',
    async (client, parameters, mark, members) => {
      const { description } = sandbox;
      const owner = tppNamed(description, 'money-one');
      const profiled = await connectTpp({ description, tpp: owner, client: clientNamed(owner, client) });
      const { searchParams } = await oauth.buildAuthorizationUrlWithJAR(
        profiled.config,
        {
          redirect_uri: CALLBACK,
          scope: 'openid accounts',
          code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
          code_challenge_method: 'S256',
          state: 'the-state',
          nonce: 'the-nonce',
          ...parameters,
        },
        profiled.signingKey,
      );
      const url = await oauth.buildAuthorizationUrlWithPAR(profiled.config, searchParams);
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await page.goto(url.href);
      await logIn(page);
      await allow(page);
      await page.waitForURL('https://app.example/done**');
      const [, answer = ''] = page.url().split(mark);
      expect([...new URLSearchParams(answer).keys()].sort()).toEqual(members);
      await context.close();
      await profiled.close();
    },
  );

  it('comes once, whatever the customer clicks: a double click, the back button, a reload', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(await push(CALLBACK));
    await logIn(page);
    await page.getByLabel('Savings account').check();
    await page.getByRole('button', { name: 'Allow' }).dblclick({ noWaitAfter: true });
    await page.waitForURL('https://app.example/done?**');
    expect(new URL(page.url()).searchParams.get('code')).toBeTruthy();
    await page.goBack();
    for (let times = 0; times < 2; times += 1) {
      expect(await page.locator('main').textContent()).toContain('You have allowed');
      await page.reload();
    }
    expect(visited.filter((path) => path === 'callback.example/cb')).toHaveLength(1);
    await context.close();
  });

  it('ends in the window that the TPP has opened, which keeps its opener', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto('https://app.example/');
    const start = `start(${JSON.stringify(await push(POPUP_CALLBACK))})`;
    const [popup] = await Promise.all([context.waitForEvent('page'), page.evaluate(start)]);
    await popup.getByLabel('Customer name').waitFor();
    expect(await page.evaluate('window.bank.closed')).toBe(false);
    await logIn(popup);
    await allow(popup);
    await popup.waitForURL('https://app.example/popup?**');
    expect(await popup.title()).toBe('opener true');
    await context.close();
  });
});
