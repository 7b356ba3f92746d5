import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { Customer } from './pages-bench.ts';
import { APP, CA, GENERATOR, isAtConsent, others, SCA, ScaBench, TELEPHONE } from './sca-bench.ts';

const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
  creditorAccount: { iban: 'DE02100100109307118603' },
};
const BALANCES = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
const details = (...all: object[]) => ({ authorization_details: JSON.stringify(all) });

let bench: ScaBench;
beforeAll(async () => {
  bench = await ScaBench.open();
}, 120_000);
afterAll(() => bench.close());
afterEach(() => bench.renew());

describe('a payment (RTS article 5)', () => {
  it('may both come from the steps of the bank, for a payment with its link only', async () => {
    bench.bankWith({});
    let isLinked = false;
    bench.pages.current = {
      ...bench.pages.current,
      answerAuthentication: async (_state, _values, { request: { linkHash } }) => ({
        type: 'authenticated',
        psuId: 'psu-own',
        amr: ['pwd', 'hwk'],
        ...(isLinked ? { linkHash } : {}),
      }),
    };
    const unlinked = await Customer.opens(bench.pages, details(PAYMENT));
    await unlinked.send(bench.typed());
    expect(unlinked.page.status).toBe(403);
    isLinked = true;
    const linked = await Customer.opens(bench.pages, details(PAYMENT));
    await linked.send(bench.typed());
    expect(isAtConsent(linked)).toBe(true);
  });

  it('approves no payment: the customer has to use another element (RTS article 5(1))', async () => {
    bench.bankWith(GENERATOR);
    const alone = await Customer.opens(bench.pages, details(PAYMENT));
    await alone.send(bench.typed());
    expect([alone.page.status, bench.events.includes('psu.login.impossible')]).toEqual([403, true]);
    bench.bankWith({ ...APP, ...TELEPHONE, ...GENERATOR });
    const customer = await Customer.opens(bench.pages, details(PAYMENT));
    await customer.send(bench.typed());
    expect(others(customer)).toEqual(['app', 'code']);
    await customer.send({ factor: 'totp' });
    expect(others(customer)).toEqual(['app', 'code']);
    await customer.send({ answer: bench.generated() });
    expect(isAtConsent(customer)).toBe(false);
  });
});

describe('a code that the bank sends for a payment', () => {
  it('names amount and payee, and is good for them only (RTS article 5(1), K4)', async () => {
    bench.bankWith(TELEPHONE);
    const dear = { ...PAYMENT, instructedAmount: { currency: 'EUR', amount: '123.51' } };
    const [one, two] = [
      await Customer.opens(bench.pages, details(PAYMENT)),
      await Customer.opens(bench.pages, details(dear)),
    ];
    await one.send(bench.typed());
    await two.send(bench.typed());
    for (const { page } of [one, two]) expect(page.text).toContain('Merchant A');
    expect(one.page.text).toContain('123.50');
    expect(
      bench.sent.map(({ payments: [payment], text, code }) => [payment?.amount.amount, text.includes(code)]),
    ).toEqual([
      ['123.50', true],
      ['123.51', true],
    ]);
    expect(bench.sent[0]?.text).toMatch(/^You pay 123\.50 EUR to Merchant A\./);
    expect(bench.sent[0]?.linkHash).not.toBe(bench.sent[1]?.linkHash);
    await two.send({ answer: bench.sent[0]?.code ?? '' });
    expect(two.page.status).toBe(422);
    await two.send({ answer: bench.sent[1]?.code ?? '' });
    await one.send({ answer: bench.sent[0]?.code ?? '' });
    expect([isAtConsent(one), isAtConsent(two)]).toEqual([true, true]);
  });
});

describe('a question about a payment in the app of the bank', () => {
  it('carries payment, hash and number; the page goes on by itself when it is confirmed', async () => {
    bench.bankWith(APP);
    const customer = await Customer.opens(bench.pages, details(PAYMENT));
    await customer.send(bench.typed());
    const [question] = bench.asked;
    expect(question).toMatchObject({
      payments: [{ amount: { currency: 'EUR', amount: '123.50' }, payee: 'Merchant A' }],
      tpp: { authorizationNumber: 'PSDGB-FCA-900003' },
    });
    expect(customer.page.text).toContain(question?.comparison);
    expect(customer.page.headers.refresh).toMatch(/^3; url=\/interaction\/[\w-]+\?poll=1$/);
    await customer.reload(`${customer.path}?poll=1`);
    expect(isAtConsent(customer)).toBe(false);
    const { confirmationId = '', linkHash = '' } = question ?? {};
    const confirm = (hash: string) =>
      bench.pages.confirmations?.confirm(confirmationId, { linkHash: hash, amr: ['hwk', 'fpt'] });
    await expect(confirm('another')).rejects.toMatchObject({ code: 'ERR_APPROVAL_INVALID' });
    expect(await bench.pages.confirmations?.waitingFor(`psu-${bench.customer}`)).toHaveLength(1);
    expect(await confirm(linkHash)).toBe('confirmed');
    expect(await bench.pages.confirmations?.reject(confirmationId)).toBe('confirmed');
    await customer.reload();
    expect(isAtConsent(customer)).toBe(true);
  });
});

describe('an access that the bank exempts (RTS article 10a)', () => {
  const opened = async (parameters: Readonly<Record<string, string>>) => {
    const customer = await Customer.opens(bench.pages, parameters);
    await customer.send(bench.typed('exempt'));
    return customer;
  };
  const first = async () => {
    const customer = await opened(details(BALANCES));
    expect(isAtConsent(customer)).toBe(false);
    await customer.send({ answer: bench.generated() });
    expect(isAtConsent(customer)).toBe(true);
  };

  it('needs two elements at first, then one, which acr names', async () => {
    let exemptions = 0;
    bench.bankWith(GENERATOR, {
      exempts: async ({ lastStrongAt }) => {
        expect(lastStrongAt).toBeInstanceOf(Date);
        exemptions += 1;
        return true;
      },
    });
    await first();
    expect(exemptions).toBe(0);
    const again = await opened(details(BALANCES));
    expect(claimsOf(String((await again.allow()).access_token))).toMatchObject({ acr: CA, amr: ['pwd'] });
    // Not for a payment, for data of longer ago, for more than the limited data, nor where the strong context is demanded.
    const old = new Date(systemClock.now().getTime() - 200 * 86_400_000).toISOString().slice(0, 10);
    const more = { ...BALANCES, actions: ['read_transactions'], transactionsFrom: old };
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: SCA } } });
    for (const parameters of [
      details(more),
      details({ ...BALANCES, actions: ['read_beneficiaries'] }),
      details({ ...BALANCES, actions: ['read_transactions'] }),
      { scope: 'accounts' },
      { ...details(BALANCES), claims },
    ]) {
      expect(isAtConsent(await opened(parameters))).toBe(false);
    }
    expect(exemptions).toBe(1);
  });
});
