import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { parseConfig } from '../../src/configuration/config.ts';
import { silentLog } from '../../src/events.ts';
import { demoAspsp } from '../../src/sandbox/bank/customers.ts';
import { startServer } from '../../src/server/server.ts';
import { type Bank, freePorts, openBank } from '../durability/bank.ts';

let bank: Bank;
beforeAll(async () => {
  bank = await openBank();
});
afterAll(() => bank.close());

describe('a server whose own certificate expires', () => {
  it('is no longer ready, so that a balancer turns to another one (C17)', async () => {
    let now = systemClock.now();
    const more = { shutdown: { noticeSeconds: 0 } };
    const config = parseConfig(bank.configuration(await freePorts(), more), {
      source: 'x',
      folder: bank.folder,
    });
    const clock = { now: () => now };
    const server = await startServer(config, {
      aspsp: demoAspsp(),
      log: silentLog,
      clock,
    });
    expect(await server.isReady()).toBe(true);
    now = new Date('2100-01-01');
    expect(await server.isReady()).toBe(false);
    await server.close();
  }, 60_000);
});
