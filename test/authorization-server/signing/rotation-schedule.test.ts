import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { RotationSchedule } from '../../../src/authorization-server/signing/rotation-schedule.ts';
import { openSigningKeys } from '../../../src/authorization-server/signing/signing-keys.ts';
import { type EventName, logTo, silentLog } from '../../../src/events.ts';
import { openStore } from '../../../src/server/opened-store.ts';
import { TestClock } from '../../storage/store-contract.ts';

it('rotates by one process of many, when the newest key has signed for so many days', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-schedule-'));
  const clock = new TestClock();
  const events: EventName[] = [];
  const log = logTo((name) => void events.push(name));
  const file = join(folder, 'keys.json');
  const store = await openStore(
    { file: join(folder, 'store.sqlite'), secretFile: join(folder, 'secret') },
    { clock, log: silentLog },
  );
  const rings = await Promise.all(
    [0, 1, 2].map(() =>
      openSigningKeys({ file, clock, log: silentLog, retainSeconds: 900, pollSeconds: 0.05 }),
    ),
  );
  const schedules = rings.map(
    (keys) => new RotationSchedule({ keys, store, rotateDays: 30, clock, log, lookSeconds: 0.02 }),
  );
  onTestFinished(async () => {
    await Promise.all([...schedules, ...rings].map((one) => one.close()));
    await store.close();
    await rm(folder, { recursive: true });
  });
  const rotated = () => events.filter((name) => name === 'signing-keys.rotated').length;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 300));
  clock.forward(29 * 86_400);
  await pause();
  expect(rotated()).toBe(0);
  clock.forward(86_400);
  await expect.poll(rotated).toBe(1);
  await pause();
  expect(rotated()).toBe(1);
  // All of them publish the new keys, and sign with the old ones still.
  await expect.poll(() => rings.map(({ keys }) => keys.length)).toEqual([4, 4, 4]);
  const [first] = rings[0]?.keys ?? [];
  clock.forward(600);
  expect(rings[1]?.keys[0]?.kid).not.toBe(first?.kid);
  expect(events).not.toContain('signing-keys.not_rotated');
});
