import type { Browser as Chromium } from 'playwright-core';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { freePort } from '../../free-port.ts';
import { chromiumNote, isChromiumMissing, launchChromium, openSites } from '../customer/chromium.ts';
import { type BankWithApp, startBankWithApp } from './bank-with-app.ts';
import { hour, PAYMENT, paymentOf } from './details.ts';
import { isPythonMissing, pythonNote, runPythonCore, startPythonApp } from './python.ts';

const CUSTOMERS = {
  alice: {
    psuId: 'python-alice',
    password: 'wonderland',
    code: '271828',
    accounts: [
      { accountId: 'p-1', name: 'Current account' },
      { accountId: 'p-2', name: 'Savings account' },
    ],
  },
};

describe.skipIf(isPythonMissing)(`a bank whose programs are in Python${pythonNote}`, () => {
  let bank: BankWithApp;
  let app: Awaited<ReturnType<typeof startPythonApp>>;
  let appUrl: string;
  const files = (name: 'app' | 'core') => ({
    apiUrl: bank.programs.url,
    caFile: bank.bank.description.caFile,
    ...bank.programs.certificates[name],
  });

  beforeAll(async () => {
    const port = await freePort();
    appUrl = `https://localhost:${port}`;
    bank = await startBankWithApp(`${appUrl}/login`);
    const { server } = pathsOf(bank.bank.folder);
    app = await startPythonApp({
      ...files('app'),
      port,
      serverCertificateFile: server.certificateFile,
      serverKeyFile: server.keyFile,
      customers: CUSTOMERS,
    });
  });
  afterAll(async () => {
    await app?.close();
    await bank?.stop();
  });

  const csrfOf = (text: string) => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';

  it('asks its customer on pages of its own, and the TPP gets what the customer allowed', async () => {
    const begun = await bank.begin();
    const { browser } = begun;
    const first = await browser.visit(begun.sent.next ?? new URL(appUrl));
    expect(first.text).toContain('money-one');
    const answer = (password: string) =>
      new URLSearchParams({ csrf: csrfOf(first.text), username: 'alice', password, code: '271828' });
    const wrong = await browser.visit(new URL('/login', appUrl), answer('wrong'));
    expect(wrong.text).toContain('That was not right.');
    const page = await browser.visit(new URL('/login', appUrl), answer('wonderland'));
    expect(page.text).toContain('Savings account');
    const form = new URLSearchParams({ csrf: csrfOf(page.text), action: 'approve', account: 'p-2' });
    const origins = [bank.bank.description.issuer];
    const back = await browser.follow(new URL('/decision', appUrl), origins, form);
    const tokens = await begun.redeem(back);
    const { consent_id: consentId, sub } = decodeJwt<{ consent_id: string }>(tokens.access_token);
    expect(sub).toBe('python-alice');
    expect((await bank.core(`/v1/consents/${consentId}`)).json).toMatchObject({
      status: 'authorised',
      accountIds: ['p-2'],
      authentication: { amr: ['pwd', 'swk', 'mfa'] },
    });
    // The handle was used: the address of the application opens nothing any more.
    expect((await (await bank.browser()).visit(begun.sent.next ?? new URL(appUrl))).text).toContain(
      'ERR_BANK_HANDLE',
    );
  });

  it('creates, changes and ends a consent, and reads its changes', async () => {
    const found = await runPythonCore({
      ...files('core'),
      reference: 'openbanking_intent_id',
      clientId: 'money-one-mtls',
      details: [PAYMENT],
      otherDetails: [paymentOf('12.01')],
      expiresAt: hour(1),
    });
    const by = { kind: 'bank', id: 'core' };
    expect(found).toEqual({
      statuses: [201, 201, 200, 200],
      isSame: true,
      hasChanged: true,
      status: 'revoked',
      events: [
        [null, 'awaiting-authorisation', by],
        ['awaiting-authorisation', 'awaiting-authorisation', by],
        ['awaiting-authorisation', 'revoked', by],
      ],
    });
  });

  describe.skipIf(isChromiumMissing)(`in a real browser${chromiumNote}`, () => {
    let chromium: Chromium;
    let sites: Awaited<ReturnType<typeof openSites>>;
    beforeAll(async () => {
      const { folder } = bank.bank;
      sites = await openSites({ folder }, { 'tpp.example': (_request, response) => response.end('back') });
      chromium = await launchChromium({ folder }, sites);
    });
    afterAll(async () => {
      await chromium?.close();
      sites?.close();
    });

    it('leads from the TPP to the application and back, without scripts', async () => {
      const own = await chromium.newContext({ javaScriptEnabled: false });
      const page = await own.newPage();
      await page.goto(await bank.authorizationUrl());
      await page.getByLabel('Customer name').fill('alice');
      await page.getByLabel('Password').fill('wonderland');
      await page.getByLabel('Code of the app').fill('271828');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByLabel('Current account').check();
      await page.getByRole('button', { name: 'Allow' }).click();
      await page.waitForURL('https://tpp.example/**');
      expect(new URL(page.url()).searchParams.get('code')).toBeTruthy();
      await own.close();
    });
  });
});
