import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBalancer } from './balancer.ts';
import { type Bank, type BankProcess, freePorts, isReady, openBank } from './bank.ts';
import { Tpp } from './tpp.ts';

let bank: Bank;
let tpp: Tpp;
beforeAll(async () => {
  bank = await openBank();
  tpp = new Tpp(bank);
});
afterAll(async () => {
  tpp.close();
  await bank.close();
});

const notice = (noticeSeconds: number) => ({ shutdown: { noticeSeconds } });

describe('a server that is told to stop', () => {
  it('is not ready, serves during the notice, ends what is in flight, and then its connections (M15)', async () => {
    const server = await bank.start(notice(3));
    expect((await tpp.clientCredentials(server)).headers.connection).toBe('keep-alive');
    const code = await tpp.code(server);
    server.command({ at: 4, when: 'after', what: 'park' });
    const parked = server.report((report) =>
      typeof report === 'object' && 'parkedAt' in report ? report.parkedAt : undefined,
    );
    const inFlight = tpp.exchange(server, code);
    await parked;
    server.child.kill('SIGTERM');
    await expect.poll(() => isReady(server)).toBe(false);
    const during = await tpp.clientCredentials(server);
    expect([during.status, during.headers.connection]).toEqual([200, 'close']);
    // The notice is over: nobody new is let in, and what is in flight is still waited for.
    const later = new Tpp(bank);
    const ask = () => later.clientCredentials(server).catch(({ code }) => code);
    await expect.poll(ask, { timeout: 20_000 }).toBe('ECONNREFUSED');
    expect(server.child.exitCode).toBe(null);
    server.command('release');
    const answer = await inFlight;
    expect([answer.status, answer.headers.connection]).toEqual([200, 'close']);
    await server.exited;
    expect(server.child.exitCode).toBe(0);
    const again = await server.again();
    expect((await tpp.refresh(again, answer.json.refresh_token)).status).toBe(200);
    await again.kill();
  }, 120_000);

  it('cuts what does not end in time', async () => {
    const server = await bank.start({ shutdown: { noticeSeconds: 0, drainSeconds: 1 } });
    server.command({ at: 1, when: 'before', what: 'park' });
    const hanging = tpp.pushed(server).catch(({ code }) => code);
    await server.report((report) =>
      typeof report === 'object' && 'parkedAt' in report ? report.parkedAt : undefined,
    );
    const stoppedAt = performance.now();
    await server.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(10_000);
    expect(await hanging).toBe('ECONNRESET');
  }, 60_000);

  it('is replaced, and so is its twin, under load and without one error (R14)', async () => {
    const [front, mtls] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
      Number(new URL(url).port),
    );
    const instances: BankProcess[] = [
      await bank.start(notice(0.5), await freePorts()),
      await bank.start(notice(0.5), await freePorts()),
    ];
    const balancer = await startBalancer(mtls ?? 0, instances);
    const through = { ports: { front: front ?? 0, mtls: mtls ?? 0, health: 0 } };
    let isOver = false;
    let served = 0;
    const wrong: string[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      const client = new Tpp(bank);
      while (!isOver) {
        const status = await client.clientCredentials(through).then(
          (answer) => String(answer.status),
          (error: Error) => error.message,
        );
        served += 1;
        if (status !== '200') wrong.push(status);
        // The server that starts needs the machine too.
        await sleep(5);
      }
      client.close();
    });
    for (let at = 0; at < instances.length; at += 1) {
      const before = served;
      await instances[at]?.stop();
      const again = await instances[at]?.again();
      if (again !== undefined) instances[at] = again;
      await expect.poll(() => balancer.readyCount, { timeout: 10_000 }).toBe(2);
      expect(served).toBeGreaterThan(before);
    }
    await sleep(300);
    isOver = true;
    await Promise.all(clients);
    balancer.close();
    expect(wrong).toEqual([]);
    expect(served).toBeGreaterThan(50);
  }, 120_000);
});
