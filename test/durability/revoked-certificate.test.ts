import { afterAll, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { revokeInSandbox } from '../../src/sandbox/revocation/revoke.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';
import { type Bank, type BankProcess, freePorts, openBank } from './bank.ts';
import { Tpp } from './tpp.ts';

/** Long before the second process asks anew by itself: half-way through an answer of a minute. */
const POLL = { timeout: 10_000, interval: 100 };

let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

/** A trust profile that asks anew every so often. */
async function askingEvery(bank: Bank, refreshSeconds: number): Promise<object> {
  const { trust } = bank.configuration(await freePorts()) as {
    readonly trust: readonly { readonly revocation: object }[];
  };
  return { trust: trust.map((one) => ({ ...one, revocation: { ...one.revocation, refreshSeconds } })) };
}

/** A busy machine may not have the first answer about a certificate in the time of a request: then it is asked again. */
async function tokenOf(tpp: Tpp, at: BankProcess): Promise<unknown> {
  return vi.waitUntil(async () => (await tpp.clientCredentials(at)).json.access_token, POLL);
}

describe.each([
  ['SQLite', true, async () => undefined],
  [
    'Redis',
    hasRedis,
    async () => {
      redis = await startRedis();
      return { redis: { url: `redis://127.0.0.1:${redis.port}` } };
    },
  ],
] as [string, boolean, () => Promise<object | undefined>][])(
  'two processes on %s',
  (_name, isThere, storageOf) => {
    it.skipIf(!isThere)(
      'one sees a certificate revoked: lists of the other end its tokens, and the other asks anew at once (F3)',
      async () => {
        const bank = await openBank(await storageOf());
        const [revoked, other] = [new Tpp(bank, 'money-two'), new Tpp(bank)];
        try {
          const seeing = await bank.start(await askingEvery(bank, 1));
          const unaware = await bank.start(await askingEvery(bank, 600));
          // Both processes know the certificate as good, and keep the answer.
          await tokenOf(revoked, seeing);
          await tokenOf(other, unaware);
          const [token, others] = [await tokenOf(revoked, unaware), await tokenOf(other, seeing)];
          expect(await revoked.isLive(unaware, token)).toBe(true);
          await revokeInSandbox(bank.folder, {
            target: { tpp: 'money-two' },
            at: systemClock.now(),
            reason: 'keyCompromise',
          });
          await expect.poll(() => revoked.isLive(unaware, token), POLL).toBe(false);
          const code = async () =>
            String((await revoked.clientCredentials(unaware)).json.error_description).split(':')[0];
          await expect.poll(code, POLL).toMatch(/^ERR_CERT_REVOKED/);
          expect(await other.isLive(unaware, others)).toBe(true);
          expect((await other.clientCredentials(unaware)).status).toBe(200);
        } finally {
          for (const tpp of [revoked, other]) tpp.close();
          await bank.close();
        }
      },
      60_000,
    );
  },
);
