import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Aspsp, AuthenticationContext, FormStep } from '../../../src/index.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { accounts, CALL_SECONDS, Customer, PagesBench } from './pages-bench.ts';

const CODE_STEP: FormStep = {
  type: 'form',
  title: 'Your code',
  text: 'We have sent a code to <your> phone.',
  button: 'Confirm',
  fields: [{ name: 'code', label: 'Code', type: 'digits', autocomplete: 'one-time-code' }],
};

/** A bank of two steps: a password, then a code that is new after each failure. */
function twoSteps(): Pick<Aspsp, 'answerAuthentication'> {
  let codes = 0;
  const codeStep = (psuId: string) => {
    codes += 1;
    return { ...CODE_STEP, state: { psuId, code: `10000${codes}` } };
  };
  return {
    answerAuthentication: async (state, values) => {
      if (state === undefined) {
        return values.password === 'right'
          ? codeStep(`psu-${values.username}`)
          : { type: 'refused', reason: 'wrong-credentials' };
      }
      const { psuId, code } = state as { readonly psuId: string; readonly code: string };
      return values.code === code
        ? { type: 'authenticated', psuId, amr: ['pwd', 'otp'], acr: 'urn:openbanking:psd2:sca' }
        : {
            type: 'refused',
            reason: 'wrong-credentials',
            text: 'Wrong. A new code is on its way.',
            next: codeStep(psuId),
          };
    },
  };
}

let bench: PagesBench;

beforeAll(async () => {
  bench = await PagesBench.open();
}, 120_000);
afterAll(() => bench.close());
afterEach(() => {
  bench.logged = [];
});

const right = { username: 'ann', password: 'right' };

describe('a bank whose login has two steps', () => {
  it('asks for them one after the other, and the consent is of the customer of the last', async () => {
    bench.current = twoSteps();
    const customer = await Customer.opens(bench);
    expect(customer.page.text).toContain('name="password"');
    await customer.send(right);
    expect(customer.page.status).toBe(200);
    expect(customer.page.text).toContain('We have sent a code to &lt;your&gt; phone.');
    expect(customer.page.text).toMatch(
      /name="code" type="text" autocomplete="one-time-code" inputmode="numeric"/,
    );
    expect(customer.page.text).toContain('>Confirm</button>');
    expect(customer.page.text).not.toContain('100001');
    await customer.reload();
    expect(customer.page.text).toContain('name="code"');
    await customer.send({ code: '999999' });
    expect([customer.page.status, customer.problem]).toEqual([422, 'Wrong. A new code is on its way.']);
    // The code of the step before is void.
    await customer.send({ code: '100001' });
    expect(customer.page.status).toBe(422);
    await customer.send({ code: '100003' });
    expect(customer.page.text).toContain('Allow access?');
    const tokens = await customer.allow();
    expect(claimsOf(String(tokens.id_token)).sub).toBe('psu-ann');
  });

  it('sees no answer to an earlier step: the page of the present step comes back', async () => {
    let answers = 0;
    const { answerAuthentication } = twoSteps();
    bench.current = {
      answerAuthentication: (...args) => {
        answers += 1;
        return answerAuthentication(...args);
      },
    };
    const customer = await Customer.opens(bench);
    await customer.send(right);
    await customer.send({ ...right, step: '0' });
    expect([customer.page.status, answers]).toEqual([200, 1]);
    expect(customer.page.text).toContain('name="code"');
    await customer.send({ code: '100001', step: '7' });
    expect(answers).toBe(1);
    await customer.send({}, 'cancel');
    expect(String(customer.page.headers.location)).toContain('error=access_denied');
  });

  it('judges five wrong codes of a customer, whatever the number of authorizations (RTS article 4(3)(b))', async () => {
    let judged = 0;
    const { answerAuthentication } = twoSteps();
    bench.current = {
      answerAuthentication: (state, ...args) => {
        if (state !== undefined) judged += 1;
        return answerAuthentication(state, ...args);
      },
    };
    const named = { ...right, username: 'guessed' };
    for (let flow = 0; flow < 3; flow += 1) {
      const customer = await Customer.opens(bench);
      await customer.send(named);
      for (let guess = 0; guess < 2; guess += 1) await customer.send({ code: '000000' });
    }
    expect(judged).toBe(5);
    const customer = await Customer.opens(bench);
    await customer.send(named);
    expect(customer.page.status).toBe(422);
    expect(bench.logged.map(({ event }) => event)).toContain('psu.login.blocked');
  });
});

describe('a bank with a first step of its own', () => {
  const context: AuthenticationContext[] = [];
  it('is asked once for it, is told the request, and can send the customer to its application', async () => {
    let isApproved = false;
    bench.current = {
      beginAuthentication: async (given) => {
        context.push(given);
        return { type: 'redirect', url: 'https://app.bank.example/go?a=1&b=2', state: 'handle' };
      },
      answerAuthentication: async (state) => {
        if (state !== 'handle') throw new Error('another state');
        return isApproved
          ? { type: 'authenticated', psuId: 'psu-app', amr: ['swk'] }
          : { type: 'wait', text: 'Approve in the application.', state };
      },
    };
    const customer = await Customer.opens(bench);
    await customer.reload();
    expect(context).toEqual([
      {
        clientId: bench.tpp.clientId,
        tpp: expect.objectContaining({ authorizationNumber: 'PSDGB-FCA-900003' }),
        scopes: ['openid', 'accounts'],
        details: [],
        payments: [],
        linkHash: expect.stringMatching(/^[\w-]{43}$/),
        acrValues: [],
        isAcrEssential: false,
        uiLocales: [],
        returnUrl: expect.stringContaining(`${bench.bank.description.issuer}/interaction/`),
      },
    ]);
    expect(customer.page.text).toContain('href="https://app.bank.example/go?a=1&amp;b=2"');
    for (let tries = 0; tries < 7; tries += 1) await customer.send({});
    expect(customer.page.text).toContain('Approve in the application.');
    isApproved = true;
    await customer.send({});
    expect(claimsOf(String((await customer.allow()).id_token)).sub).toBe('psu-app');
  });
});

/** The events of a fault: the customer may have been authenticated before. */
const failuresOf = ({ logged }: Pick<PagesBench, 'logged'>) =>
  logged.filter(({ event }) => event !== 'psu.authenticated');

describe('a bank that fails', () => {
  const isPlainPage = ({ page }: Customer, status: number) => {
    expect(page.status).toBe(status);
    expect(page.text).toContain('We cannot do this at the moment');
    expect(page.text).toMatch(/Nothing has been shared with <strong>[^<]+<\/strong>/);
  };

  it.each(['beginAuthentication', 'answerAuthentication', 'listAccounts'] as const)(
    'to answer %s is cut off at the time limit, and is told so',
    async (operation) => {
      let isAborted = false;
      bench.current = {
        [operation]: async (...args: { readonly signal: AbortSignal }[]) => {
          args.at(-1)?.signal.addEventListener('abort', () => {
            isAborted = true;
          });
          await sleep(60_000, undefined, { ref: false });
        },
      };
      const from = performance.now();
      const customer = await Customer.opens(bench);
      if (operation !== 'beginAuthentication') await customer.send(right);
      isPlainPage(customer, 503);
      expect(customer.page.headers['retry-after']).toBeDefined();
      expect(performance.now() - from).toBeLessThan((CALL_SECONDS + 4) * 1000);
      expect(isAborted).toBe(true);
      expect(failuresOf(bench)).toEqual([{ event: 'dependency.unavailable', code: 'ERR_ASPSP_UNAVAILABLE' }]);
    },
  );

  it('by a throw is one event and a plain page; afterwards the customer can try again', async () => {
    bench.current = {
      answerAuthentication: () => {
        throw new Error('the core is away');
      },
    };
    const customer = await Customer.opens(bench);
    await customer.send({ ...right, username: 'thrown' });
    isPlainPage(customer, 503);
    expect(failuresOf(bench)).toEqual([{ event: 'dependency.unavailable', code: 'ERR_ASPSP_UNAVAILABLE' }]);
    bench.current = {};
    await customer.reload();
    await customer.send(right);
    expect(customer.page.text).toContain('Allow access?');
  });

  const throwing = {
    get accountId(): string {
      throw new Error('the connection of this record is closed');
    },
    name: 'Current account',
    identification: '1',
  };
  const result = { type: 'authenticated', psuId: 'psu-1', amr: ['pwd'] };
  const form = { ...CODE_STEP, state: 1 };
  it.each<[string, keyof Aspsp, unknown]>([
    ['nothing', 'answerAuthentication', undefined],
    ['no type', 'answerAuthentication', { psuId: 'psu-1', amr: ['pwd'] }],
    ['an empty psuId', 'answerAuthentication', { ...result, psuId: '' }],
    ['a number as psuId', 'answerAuthentication', { ...result, psuId: 1 }],
    ['no amr', 'answerAuthentication', { ...result, amr: [] }],
    ['an unknown member', 'answerAuthentication', { ...result, isAdmin: true }],
    ['a login in the future', 'answerAuthentication', { ...result, authTime: new Date('2100-01-01') }],
    ['a form without fields', 'answerAuthentication', { ...form, fields: [] }],
    ['two fields of one name', 'answerAuthentication', { ...form, fields: [...form.fields, ...form.fields] }],
    [
      'a field of the page',
      'answerAuthentication',
      { ...form, fields: [{ ...form.fields[0], name: 'csrf' }] },
    ],
    ['a state of 5 kB', 'answerAuthentication', { ...form, state: 'x'.repeat(5000) }],
    ['a state that is no JSON', 'answerAuthentication', { ...form, state: 1n }],
    ['a script as address', 'beginAuthentication', { type: 'redirect', url: 'javascript:alert(1)' }],
    ['a plain http address', 'beginAuthentication', { type: 'redirect', url: 'http://bank.example' }],
    ['a result before a step', 'beginAuthentication', result],
    ['no list of accounts', 'listAccounts', { accounts: [] }],
    ['an account whose member throws', 'listAccounts', [throwing]],
    ['an account twice', 'listAccounts', [...accounts(), ...accounts()]],
  ])('by the shape of its answer is refused: %s', async (_what, operation, value) => {
    bench.current = { [operation]: async () => value };
    const customer = await Customer.opens(bench);
    if (operation !== 'beginAuthentication') await customer.send({ ...right, username: `shape ${_what}` });
    isPlainPage(customer, 500);
    expect(failuresOf(bench)).toEqual([expect.objectContaining({ code: 'ERR_ASPSP_ANSWER' })]);
  });
});
