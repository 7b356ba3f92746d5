import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LoginAttempts } from '../../../src/authorization-server/customer/authentication/login-attempts.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { TestClock } from '../../storage/store-contract.ts';
import { CALL_SECONDS, Customer, PagesBench } from './pages-bench.ts';

const secret = Buffer.alloc(32, 7);
const clock = new TestClock();

describe('attempts to log in (RTS article 4(3)(b))', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-attempts-'));
  const file = join(folder, 's.sqlite');
  const stores: Store[] = [];
  let processes: LoginAttempts[];
  beforeAll(async () => {
    stores.push(...(await Promise.all([1, 2].map(() => openSqliteStore({ file, clock, log: silentLog })))));
    processes = stores.map((store) => new LoginAttempts({ store, clock, secret }));
  });
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    rmSync(folder, { recursive: true });
  });
  const [one, two] = [() => processes[0] as LoginAttempts, () => processes[1] as LoginAttempts];
  const begun = (name: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => [one, two][at % 2]?.().begin('customer', name)));

  it('are five for all processes together, also when forty come at once', async () => {
    const attempts = await begun('ann', 40);
    expect(attempts.filter((attempt) => attempt !== undefined)).toHaveLength(5);
    expect(attempts.filter((attempt) => attempt?.isLast === true)).toHaveLength(1);
    expect(await one().begin('customer', 'bob')).toBeDefined();
    expect(await one().begin('interaction', 'ann')).toBeDefined();
  });

  it('are open again after 15 minutes, one for each that is over', async () => {
    await begun('eve', 4);
    clock.forward(10 * 60);
    await begun('eve', 1);
    expect(await two().begin('customer', 'eve')).toBeUndefined();
    clock.forward(5 * 60);
    expect((await begun('eve', 9)).filter((attempt) => attempt !== undefined)).toHaveLength(4);
  });

  it('are given back when nothing was judged, and forgotten after a login', async () => {
    const attempts = await begun('dan', 5);
    await two().takeBack(attempts.flatMap((attempt) => (attempt === undefined ? [] : [attempt])));
    expect((await begun('dan', 9)).filter((attempt) => attempt !== undefined)).toHaveLength(5);
    await one().forget([{ subject: 'customer', name: 'dan' }]);
    expect(await two().begin('customer', 'dan')).toEqual(expect.objectContaining({ isLast: false }));
  });

  it('are those of one customer however the name is spelled', async () => {
    for (const name of ['frank', 'FRANK', ' fr ank', 'ｆｒａｎｋ', 'frank\u200b'])
      await one().begin('customer', name);
    expect(await two().begin('customer', 'Frank')).toBeUndefined();
  });

  it('leave no name in the store, and nothing after 15 minutes', async () => {
    const kept: string[] = [];
    const store = {
      putIfAbsent: async (_kind: string, id: string, record: { readonly expiresAt?: Date }) => {
        kept.push(id);
        expect(record.expiresAt?.getTime()).toBe(clock.now().getTime() + 15 * 60_000);
        return true;
      },
      deleteAll: async () => undefined,
    };
    await new LoginAttempts({ store, clock, secret }).begin('customer', 'margarethe');
    expect(kept).toEqual([expect.stringMatching(/^[\w-]{43}\.0$/)]);
  });
});

describe('a customer who fails to log in', () => {
  let bench: PagesBench;
  beforeAll(async () => {
    bench = await PagesBench.open();
  });
  afterAll(() => bench.close());
  afterEach(() => {
    bench.logged = [];
  });
  const wrong = (username: string) => ({ username, password: 'wrong' });
  const refusing = (): { readonly asked: string[] } => {
    const asked: string[] = [];
    bench.current = {
      answerAuthentication: async (_state, { username = '', password }) => {
        asked.push(username);
        return password === 'right'
          ? { type: 'authenticated', psuId: 'psu-1', amr: ['pwd'] }
          : { type: 'refused', reason: 'wrong-credentials' };
      },
    };
    return { asked };
  };
  /** As often as it takes to block the name; an authorization ends before. */
  async function block(name: string): Promise<void> {
    for (const attempts of [4, 1]) {
      const customer = await Customer.opens(bench);
      for (let at = 0; at < attempts; at += 1) await customer.send(wrong(name));
    }
  }

  it('five times in one authorization, under whatever names, goes back to the TPP with access_denied', async () => {
    const { asked } = refusing();
    const customer = await Customer.opens(bench);
    const { path } = customer;
    for (let at = 0; at < 4; at += 1) {
      await customer.send(wrong(`name-${at}`));
      expect([customer.page.status, customer.problem]).toEqual([
        422,
        expect.stringContaining('do not belong together'),
      ]);
    }
    await customer.send(wrong('name-4'));
    expect(customer.page.status).toBe(403);
    expect(customer.page.text).toContain('You cannot log in now');
    expect(bench.logged.map(({ event }) => event)).toContain('psu.login.stopped');
    await customer.goBack();
    expect(customer.atTpp).toMatchObject({
      error: 'access_denied',
      error_description: 'too many failed attempts to log in',
    });
    await customer.reload(path);
    expect(customer.page.status).toBe(400);
    expect(asked).toHaveLength(5);
  });

  it('with many names at once asks the bank five times (K5)', async () => {
    const { asked } = refusing();
    const customer = await Customer.opens(bench);
    await Promise.all(Array.from({ length: 40 }, (_, at) => customer.submit(wrong(`many-${at}`))));
    expect(asked.length).toBeLessThanOrEqual(5);
    await customer.send({ ...wrong('many'), password: 'right' });
    expect(asked.length).toBeLessThanOrEqual(5);
    expect(customer.atTpp.error).toBe('access_denied');
  });

  it('is told that the name is blocked, whether or not the bank knows the name (K6)', async () => {
    const { asked } = refusing();
    const sentences: (string | undefined)[] = [];
    for (const name of ['known-name', 'unknown-name']) {
      await block(name);
      const customer = await Customer.opens(bench);
      await customer.send({ username: name, password: 'right' });
      sentences.push(customer.problem);
    }
    expect(asked).toHaveLength(10);
    expect(sentences).toEqual(
      Array.from({ length: 2 }, () => expect.stringMatching(/too many failed attempts.*15 minutes/)),
    );
    expect(new Set(sentences).size).toBe(1);
  });

  it('finds the name as it was typed, and the password empty', async () => {
    refusing();
    const customer = await Customer.opens(bench);
    await customer.send(wrong('ann "the first" <b>'));
    expect(customer.page.text).toContain('value="ann &quot;the first&quot; &lt;b&gt;"');
    expect(customer.page.text).not.toContain('wrong"');
    expect(customer.page.text).toMatch(/id="password"[^>]* autofocus/);
  });

  it('is not blocked by a bank that did not answer, and at most five wait for the bank at once', async () => {
    let asked = 0;
    bench.current = {
      answerAuthentication: async () => {
        asked += 1;
        await sleep(60_000, undefined, { ref: false });
        throw new Error('never');
      },
    };
    const slow = await Customer.opens(bench);
    await Promise.all(Array.from({ length: 12 }, () => slow.submit(wrong('patient'))));
    expect(asked).toBeLessThanOrEqual(5);
    expect(CALL_SECONDS).toBe(1);
    refusing();
    const customer = await Customer.opens(bench);
    await customer.send({ username: 'patient', password: 'right' });
    expect(customer.page.text).toContain('Allow access?');
  });
});
