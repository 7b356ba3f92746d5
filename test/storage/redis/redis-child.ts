import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openRedisStore } from '../../../src/storage/redis/redis.ts';
import type { RacersMessage, RacersReport } from './racers.ts';

// Another process on the same Redis: in each round it races for what may happen once.
const [, , settings = '{}'] = process.argv;
const store = await openRedisStore({ settings: JSON.parse(settings), clock: systemClock, log: silentLog });
const inAnHour = () => new Date(systemClock.now().getTime() + 3_600_000);

async function raced(attempts: readonly Promise<boolean>[]): Promise<{ won: number; refused: number }> {
  let [won, refused] = [0, 0];
  for (const { status, ...settled } of await Promise.allSettled(attempts)) {
    if (status === 'fulfilled') won += 'value' in settled && settled.value ? 1 : 0;
    else if ('reason' in settled && isRefusal(settled.reason, 'ERR_STORAGE_UNAVAILABLE')) refused += 1;
    else throw 'reason' in settled ? settled.reason : new Error('unreachable');
  }
  return { won, refused };
}

process.on('message', (message: RacersMessage) => {
  const { round, parallel } = message;
  const many = (attempt: () => Promise<boolean>) => raced(Array.from({ length: parallel }, attempt));
  void Promise.all([
    many(() => store.consume('Code', `c${round}`)),
    many(() => store.putIfAbsent('Replay', `j${round}`, { value: null, expiresAt: inAnHour() })),
  ]).then(([consume, putIfAbsent]) => {
    process.send?.({ round, consume, putIfAbsent } satisfies RacersReport);
  });
});
process.on('disconnect', () => void store.close().then(() => process.exit(0)));
process.send?.('ready');
