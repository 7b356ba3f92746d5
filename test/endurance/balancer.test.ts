import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { NO_STREAM, startStreamNginx } from '../deploy/stream-nginx.ts';
import { type Bank, type BankProcess, freePorts, openBank, restarted } from '../durability/bank.ts';
import { Tpp } from '../durability/tpp.ts';
import { SENTINEL_NAME, startSentinelGroup } from '../storage/redis/redis-groups.ts';
import { hasRedis } from '../storage/redis/redis-servers.ts';

const LOOPS = 8;
const QUIET_MILLISECONDS = 2000;

interface Counts {
  issued: number;
  unavailable: number;
  broken: number;
  readonly other: string[];
}

/** Tokens in some loops, on connections that are kept, by a client that tries again after each failure. */
class TokenTraffic {
  counts: Counts = emptyCounts();
  readonly #tpp: Tpp;
  readonly #to: Pick<BankProcess, 'ports'>;
  #isOver = false;
  readonly #loops: Promise<unknown>;

  constructor(bank: Bank, to: Pick<BankProcess, 'ports'>) {
    this.#tpp = new Tpp(bank);
    this.#to = to;
    this.#loops = Promise.all(Array.from({ length: LOOPS }, () => this.#loop()));
  }

  /** The counts since the last time. */
  take(): Counts {
    const { counts } = this;
    this.counts = emptyCounts();
    return counts;
  }

  /** Waits until tokens are issued again, and for a while more. */
  async goesOn(): Promise<Counts> {
    const { issued } = this.counts;
    while (this.counts.issued <= issued + LOOPS) await sleep(20);
    await sleep(QUIET_MILLISECONDS);
    return this.take();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#loops;
    this.#tpp.close();
  }

  async #loop(): Promise<void> {
    while (!this.#isOver) {
      const answer = await this.#tpp.clientCredentials(this.#to).catch((error: unknown) => error);
      if (answer instanceof Error) this.counts.broken += 1;
      else this.#note(answer as { readonly status: number; readonly text: string });
    }
  }

  #note({ status, text }: { readonly status: number; readonly text: string }): void {
    if (status === 200) this.counts.issued += 1;
    else if (status === 503) this.counts.unavailable += 1;
    else this.counts.other.push(`${status} ${text}`);
  }
}

function emptyCounts(): Counts {
  return { issued: 0, unavailable: 0, broken: 0, other: [] };
}

describe.skipIf(!hasRedis || NO_STREAM !== undefined)(
  'two servers behind the nginx of the profile ha',
  () => {
    it('issue tokens while one stops, one is killed and the primary of Redis dies', async () => {
      const redis = await startSentinelGroup();
      const storage = {
        redis: {
          sentinels: redis.addresses,
          sentinelName: SENTINEL_NAME,
          waitReplicas: 1,
          waitTimeoutMilliseconds: 400,
        },
      };
      const bank = await openBank(storage);
      const more = { shutdown: { noticeSeconds: 1, drainSeconds: 10 } };
      const at = [await freePorts(), await freePorts()] as const;
      let [one, two] = await Promise.all(at.map((ports) => bank.start(more, ports)));
      if (one === undefined || two === undefined) throw new Error('no servers');
      const nginx = await startStreamNginx(at);
      const to = { ports: { ...nginx.ports, health: 0 } };
      const tpp = new Tpp(bank);
      // Before the traffic: the pages and the exchange of the code, each over a connection of its own choice.
      const { status, json } = await tpp.exchange(to, await tpp.code(to));
      expect([status, typeof json.refresh_token]).toEqual([200, 'string']);

      const traffic = new TokenTraffic(bank, to);
      const quiet = await traffic.goesOn();
      const said = [['undisturbed', quiet]] as [string, Counts][];
      const stopping = one.stop();
      await stopping;
      said.push(['one server stopped (SIGTERM)', await traffic.goesOn()]);
      one = await restarted(one);
      traffic.take();
      await two.kill();
      said.push(['the other killed (SIGKILL)', await traffic.goesOn()]);
      two = await restarted(two);
      traffic.take();
      await redis.failOver();
      said.push(['the primary of Redis killed', await traffic.goesOn()]);
      await traffic.stop();
      expect((await tpp.refresh(to, json.refresh_token)).status).toBe(200);
      tpp.close();

      for (const [what, counts] of said) console.info(`${what}: ${JSON.stringify(counts)}`);
      expect(said.flatMap(([, { other }]) => other)).toEqual([]);
      expect(said.every(([, { issued }]) => issued > 0)).toBe(true);
      const [undisturbed, stopped, killed] = said.map(([, counts]) => counts);
      expect(undisturbed).toMatchObject({ unavailable: 0, broken: 0 });
      expect(stopped).toMatchObject({ unavailable: 0, broken: 0 });
      // The requests that were in flight at the killed server; no new connection reaches it.
      expect(killed?.unavailable).toBe(0);
      expect(killed?.broken).toBeLessThanOrEqual(LOOPS);
      const upstreams = new Set([...nginx.log().matchAll(/127\.0\.0\.1:\d+$/gm)].map(([address]) => address));
      expect(upstreams.size).toBeGreaterThanOrEqual(2);
      await nginx.close();
      await bank.close();
      await redis.close();
    }, 300_000);
  },
);
