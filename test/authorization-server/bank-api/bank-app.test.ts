import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../../src/configuration/config.ts';
import { isRefusal } from '../../../src/errors.ts';
import { aspspOf } from '../../../src/server/bank/opened-aspsp.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import { ACR, type BankWithApp, type Begun, NAMING_CLIENT, startBankWithApp } from './bank-with-app.ts';
import { hour, PAYMENT, paymentOf } from './details.ts';
import type { BankAnswer } from './bank-programs.ts';

const APP = 'https://app.bank.example/login?channel=web';

describe("login and consent in the bank's application", () => {
  let own: BankWithApp;
  beforeAll(async () => {
    own = await startBankWithApp(APP);
  });
  afterAll(() => own?.stop());

  const open = (handle: string) => own.app('/v1/interactions', { body: { handle } });
  const at = (interaction: BankAnswer, step: string, body: object) =>
    own.app(`/v1/interactions/${interaction.json.interactionId}/${step}`, { body });
  const login = (interaction: BankAnswer, change: object = {}) => ({
    psuId: 'customer-1',
    amr: ['pwd', 'hwk'],
    linkHash: interaction.json.linkHash,
    ...change,
  });
  const approval = (interaction: BankAnswer, change: object = {}) => ({
    decision: 'approve',
    accountIds: ['account-1'],
    linkHash: interaction.json.linkHash,
    ...change,
  });
  const attempt = (interaction: BankAnswer, customerName: string = randomUUID()) =>
    at(interaction, 'attempts', { customerName });
  /** A customer who has logged in. */
  async function authenticated(begun: Begun, change: object = {}): Promise<BankAnswer> {
    const interaction = await open(begun.handle);
    expect((await attempt(interaction)).status).toBe(200);
    const answer = await at(interaction, 'authentication', login(interaction, change));
    expect(answer.json).toMatchObject({ stage: 'authenticated' });
    return interaction;
  }
  const origins = () => [own.bank.description.issuer];
  const back = (begun: Begun, answer: BankAnswer) =>
    begun.browser.follow(new URL(answer.json.returnUrl), origins());
  const refused = (code: string, status: number) => ({ status, json: { code } });

  it('needs no module of the bank, and ends with tokens and a consent as the customer decided', async () => {
    const begun = await own.begin({ ui_locales: 'de', login_hint: 'alice' });
    expect(begun.sent.status).toBe(303);
    expect(begun.sent.next?.href).toContain('https://app.bank.example/login?channel=web&interaction=');
    const interaction = await open(begun.handle);
    expect(interaction.json).toMatchObject({
      stage: 'opened',
      clientId: 'money-one-mtls',
      tpp: { service: 'money-one' },
      scopes: ['accounts'],
      needsAccounts: 'many',
      isPayment: false,
      loginHint: 'alice',
      uiLocales: ['de'],
      view: { locale: 'de-DE' },
      linkHash: expect.stringMatching(/^[\w-]{43}$/),
    });
    // The session's own secrets stay: the uid of the interaction is in no answer but the way back.
    expect(interaction.text).not.toContain(begun.sent.url.pathname.split('/').at(-1));
    await attempt(interaction, 'alice');
    await at(interaction, 'authentication', login(interaction));
    const english = await own.app(`/v1/interactions/${interaction.json.interactionId}?language=en`);
    expect(english.json).toMatchObject({ stage: 'authenticated', view: { locale: 'en-GB' } });
    const decided = await at(interaction, 'decision', approval(interaction));
    const tokens = await begun.redeem(await back(begun, decided));
    const { consent_id: consentId, sub } = decodeJwt<{ consent_id: string }>(tokens.access_token);
    expect(sub).toBe('customer-1');
    expect((await own.core(`/v1/consents/${consentId}`)).json).toMatchObject({
      status: 'authorised',
      psuId: 'customer-1',
      accountIds: ['account-1'],
      authentication: { amr: ['pwd', 'hwk', 'mfa'], acr: ACR },
      history: [{ to: 'authorised', by: { kind: 'customer' } }],
    });
    expect(own.events.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['bank_app.sent', 'bank_app.returned', 'consent.granted']),
    );
  });

  it('gives a handle to one caller once; a later visit of the browser makes the earlier one void', async () => {
    const begun = await own.begin();
    const answers = await Promise.all(Array.from({ length: 16 }, () => open(begun.handle)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ json }) => json.code === 'ERR_BANK_HANDLE')).toHaveLength(15);
    const first = answers.find(({ status }) => status === 200) as BankAnswer;
    const again = await begun.browser.visit(begun.sent.url);
    const handle = again.next?.searchParams.get('interaction') ?? '';
    expect(handle).not.toBe(begun.handle);
    expect(await own.app(`/v1/interactions/${first.json.interactionId}`)).toMatchObject(
      refused('ERR_BANK_INTERACTION_OVER', 409),
    );
    expect((await open(handle)).status).toBe(200);
    expect(await open('no-handle')).toMatchObject(refused('ERR_BANK_HANDLE', 404));
    // After five visits the authorization ends.
    for (let visit = 3; visit <= 5; visit += 1) {
      expect((await begun.browser.visit(begun.sent.url)).status).toBe(303);
    }
    const stopped = await begun.browser.visit(begun.sent.url);
    expect(stopped.status).toBe(403);
    expect((await begun.browser.follow(begun.sent.url, origins())).next?.searchParams.get('error')).toBe(
      'access_denied',
    );
  });

  it('is carried out for the browser only that began it and in which the customer decided (K14)', async () => {
    const attackers = await own.begin();
    const interaction = await authenticated(attackers);
    const { json } = await at(interaction, 'decision', approval(interaction));
    // The customer's browser has the way back, and not the interaction.
    const customers = await (await own.browser()).visit(new URL(json.returnUrl));
    expect(customers.status).toBe(400);
    // The attacker's has the interaction, and not the way back: a guess is refused, and nothing else is a way on.
    const guess = new URL(json.returnUrl);
    guess.searchParams.set('result', 'A'.repeat(43));
    const guessed = await attackers.browser.visit(guess);
    expect(guessed.status).toBe(400);
    expect(
      own.events.some(({ fields: { error } }) => (error as { code?: string })?.code === 'ERR_BANK_RETURN'),
    ).toBe(true);
    const bare = await attackers.browser.visit(attackers.sent.url);
    expect(bare.next?.origin).toBe('https://app.bank.example');
    // The new visit has made the decision void.
    expect((await attackers.browser.visit(new URL(json.returnUrl))).status).toBe(400);
  });

  it('refuses each step out of its order, and each that does not fit what was shown (K3, K4)', async () => {
    const begun = await own.begin();
    const interaction = await open(begun.handle);
    expect(await at(interaction, 'decision', approval(interaction))).toMatchObject(
      refused('ERR_BANK_INTERACTION_STEP', 409),
    );
    expect(await at(interaction, 'authentication', login(interaction))).toMatchObject(
      refused('ERR_BANK_INTERACTION_STEP', 409),
    );
    await attempt(interaction);
    const logins = [
      [{ linkHash: 'another' }, 'ERR_CONSENT_CHANGED', 409],
      [{ amr: ['pwd'] }, 'ERR_AUTHENTICATION_UNMET', 422],
      [{ amr: ['pwd', 'pin'] }, 'ERR_AUTHENTICATION_UNMET', 422],
      // The first access of a TPP is never exempted (RTS article 10a).
      [{ psuId: randomUUID(), amr: ['pwd'], isExempted: true }, 'ERR_AUTHENTICATION_UNMET', 422],
      [{ acr: 'urn:unknown' }, 'ERR_ASPSP_ANSWER', 422],
      [{ authTime: '2099-01-01T00:00:00Z' }, 'ERR_BANK_REQUEST', 400],
      [{ amr: [] }, 'ERR_BANK_REQUEST', 400],
      [{ psuId: '' }, 'ERR_BANK_REQUEST', 400],
    ] as const;
    for (const [change, code, status] of logins) {
      const answer = await at(interaction, 'authentication', login(interaction, change));
      expect(answer).toMatchObject(refused(code, status));
    }
    expect((await at(interaction, 'authentication', login(interaction))).status).toBe(200);
    expect(
      await at(interaction, 'authentication', login(interaction, { psuId: 'customer-2' })),
    ).toMatchObject(refused('ERR_BANK_INTERACTION_STEP', 409));
    const decisions = [
      [{ linkHash: 'another' }, 'ERR_CONSENT_CHANGED'],
      [{ accountIds: [] }, 'ERR_BANK_REQUEST'],
      [{ accountIds: [''] }, 'ERR_BANK_REQUEST'],
      [{ decision: 'maybe' }, 'ERR_BANK_REQUEST'],
    ] as const;
    for (const [change, code] of decisions) {
      expect((await at(interaction, 'decision', approval(interaction, change))).json.code).toBe(code);
    }
    expect((await own.app('/v1/interactions/unknown')).json.code).toBe('ERR_BANK_INTERACTION_OVER');
  });

  it('keeps the first decision, of many at once', async () => {
    const begun = await own.begin();
    const interaction = await authenticated(begun);
    const answers = await Promise.all(
      Array.from({ length: 32 }, (_, one) =>
        at(interaction, 'decision', one % 2 === 0 ? approval(interaction) : { decision: 'reject' }),
      ),
    );
    const decided = answers.filter(({ status }) => status === 200);
    const urls = new Set(decided.map(({ json }) => json.returnUrl));
    expect(urls.size).toBe(1);
    const stage = (await own.app(`/v1/interactions/${interaction.json.interactionId}`)).json.stage;
    const page = await back(begun, decided[0] as BankAnswer);
    expect(page.next?.searchParams.has('code')).toBe(stage === 'approved');
    // After the end of it, the decision is no way to a second code (K11).
    const second = await begun.browser.follow(new URL(String([...urls][0])), origins());
    expect(second.next?.searchParams.has('code') ?? false).toBe(false);
    expect((await at(interaction, 'decision', approval(interaction))).json.code).toBe(
      'ERR_BANK_INTERACTION_OVER',
    );
  });

  it('ends with access_denied when the customer rejects, before or after the login', async () => {
    for (const isLoggedIn of [false, true]) {
      const begun = await own.begin();
      const interaction = isLoggedIn ? await authenticated(begun) : await open(begun.handle);
      const page = await back(begun, await at(interaction, 'decision', { decision: 'reject' }));
      expect(page.next?.searchParams.get('error')).toBe('access_denied');
    }
  });

  it('counts attempts before they are judged: five for a customer in all interactions, and then a block (K5)', async () => {
    const customerName = randomUUID();
    const begun = await Promise.all(Array.from({ length: 4 }, () => own.begin()));
    const interactions = await Promise.all(begun.map(({ handle }) => open(handle)));
    const counted: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (const interaction of interactions) counted.push((await attempt(interaction, customerName)).status);
    }
    expect(counted.filter((status) => status === 200)).toHaveLength(5);
    const [interaction] = interactions as [BankAnswer];
    const over = await attempt(interaction, ` ${customerName.toUpperCase()}`);
    expect(over).toMatchObject(refused('ERR_BANK_ATTEMPTS', 429));
    expect(over.headers.get('retry-after')).toBe('900');
    // Of one interaction, under all names, and many at once.
    const other = await open((await own.begin()).handle);
    const parallel = await Promise.all(Array.from({ length: 16 }, () => attempt(other)));
    expect(parallel.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(5);
    expect(parallel.every(({ status }) => [200, 409, 429].includes(status))).toBe(true);
  });

  it('forgets the attempts of a customer who has logged in', async () => {
    const customerName = randomUUID();
    for (let count = 0; count < 7; count += 1) {
      const interaction = await open((await own.begin()).handle);
      expect((await attempt(interaction, customerName)).json).toEqual({ isLast: false });
      expect((await at(interaction, 'authentication', login(interaction))).status).toBe(200);
    }
  });

  it('takes no exemption for a payment', async () => {
    const psuId = randomUUID();
    await authenticated(await own.begin(), { psuId });
    const payment = {
      type: 'payment_initiation',
      instructedAmount: { currency: 'EUR', amount: '10.00' },
      creditorName: 'Merchant',
      creditorAccount: { iban: 'DE89370400440532013000' },
    };
    const named = { scope: 'payments', authorization_details: JSON.stringify([payment]) };
    const interaction = await open((await own.begin(named)).handle);
    expect(interaction.json).toMatchObject({ isPayment: true });
    await attempt(interaction);
    const exempted = login(interaction, { psuId, amr: ['pwd'], isExempted: true });
    expect((await at(interaction, 'authentication', exempted)).json.code).toBe('ERR_AUTHENTICATION_UNMET');
    expect((await at(interaction, 'authentication', login(interaction, { psuId }))).status).toBe(200);
  });

  it('shows a payment, and takes one account and two elements for it', async () => {
    const begun = await own.begin({ scope: 'payments', authorization_details: JSON.stringify([PAYMENT]) });
    const interaction = await open(begun.handle);
    expect(interaction.json).toMatchObject({
      isPayment: true,
      needsAccounts: 'one',
      details: [PAYMENT],
      view: { parts: [{ payment: { amount: '£12.00', payee: 'Example Shop' } }] },
    });
    await attempt(interaction);
    const exempted = login(interaction, { amr: ['pwd'], isExempted: true });
    expect((await at(interaction, 'authentication', exempted)).json.code).toBe('ERR_AUTHENTICATION_UNMET');
    await at(interaction, 'authentication', login(interaction));
    const two = approval(interaction, { accountIds: ['a', 'b'] });
    expect((await at(interaction, 'decision', two)).json).toMatchObject({ member: 'body.accountIds' });
    const tokens = await begun.redeem(
      await back(begun, await at(interaction, 'decision', approval(interaction))),
    );
    const { consent_id: consentId } = decodeJwt<{ consent_id: string }>(tokens.access_token);
    expect((await own.core(`/v1/consents/${consentId}`)).json).toMatchObject({
      status: 'authorised',
      details: [{ type: 'payment_initiation', instructedAmount: PAYMENT.instructedAmount }],
    });
    const consumed = await own.core(`/v1/consents/${consentId}/consume`, { body: {} });
    expect(consumed.json).toMatchObject({ isFirst: true, consent: { status: 'consumed' } });
    expect((await own.core(`/v1/consents/${consentId}/consume`, { body: {} })).json.isFirst).toBe(false);
  });

  it('authorises a consent that the core has made, for its customer only, and as it was shown (K3)', async () => {
    const psuId = randomUUID();
    const make = async () => {
      const body = {
        reference: 'berlin-group',
        clientId: NAMING_CLIENT,
        details: [PAYMENT],
        psuId,
        expiresAt: hour(1),
      };
      const headers = { 'idempotency-key': randomUUID() };
      return String((await own.core('/v1/consents', { body, headers })).json.consentId);
    };
    const change = (consentId: string) =>
      own.core(`/v1/consents/${consentId}`, { method: 'PATCH', body: { details: [paymentOf('12.01')] } });
    const consentId = await make();
    const begun = await own.beginNamed(`PIS:${consentId}`);
    const interaction = await open(begun.handle);
    expect(interaction.json).toMatchObject({ consentId, psuId, details: [PAYMENT], needsAccounts: 'one' });
    await attempt(interaction);
    expect((await at(interaction, 'authentication', login(interaction))).json.code).toBe(
      'ERR_CONSENT_CUSTOMER',
    );
    await at(interaction, 'authentication', login(interaction, { psuId }));
    const decided = await at(interaction, 'decision', approval(interaction));
    const tokens = await begun.redeem(await back(begun, decided));
    expect(decodeJwt<{ consent_id: string }>(tokens.access_token).consent_id).toBe(consentId);
    const status = async (id: string) => (await own.core(`/v1/consents/${id}`)).json.status;
    expect(await status(consentId)).toBe('authorised');

    // One cent more, after the login, after the decision: nothing that was linked to the first counts.
    const changed = await make();
    const second = await own.beginNamed(`PIS:${changed}`);
    const shown = await open(second.handle);
    await attempt(shown);
    await at(shown, 'authentication', login(shown, { psuId }));
    await change(changed);
    const now = await own.app(`/v1/interactions/${shown.json.interactionId}`);
    expect(now.json.linkHash).not.toBe(shown.json.linkHash);
    for (const other of [shown, now]) {
      expect((await at(shown, 'decision', approval(other))).json.code).toBe('ERR_CONSENT_CHANGED');
    }
    const late = await make();
    const third = await own.beginNamed(`PIS:${late}`);
    const approved = await authenticated(third, { psuId });
    const decision = await at(approved, 'decision', approval(approved));
    await change(late);
    const page = await back(third, decision);
    expect(page.text + String(page.next)).not.toContain('code=');
    expect(await status(late)).toBe('awaiting-authorisation');
    expect(await status(changed)).toBe('awaiting-authorisation');
  });

  it('takes an exempted access once the customer has used two elements for the TPP (RTS article 10a)', async () => {
    const customer = { psuId: randomUUID() };
    const balances = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const limited = { authorization_details: JSON.stringify([balances]) };
    await authenticated(await own.begin(limited), customer);
    await authenticated(await own.begin(limited), { ...customer, amr: ['pwd'], isExempted: true });
    // Scopes alone ask for more than the exemption covers.
    const interaction = await open((await own.begin()).handle);
    await attempt(interaction);
    const exempted = login(interaction, { ...customer, amr: ['pwd'], isExempted: true });
    expect((await at(interaction, 'authentication', exempted)).json.code).toBe('ERR_AUTHENTICATION_UNMET');
  });

  it('goes on in another process after the decision, and ends where the TPP is not authorised any more', async () => {
    const [begun, later] = [await own.begin(), await own.begin()];
    const [interaction, waiting] = [await authenticated(begun), await authenticated(later)];
    const decided = await at(interaction, 'decision', approval(interaction));
    await own.restart();
    expect((await begun.redeem(await back(begun, decided))).access_token).toBeTruthy();
    const { registry } = own.bank.files;
    const { tpps } = parse(await readFile(registry, 'utf8')) as { tpps: { status: string }[] };
    const { loadedAt } = own.server.registry;
    const withdrawn = tpps.map((one) => ({ ...one, status: 'withdrawn', statusSince: '2020-01-01' }));
    await replaceFile(registry, JSON.stringify({ tpps: withdrawn }));
    while (own.server.registry.loadedAt === loadedAt) await sleep(50);
    expect(await at(waiting, 'decision', approval(waiting))).toMatchObject(
      refused('ERR_TPP_NOT_AUTHORIZED', 403),
    );
  });

  it('is configured with a caller that may interactions, or there is a module of the bank', () => {
    const { section } = own.programs;
    const problems = (amended: object): unknown => {
      const value = {
        ...own.bank.config,
        bankApi: section,
        bankApp: { url: APP, bankName: 'Bank' },
        ...amended,
      };
      try {
        const aspsp = aspspOf(parseConfig(value, { source: 'test', folder: own.bank.folder }), undefined);
        return aspsp.name;
      } catch (error) {
        return isRefusal(error, 'ERR_CONFIG_INVALID') ? error.details.problems : error;
      }
    };
    expect(problems({})).toBe('Bank');
    const callers = [{ name: 'core', may: ['consents'], tls_client_auth_subject_dn: 'CN=core' }];
    expect(problems({ bankApi: { ...section, callers } })).toMatchObject([{ path: 'bankApp' }]);
    expect(problems({ bankApi: undefined })).toMatchObject([{ path: 'bankApp' }]);
    expect(problems({ bankApp: undefined })).toMatchObject([{ path: 'aspspModule' }]);
    expect(problems({ customerClaims: ['name'] })).toMatchObject([{ path: 'customerClaims' }]);
    const twice = [...callers, ...callers];
    expect(problems({ bankApi: { ...section, callers: twice } })).toMatchObject([
      { path: 'bankApi.callers[1].name' },
      { path: 'bankApi.callers[1]' },
    ]);
  });
});
