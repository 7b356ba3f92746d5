import type { Context } from 'koa';
import { Secret, TOTP } from 'otpauth';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Log } from '../../../src/events.ts';
import { Authentication } from '../../../src/authorization-server/customer/authentication/authentication.ts';
import { AppConfirmations } from '../../../src/authorization-server/customer/authentication/confirmations.ts';
import { LoginAttempts } from '../../../src/authorization-server/customer/authentication/login-attempts.ts';
import type {
  Occasion,
  Progress,
} from '../../../src/authorization-server/customer/authentication/occasion.ts';
import { openStrongParts } from '../../../src/authorization-server/customer/authentication/strong-parts.ts';
import { AspspCalls } from '../../../src/authorization-server/customer/bank/aspsp-calls.ts';
import type { Aspsp } from '../../../src/authorization-server/customer/bank/aspsp.ts';
import type { Pages } from '../../../src/authorization-server/customer/pages/pages.ts';
import type { Store } from '../../../src/storage/store.ts';
import { openTestStores, type SharedStores } from '../bank-api/stores.ts';

const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
const secret = Buffer.alloc(32, 7);
const clock = systemClock;
const ctx = {} as Context;
const answered = (step: number, answer: string) => new URLSearchParams({ step: String(step), answer });
const generated = () => new TOTP({ secret: Secret.fromBase32(SECRET) }).generate();

const aspsp = (psuId: string): Aspsp => ({
  name: 'Test Bank',
  answerAuthentication: async () => ({ type: 'authenticated', psuId, amr: ['pwd'] }),
  listAccounts: async () => [],
  strong: { findFactors: async () => ({ totp: { secret: SECRET } }) },
});

/** A process that authenticates the customers of a bank. */
function processOn(store: Store, psuId: string, events: string[]): Authentication {
  const log: Log = { emit: (event) => void events.push(event) };
  const bank = aspsp(psuId);
  const options = { store, clock, secret, aspsp: bank, aspspCallSeconds: 5, issuer: 'https://bank.example' };
  return new Authentication({
    aspsp: new AspspCalls({ aspsp: bank, callSeconds: 5, clock, acr: { acrValues: [] } }),
    acrValues: [],
    attempts: new LoginAttempts({ store, clock, secret }),
    pages: { login: () => {}, factor: () => {} } as unknown as Pages,
    strong: openStrongParts({ ...options, sca: { factors: ['totp'] } }),
    secret,
    clock,
    log,
  });
}

/** An authorization of its own; what becomes of it. */
class TestOccasion implements Occasion {
  readonly csrf = '';
  readonly requirements = { acrValues: [], isAcrEssential: false };
  readonly isPayment: boolean;
  readonly events = {};
  readonly id: string;
  linkHash = 'of-the-first-request';
  progress: Progress | undefined;
  outcome: string | undefined;

  constructor(id: string, isPayment = false) {
    this.id = id;
    this.isPayment = isPayment;
  }

  get context() {
    const { linkHash } = this;
    const asked = { scopes: [], details: [], payments: [], linkHash, uiLocales: [] };
    return { ...asked, acrValues: [], isAcrEssential: false, returnUrl: 'https://bank.example/' };
  }

  async keep(progress: Progress): Promise<void> {
    this.progress = progress;
  }

  async finish(): Promise<void> {
    this.outcome = 'finished';
  }

  async end(_ctx: Context, reason: string): Promise<void> {
    this.outcome = reason;
  }

  async refuse(): Promise<void> {
    this.outcome = 'refused';
  }
}

describe.each(openTestStores)('two processes that authenticate customers, on $name', ({ name, open }) => {
  let stores: SharedStores;
  beforeAll(async () => {
    stores = await open();
  });
  afterAll(() => stores.close());

  async function atCode(psuId: string, count: number) {
    const events: string[] = [];
    const processes = stores.all.map((store) => processOn(store, psuId, events));
    const authentication = (at: number) => processes[at % processes.length] as Authentication;
    const occasions = Array.from({ length: count }, (_, at) => new TestOccasion(`${name} ${psuId} ${at}`));
    // One after the other: the steps of the password take places too, and give them back.
    for (const [at, occasion] of occasions.entries()) {
      await authentication(at).show(ctx, occasion);
      await authentication(at).answer(
        ctx,
        occasion,
        new URLSearchParams({ username: psuId, password: 'right' }),
      );
    }
    return { events, occasions, authentication };
  }

  it('judge five of 64 wrong codes at once, and block the customer (K5)', async () => {
    const { events, occasions, authentication } = await atCode('psu-guessed', 64);
    await Promise.all(
      occasions.map((occasion, at) => authentication(at).answer(ctx, occasion, answered(1, '000000'))),
    );
    expect(events.filter((event) => event === 'psu.login.refused')).toHaveLength(5);
    expect(events.filter((event) => event === 'psu.login.blocked')).toHaveLength(59);
    const [occasion] = occasions;
    if (occasion !== undefined) await authentication(1).answer(ctx, occasion, answered(1, generated()));
    expect(occasions.filter(({ outcome }) => outcome === 'finished')).toHaveLength(0);
  });

  it('accept one code once, of five that come at once for five requests (K4)', async () => {
    const { occasions, authentication } = await atCode('psu-right', 5);
    const code = generated();
    await Promise.all(
      occasions.map((occasion, at) => authentication(at).answer(ctx, occasion, answered(1, code))),
    );
    expect(occasions.filter(({ outcome }) => outcome === 'finished')).toHaveLength(1);
  });

  it('end what was begun for another request, at each step (K3)', async () => {
    const { events, occasions, authentication } = await atCode('psu-changed', 1);
    const atPassword = new TestOccasion(`${name} at password`, true);
    await authentication(1).show(ctx, atPassword);
    for (const occasion of [...occasions, atPassword]) {
      occasion.linkHash = 'of-the-second-request';
      await authentication(0).answer(ctx, occasion, answered(1, generated()));
      expect(occasion.outcome).toBe('changed');
    }
    expect(events).toEqual([]);
  });

  it('keep the first answer of the app, of many at once, and use it once (K4)', async () => {
    const all = stores.all.map((store) => new AppConfirmations({ store, clock, secret }));
    const [one] = all;
    if (one === undefined) throw new Error('there is no store');
    const { confirmationId } = await one.open({
      psuId: 'psu-app',
      scopes: [],
      details: [],
      payments: [],
      linkHash: 'link',
      uiLocales: [],
      comparison: '42',
      expiresAt: new Date(clock.now().getTime() + 60_000),
    });
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, at) => {
        const confirmations = all[at % all.length] ?? one;
        return at % 3 === 0
          ? confirmations.reject(confirmationId)
          : confirmations.confirm(confirmationId, { linkHash: 'link', amr: ['hwk', 'pin'] });
      }),
    );
    expect(new Set(answers).size).toBe(1);
    const uses = await Promise.all(all.map((confirmations) => confirmations.use(confirmationId)));
    expect(uses.filter(Boolean)).toHaveLength(1);
    expect(await one.waitingFor('psu-app')).toEqual([]);
  });
});
