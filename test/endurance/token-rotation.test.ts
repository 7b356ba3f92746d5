import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EncryptionKeyFile } from '../../src/authorization-server/signing/encryption-key-file.ts';
import type { Keyring } from '../../src/authorization-server/signing/keyring.ts';
import { Pkcs11Keys } from '../../src/authorization-server/signing/pkcs11/pkcs11-keys.ts';
import { RotationSchedule } from '../../src/authorization-server/signing/rotation-schedule.ts';
import { type EventName, logTo, silentLog } from '../../src/events.ts';
import { openStore } from '../../src/server/opened-store.ts';
import type { Store } from '../../src/storage/store.ts';
import { hasRedis, startRedis } from '../storage/redis/redis-servers.ts';
import { TestClock } from '../storage/store-contract.ts';
import { NO_SOFT_HSM, TestToken } from '../authorization-server/signing/pkcs11/soft-hsm.ts';

const RETAIN = 900;
const DAY = 86_400;
let token: TestToken;
let clock: TestClock;
let events: EventName[];
let opened: { close(): Promise<void> }[];

/** A process of the server, as far as its keys go. */
async function host(store: Store): Promise<Pick<Keyring, 'states' | 'close'>> {
  const { moduleFile, label: tokenLabel, pinFile } = token;
  const log = logTo((name) => void events.push(name));
  const keys = await Pkcs11Keys.open({
    token: { moduleFile, tokenLabel, pinFile, sessions: 2 },
    keyLabel: 'tallystick',
    timeoutMilliseconds: 5000,
    pollSeconds: 0.5,
    retainSeconds: RETAIN,
    encryption: new EncryptionKeyFile({ file: undefined, clock, retainSeconds: RETAIN }),
    clock,
    log,
  });
  if ((await keys.states()).length === 0) await keys.rotate({ delaySeconds: 600 });
  const ring = await keys.follow();
  const schedule = new RotationSchedule({ keys: ring, store, rotateDays: 30, clock, log, lookSeconds: 0.5 });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await schedule.close();
    await ring.close();
  };
  opened.push({ close });
  return { states: ring.states, close };
}

const rotations = () => events.filter((name) => name === 'signing-keys.rotated').length;
const pause = () => new Promise((resolve) => setTimeout(resolve, 1500));
const kidsOf = async (ring: Pick<Keyring, 'states'>, state: string) =>
  (await ring.states()).filter((one) => one.state === state && one.alg === 'ES256').map(({ kid }) => kid);

describe.skipIf(NO_SOFT_HSM !== undefined)('rotation of the keys of a token by a schedule', () => {
  beforeEach(async () => {
    token = await TestToken.create();
    clock = new TestClock();
    events = [];
    opened = [];
  });
  afterEach(async () => {
    for (const one of opened.toReversed()) await one.close();
    await token.remove();
  });

  it.each(['workers on SQLite', ...(hasRedis ? ['two hosts on Redis'] : [])])(
    'makes one new key a period, published before it signs, the old one kept, across a restart (%s, H18)',
    async (where) => {
      const stores = await openStores(where);
      const [store, other = store] = stores;
      if (store === undefined || other === undefined) throw new Error('no store');
      const first = await host(store);
      const second = await host(other);
      const [old = ''] = await kidsOf(first, 'signing');
      clock.forward(29 * DAY);
      await pause();
      expect(rotations()).toBe(0);
      clock.forward(DAY);
      await expect.poll(rotations, { timeout: 10_000 }).toBe(1);
      await pause();
      expect(rotations()).toBe(1);
      expect(await kidsOf(second, 'signing')).toEqual([old]);
      const [next = ''] = await kidsOf(second, 'next');
      // In the middle: one process ends, another begins.
      await first.close();
      const third = await host(store);
      await pause();
      expect(rotations()).toBe(1);
      expect(await kidsOf(third, 'next')).toEqual([next]);
      clock.forward(600);
      for (const ring of [second, third]) {
        expect(await kidsOf(ring, 'signing')).toEqual([next]);
        expect(await kidsOf(ring, 'published')).toContain(old);
      }
      // A process has taken the turn of the next period, and has ended before it made a key.
      const expiresAt = new Date(clock.now().getTime() + (30 * DAY + 1800) * 1000);
      expect(await store.putIfAbsent('SigningKeyRotation', next, { value: {}, expiresAt })).toBe(true);
      clock.forward(30 * DAY);
      await pause();
      expect(rotations()).toBe(1);
      clock.forward(1801);
      await expect.poll(rotations, { timeout: 10_000 }).toBe(2);
      // SoftHSM 2.6 may crash in a process that lists keys while another destroys some: that process is replaced.
      const isBack = async () => (await second.states().catch(() => [])).length > 0;
      await expect.poll(isBack, { timeout: 20_000 }).toBe(true);
      expect((await second.states()).some(({ kid }) => kid === old)).toBe(false);
    },
    120_000,
  );
});

async function openStores(where: string): Promise<readonly Store[]> {
  const parts = { clock, log: silentLog };
  const secretFile = join(token.folder, 'secret');
  if (where.includes('SQLite')) {
    const store = await openStore({ file: join(token.folder, 'store.sqlite'), secretFile }, parts);
    opened.push(store);
    return [store];
  }
  const redis = await startRedis();
  const settings = {
    url: `redis://127.0.0.1:${redis.port}`,
    keyPrefix: 'tallystick',
    waitReplicas: 0,
    waitTimeoutMilliseconds: 400,
    timeoutMilliseconds: 1000,
  };
  opened.push({ close: () => redis.kill() });
  const stores = await Promise.all([0, 1].map(() => openStore({ secretFile, redis: settings }, parts)));
  opened.push(...stores);
  return stores;
}
