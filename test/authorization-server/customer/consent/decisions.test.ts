import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Aspsp } from '../../../../src/authorization-server/customer/bank/aspsp.ts';
import { claimsOf, codeOf } from '../../../durability/tpp.ts';
import { accounts, Customer, PagesBench } from '../pages-bench.ts';

let bench: PagesBench;
/** Of the server's own clock: the provider's stays. */
let offsetSeconds = 0;

beforeAll(async () => {
  bench = await PagesBench.open({ clock: { now: () => new Date(Date.now() + offsetSeconds * 1000) } });
}, 120_000);
afterAll(() => bench.close());
afterEach(() => {
  bench.current = {};
  bench.logged = [];
  offsetSeconds = 0;
});

async function atConsent(): Promise<Customer> {
  const customer = await Customer.opens(bench);
  await customer.send({ username: 'ann', password: 'right' });
  expect(customer.page.text).toContain('Allow access?');
  return customer;
}
const [first = '', second = ''] = accounts().map(({ accountId }) => accountId);
const granted = () => bench.logged.filter(({ event }) => event === 'consent.granted');

describe('the decision of a customer', () => {
  it('is one consent, however often it is sent at once (K17)', async () => {
    const customer = await atConsent();
    const choices = Array.from({ length: 16 }, (_, at) => (at % 2 === 0 ? first : second));
    const answers = await Promise.all(choices.map((account) => customer.submit({ account }, 'approve')));
    for (const { status, text } of answers)
      expect([status, text]).toEqual([200, expect.stringContaining('One moment')]);
    expect(granted()).toHaveLength(1);
    await customer.goOn(answers.at(-1) ?? customer.page);
    const tokens = await customer.redeem();
    const consent = await bench.server.consents.find(
      String(claimsOf(String(tokens.access_token)).consent_id),
    );
    expect(consent?.accountIds).toHaveLength(1);
  });

  it('may be for a thousand accounts, however long their identifiers are', async () => {
    const many = Array.from({ length: 1000 }, (_, at) => `${at}`.padStart(128, 'x'));
    const listAccounts = async () => many.map((accountId) => ({ ...accounts()[0], accountId }));
    bench.current = { listAccounts: listAccounts as Aspsp['listAccounts'] };
    const customer = await atConsent();
    await customer.send({ account: many }, 'approve');
    const tokens = await customer.redeem();
    const consentId = String(claimsOf(String(tokens.access_token)).consent_id);
    expect((await bench.server.consents.find(consentId))?.accountIds).toEqual(many);
  });

  it('stays when another is sent after it: the code of a double click comes, a late Cancel changes nothing', async () => {
    const customer = await atConsent();
    await customer.submit({ account: first }, 'approve');
    await customer.send({}, 'cancel');
    expect(codeOf(customer.page)).toBeDefined();
    expect(bench.logged.map(({ event }) => event)).not.toContain('consent.denied');
    const other = await atConsent();
    await other.submit({}, 'cancel');
    await other.send({ account: first }, 'approve');
    expect(other.atTpp.error).toBe('access_denied');
    expect(granted()).toHaveLength(1);
  });

  it('is what the page says afterwards, by the back button or a reload, and only to the browser that decided', async () => {
    const customer = await atConsent();
    const { path } = customer;
    await customer.allow();
    await customer.reload(path);
    expect(customer.page.status).toBe(200);
    expect(customer.page.text).toMatch(
      /You have allowed <strong>[^<]+<\/strong> the access.*until <strong>\d/,
    );
    expect(customer.page.text).not.toContain('Nothing has been shared');
    const stranger = await Customer.opens(bench);
    await stranger.reload(path);
    expect(stranger.page.status).toBe(400);
    expect(stranger.page.text).not.toMatch(/You have|Nothing has been shared/);
    const other = await atConsent();
    const cancelled = other.path;
    await other.send({}, 'cancel');
    await other.reload(cancelled);
    expect(other.page.text).toContain('You have not allowed access');
  });
});

describe('a request that cannot go on leads back to the TPP with an error', () => {
  it('when the customer took too long', async () => {
    for (const customer of [await Customer.opens(bench), await atConsent()]) {
      offsetSeconds = 15 * 60 + 1;
      await customer.send({ account: first }, 'approve');
      expect([customer.page.status, customer.page.text]).toEqual([
        403,
        expect.stringContaining('This took too long'),
      ]);
      await customer.goBack();
      expect(customer.atTpp).toMatchObject({
        error: 'access_denied',
        error_description: 'the customer took too long',
      });
      offsetSeconds = 0;
    }
    expect(granted()).toEqual([]);
  });

  it('when the customer has no account', async () => {
    bench.current = { listAccounts: async () => [] };
    const customer = await Customer.opens(bench);
    await customer.send({ username: 'ann', password: 'right' });
    expect(customer.page.text).toContain('There is no account to choose');
    await customer.goBack();
    expect(customer.atTpp.error).toBe('access_denied');
  });

  it('or to the page as it is now, when the account that was chosen is gone', async () => {
    const customer = await atConsent();
    await customer.send({ account: 'account-that-is-gone' }, 'approve');
    expect([customer.page.status, customer.page.text]).toEqual([
      400,
      expect.stringContaining(`id="again" href="${customer.path}"`),
    ]);
    expect(customer.page.text).not.toContain('Nothing has been shared');
    await customer.reload();
    expect(customer.page.text).toContain('Allow access?');
    await customer.allow();
    expect(granted()).toHaveLength(1);
  });

  it('when the bank does not answer: the customer tries again, or leaves', async () => {
    bench.current = { listAccounts: async () => Promise.reject(new Error('away')) };
    const customer = await Customer.opens(bench);
    await customer.send({ username: 'ann', password: 'right' });
    expect([customer.page.status, customer.page.text]).toEqual([503, expect.stringContaining('id="again"')]);
    expect(customer.page.headers['retry-after']).toBeDefined();
    bench.current = {};
    await customer.reload();
    expect(customer.page.text).toContain('Allow access?');
    bench.current = { listAccounts: async () => Promise.reject(new Error('away')) };
    await customer.reload();
    await customer.send({}, 'leave');
    expect(customer.atTpp.error).toBe('temporarily_unavailable');
    expect(bench.logged.filter(({ code }) => code === 'ERR_ASPSP_UNAVAILABLE')).toHaveLength(2);
  });
});

describe('the pages', () => {
  it('have an icon, also where browsers look for one by themselves', async () => {
    for (const path of ['/favicon.ico', '/assets/icon.svg']) {
      const { status, headers, text } = await bench.tpp.browse(bench.to, path);
      expect([status, headers['content-type'], text]).toEqual([
        200,
        'image/svg+xml',
        expect.stringContaining('<svg'),
      ]);
    }
  });

  it('claim nothing about what was shared where that is not known', async () => {
    for (const path of ['/interaction/unknown', '/authorize/unknown', '/authorize']) {
      const { text } = await bench.tpp.browse(bench.to, path);
      expect(text).toContain('Go back to the service');
      expect(text).not.toContain('Nothing has been shared');
    }
  });
});
