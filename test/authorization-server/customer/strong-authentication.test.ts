import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { Customer } from './pages-bench.ts';
import { APP, GENERATOR, isAtConsent, others, SCA, ScaBench, TELEPHONE } from './sca-bench.ts';

let bench: ScaBench;
beforeAll(async () => {
  bench = await ScaBench.open();
}, 120_000);
afterAll(() => bench.close());
afterEach(() => bench.renew());

describe('two elements of different kinds (RTS article 4(1))', () => {
  it('are password and generator; access token and ID token name them (RFC 9470 §5)', async () => {
    bench.bankWith(GENERATOR);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    expect(isAtConsent(customer)).toBe(false);
    const authTime = Math.floor(systemClock.now().getTime() / 1000);
    await customer.send({ answer: bench.generated() });
    const tokens = await customer.allow();
    for (const token of [tokens.id_token, tokens.access_token]) {
      const { acr, amr, auth_time } = claimsOf(String(token));
      expect({ acr, amr }).toEqual({ acr: SCA, amr: ['pwd', 'otp', 'mfa'] });
      expect(Math.abs(Number(auth_time) - authTime)).toBeLessThan(60);
    }
  });

  it('are asked for in the order of the bank, and the customer may choose another (article 4)', async () => {
    bench.bankWith({ ...APP, ...TELEPHONE, ...GENERATOR });
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    expect(bench.asked).toHaveLength(1);
    expect(others(customer)).toEqual(['app', 'code', 'totp']);
    await customer.send({ factor: 'code' });
    expect(customer.page.text).toContain(bench.sent[0]?.reference);
    await customer.send({ answer: bench.sent[0]?.code ?? '' });
    expect(isAtConsent(customer)).toBe(true);
  });

  it('are not two of one kind, whatever the bank claims', async () => {
    bench.bankWith({});
    bench.pages.current = {
      ...bench.pages.current,
      answerAuthentication: async () => ({
        type: 'authenticated',
        psuId: 'psu-x',
        amr: ['pwd', 'pin'],
        acr: SCA,
      }),
    };
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    expect(customer.page.status).toBe(403);
    expect(bench.events).toContain('psu.login.impossible');
    await customer.goBack();
    expect(customer.atTpp.error).toBe('access_denied');
  });
});

describe('the generator of codes', () => {
  const codes = (answer: string) => ({ answer });

  it('has each code accepted once, by any authorization (RTS article 4(1), K4)', async () => {
    bench.bankWith(GENERATOR);
    const [one, two] = [await Customer.opens(bench.pages), await Customer.opens(bench.pages)];
    await one.send(bench.typed());
    await two.send(bench.typed());
    const code = bench.generated();
    await one.send(codes(code));
    await two.send(codes(code));
    expect([isAtConsent(one), isAtConsent(two), two.page.status]).toEqual([true, false, 422]);
    bench.aheadSeconds = 30;
    await two.send(codes(bench.generated()));
    expect(isAtConsent(two)).toBe(true);
  });

  it('may go one step before or after, and no further (RFC 6238 §5.2)', async () => {
    bench.bankWith(GENERATOR);
    for (const [seconds, isRight] of [
      [-30, true],
      [30, true],
      [-90, false],
      [90, false],
    ] as const) {
      const customer = await Customer.opens(bench.pages);
      await customer.send(bench.typed(`skew${seconds}`));
      await customer.send(codes(bench.generated(seconds)));
      expect([seconds, isAtConsent(customer)]).toEqual([seconds, isRight]);
    }
  });
});

describe('a code that the bank sends', () => {
  it('is void once another is sent, and five are sent at most', async () => {
    bench.bankWith(TELEPHONE);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    for (let again = 0; again < 6; again += 1) await customer.send({ factor: 'code' });
    expect(bench.sent).toHaveLength(5);
    expect(customer.page.text).toContain('as many messages');
    await customer.send({ answer: bench.sent[3]?.code ?? '' });
    expect(isAtConsent(customer)).toBe(false);
    await customer.send({ answer: bench.sent[4]?.code ?? '' });
    expect(isAtConsent(customer)).toBe(true);
  });

  it('is accepted for one of many forms at once', async () => {
    bench.bankWith(TELEPHONE);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    const answer = bench.sent[0]?.code ?? '';
    const answers = await Promise.all(Array.from({ length: 3 }, () => customer.submit({ answer })));
    const onward = answers.filter(
      ({ text }) => text.includes('http-equiv="refresh"') || text.includes('id="onward"'),
    );
    expect(onward.length).toBeGreaterThanOrEqual(1);
    expect(bench.events).not.toContain('psu.login.refused');
  });
});

describe('a question in the app of the bank', () => {
  it('that the customer rejects ends the request', async () => {
    bench.bankWith(APP);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    await bench.pages.confirmations?.reject(bench.asked[0]?.confirmationId ?? '');
    await customer.reload();
    expect(customer.page.text).toContain('You have rejected');
    await customer.goBack();
    expect(customer.atTpp).toMatchObject({
      error: 'access_denied',
      error_description: 'the customer rejected the request',
    });
  });
});

describe('attempts, whichever element fails (RTS article 4(3)(b))', () => {
  const wrongCode = { answer: '000000' };
  const atCode = async () => {
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    return customer;
  };

  it('are five for name, password and codes together, over many authorizations; then a block (K5)', async () => {
    bench.bankWith(GENERATOR);
    const first = await Customer.opens(bench.pages);
    await first.send({ ...bench.typed(), password: 'wrong' });
    await first.send({ ...bench.typed(), password: 'wrong' });
    for (let flow = 0; flow < 3; flow += 1) await (await atCode()).send(wrongCode);
    const judged = bench.events.filter((event) => event === 'psu.login.refused').length;
    expect(judged).toBe(5);
    const right = await Customer.opens(bench.pages);
    await right.send(bench.typed());
    expect([right.page.status, right.problem]).toEqual([
      422,
      expect.stringContaining('too many failed attempts'),
    ]);
    expect(bench.events).toContain('psu.login.blocked');
  });

  it('are five when 64 wrong codes come at once, in two authorizations (K5)', async () => {
    bench.bankWith(GENERATOR);
    const both = [await atCode(), await atCode()];
    await Promise.all(Array.from({ length: 64 }, (_, at) => both[at % 2]?.submit(wrongCode)));
    expect(bench.events.filter((event) => event === 'psu.login.refused')).toHaveLength(5);
    const right = await Customer.opens(bench.pages);
    await right.send(bench.typed());
    expect(isAtConsent(right) || right.page.text.includes('name="answer"')).toBe(false);
  });

  it('end the authorization at the fifth wrong code, without a word on the element (RTS article 4(3)(a))', async () => {
    bench.bankWith(GENERATOR);
    const customer = await atCode();
    for (let at = 0; at < 4; at += 1) {
      await customer.send(wrongCode);
      expect([customer.page.status, customer.problem]).toEqual([
        422,
        'That was not right. Please try again.',
      ]);
    }
    await customer.send(wrongCode);
    expect(customer.page.status).toBe(403);
    await customer.goBack();
    expect(customer.atTpp).toMatchObject({ error: 'access_denied' });
  });

  it('are forgotten after a login', async () => {
    bench.bankWith(GENERATOR);
    for (let round = 0; round < 2; round += 1) {
      const customer = await atCode();
      for (let at = 0; at < 3; at += 1) await customer.send(wrongCode);
      bench.aheadSeconds += 30;
      await customer.send({ answer: bench.generated() });
      expect(isAtConsent(customer)).toBe(true);
    }
  });

  it('of an unknown customer look like those of a known one (K6)', async () => {
    bench.bankWith(GENERATOR);
    const pages: string[] = [];
    for (const known of [true, false]) {
      const customer = await Customer.opens(bench.pages);
      const username = `${known ? 'known' : 'unknown'}-${bench.customer}`.padStart(20, 'x');
      await customer.send({ username, password: 'wrong' });
      const { status, text } = customer.page;
      pages.push(
        `${status} ${text.replaceAll(username, 'name').replaceAll(/name="csrf" value="[^"]+"/g, '')}`,
      );
    }
    expect(pages[0]).toBe(pages[1]);
  });
});

describe('five minutes without activity (RTS article 4(3)(d), K12)', () => {
  it('end a step of the login', async () => {
    bench.bankWith(GENERATOR);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    bench.aheadSeconds = 301;
    await customer.send({ answer: bench.generated() });
    expect([customer.page.status, isAtConsent(customer)]).toEqual([403, false]);
    expect(customer.page.text).toContain('logged out after five minutes');
    await customer.goBack();
    expect(customer.atTpp).toMatchObject({
      error: 'access_denied',
      error_description: 'the customer was inactive for five minutes',
    });
  });

  it('end the page of the consent', async () => {
    bench.bankWith(GENERATOR);
    const customer = await Customer.opens(bench.pages);
    await customer.send(bench.typed());
    await customer.send({ answer: bench.generated() });
    expect(isAtConsent(customer)).toBe(true);
    bench.aheadSeconds = 301;
    const [, account = ''] = /name="account" value="([^"]*)"/.exec(customer.page.text) ?? [];
    await customer.send({ account }, 'approve');
    expect(customer.page.text).toContain('logged out after five minutes');
  });

  it('begin anew with each page that the customer opens, and not with one that asks by itself', async () => {
    bench.bankWith(APP);
    const [active, away] = [await Customer.opens(bench.pages), await Customer.opens(bench.pages)];
    for (const customer of [active, away]) await customer.send(bench.typed());
    const [path, poll] = [active.path, `${away.path}?poll=1`];
    bench.aheadSeconds = 200;
    await active.reload(path);
    await away.reload(poll);
    bench.aheadSeconds = 400;
    await active.reload(path);
    await away.reload(poll);
    // The question in the app has ended, and the customer can ask again.
    expect([active.page.status, away.page.status]).toEqual([422, 403]);
  });
});
