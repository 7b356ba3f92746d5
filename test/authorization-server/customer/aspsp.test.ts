import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import {
  type Aspsp,
  type AuthenticationContext,
  type FormStep,
  type Log,
  type RunningServer,
  startServer,
} from '../../../src/index.ts';
import { accountsOf } from '../../../src/sandbox/bank/customers.ts';
import type { Ports } from '../../durability/bank.ts';
import { type Answer, claimsOf, codeOf, onwardOf, Tpp } from '../../durability/tpp.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const CALL_SECONDS = 1;
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

let bank: TestBank;
let server: RunningServer;
let tpp: Tpp;
let to: { readonly ports: Ports };
/** The bank of the test that runs. */
let current: Partial<Aspsp>;
let logged: { readonly event: string; readonly code: unknown }[] = [];

beforeAll(async () => {
  bank = await createTestBank({ format: 'jwt' });
  const config = parseConfig(
    { ...bank.config, aspspCallSeconds: CALL_SECONDS },
    { source: 'test', folder: bank.folder },
  );
  const note = (event: string, fields?: { readonly error?: unknown }) => {
    logged.push({ event, code: (fields?.error as { code?: unknown } | undefined)?.code });
  };
  const log: Log = { emit: note };
  const aspsp: Aspsp = {
    name: 'Test Bank',
    get beginAuthentication() {
      return current.beginAuthentication as NonNullable<Aspsp['beginAuthentication']>;
    },
    answerAuthentication: async (...args) =>
      current.answerAuthentication?.(...args) ?? {
        type: 'authenticated',
        psuId: 'psu-6f1c2a',
        amr: ['pwd'],
      },
    listAccounts: async (...args) => current.listAccounts?.(...args) ?? accounts(),
  };
  server = await startServer(config, { aspsp, log });
  tpp = new Tpp(bank);
  const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
    Number(new URL(url).port),
  );
  to = { ports: { front, mtls, health: 0 } };
}, 30_000);
afterAll(async () => {
  tpp.close();
  await server.close();
  await bank.remove();
});
afterEach(() => {
  logged = [];
});

const accounts = () =>
  accountsOf('psu-6f1c2a').map(({ accountId, name }) => ({ accountId, name, identification: '•••• 1' }));

/** A customer's browser, at the first page of an authorization. */
class Customer {
  readonly #cookies = new Map<string, string>();
  #path = '';
  #verifier = '';
  page: Answer = { status: 0, headers: {}, text: '', json: {} };

  static async opens(): Promise<Customer> {
    const customer = new Customer();
    const { requestUri, verifier } = await tpp.pushed(to);
    customer.#verifier = verifier;
    const query = new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri });
    await customer.#get(`/authorize?${query}`);
    return customer;
  }

  reload(): Promise<void> {
    return this.#get(this.#path);
  }

  /** Sends the form of the page; `step` may be that of an earlier page. */
  async send(values: Record<string, string>, action = 'login'): Promise<void> {
    const hidden = Object.fromEntries(
      [...this.page.text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map((one) => one.slice(1)),
    );
    const form = new URLSearchParams({ ...hidden, action, ...values });
    this.#see(await tpp.browse(to, this.#path, { form, cookies: this.#cookies }));
    for (let onward = onwardOf(this.page); onward !== undefined; onward = onwardOf(this.page)) {
      const next = new URL(onward, bank.description.issuer);
      if (next.origin !== bank.description.issuer) return;
      await this.#get(next.pathname + next.search);
    }
  }

  /** Allows the first account: the tokens. */
  async allow(): Promise<Record<string, unknown>> {
    const [, account = ''] = /name="account" value="([^"]*)"/.exec(this.page.text) ?? [];
    await this.send({ account }, 'approve');
    const code = codeOf(this.page) ?? '';
    return (await tpp.exchange(to, { code, verifier: this.#verifier })).json;
  }

  get problem(): string | undefined {
    return /id="problem">([^<]+)</.exec(this.page.text)?.[1];
  }

  async #get(path: string): Promise<void> {
    this.#path = path;
    this.#see(await tpp.browse(to, path, { cookies: this.#cookies }));
    const { location } = this.page.headers;
    if (typeof location !== 'string') return;
    const next = new URL(location, bank.description.issuer);
    if (next.origin === bank.description.issuer) await this.#get(next.pathname + next.search);
  }

  #see(answer: Answer): void {
    this.page = answer;
    for (const field of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
      this.#cookies.set(name, value);
    }
  }
}

const right = { username: 'ann', password: 'right' };

describe('a bank whose login has two steps', () => {
  it('asks for them one after the other, and the consent is of the customer of the last', async () => {
    current = twoSteps();
    const customer = await Customer.opens();
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
    current = {
      answerAuthentication: (...args) => {
        answers += 1;
        return answerAuthentication(...args);
      },
    };
    const customer = await Customer.opens();
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
    current = {
      answerAuthentication: (state, ...args) => {
        if (state !== undefined) judged += 1;
        return answerAuthentication(state, ...args);
      },
    };
    const named = { ...right, username: 'guessed' };
    for (let flow = 0; flow < 3; flow += 1) {
      const customer = await Customer.opens();
      await customer.send(named);
      for (let guess = 0; guess < 2; guess += 1) await customer.send({ code: '000000' });
    }
    expect(judged).toBe(5);
    const customer = await Customer.opens();
    await customer.send(named);
    expect(customer.page.status).toBe(422);
    expect(logged.map(({ event }) => event)).toContain('psu.login.blocked');
  });
});

describe('a bank with a first step of its own', () => {
  const context: AuthenticationContext[] = [];
  it('is asked once for it, is told the request, and can send the customer to its application', async () => {
    let isApproved = false;
    current = {
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
    const customer = await Customer.opens();
    await customer.reload();
    expect(context).toEqual([
      {
        clientId: tpp.clientId,
        tpp: expect.objectContaining({ authorizationNumber: 'PSDGB-FCA-900003' }),
        scopes: ['openid', 'accounts'],
        returnUrl: expect.stringContaining(`${bank.description.issuer}/interaction/`),
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

describe('a bank that fails', () => {
  const isPlainPage = ({ page }: Customer, status: number) => {
    expect(page.status).toBe(status);
    expect(page.text).toContain('The request could not be processed.');
  };

  it.each(['beginAuthentication', 'answerAuthentication', 'listAccounts'] as const)(
    'to answer %s is cut off at the time limit, and is told so',
    async (operation) => {
      let isAborted = false;
      current = {
        [operation]: async (...args: { readonly signal: AbortSignal }[]) => {
          args.at(-1)?.signal.addEventListener('abort', () => {
            isAborted = true;
          });
          await sleep(60_000, undefined, { ref: false });
        },
      };
      const from = performance.now();
      const customer = await Customer.opens();
      if (operation !== 'beginAuthentication') await customer.send(right);
      isPlainPage(customer, 503);
      expect(customer.page.headers['retry-after']).toBeDefined();
      expect(performance.now() - from).toBeLessThan((CALL_SECONDS + 4) * 1000);
      expect(isAborted).toBe(true);
      expect(logged).toEqual([{ event: 'dependency.unavailable', code: 'ERR_ASPSP_UNAVAILABLE' }]);
    },
  );

  it('by a throw is one event and a plain page; afterwards the customer can try again', async () => {
    current = {
      answerAuthentication: () => {
        throw new Error('the core is away');
      },
    };
    const customer = await Customer.opens();
    await customer.send({ ...right, username: 'thrown' });
    isPlainPage(customer, 503);
    expect(logged).toEqual([{ event: 'dependency.unavailable', code: 'ERR_ASPSP_UNAVAILABLE' }]);
    current = {};
    await customer.reload();
    await customer.send(right);
    expect(customer.page.text).toContain('Allow access?');
  });

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
    ['an account twice', 'listAccounts', [...accounts(), ...accounts()]],
  ])('by the shape of its answer is refused: %s', async (_what, operation, value) => {
    current = { [operation]: async () => value };
    const customer = await Customer.opens();
    if (operation !== 'beginAuthentication') await customer.send({ ...right, username: `shape ${_what}` });
    isPlainPage(customer, 500);
    expect(logged).toEqual([expect.objectContaining({ code: 'ERR_ASPSP_ANSWER' })]);
  });
});
