import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisSettings } from '../../src/storage/redis/redis-settings.ts';
import type { Store } from '../../src/storage/store.ts';
import { type Racers, startRacers } from '../storage/redis/racers.ts';
import { codeOf, inSeconds, openStore } from '../storage/redis/redis-contract.ts';

/** What happened under load, and what was acknowledged, to hold against the store after each failover. */
export interface FailoverLedger {
  /** Rounds of 16 attempts in two processes to consume one code, and to put one jti. */
  readonly counts: { rounds: number; won: number; refused: number; revoked: number };
  /** Codes of refusals other than the one that is allowed, codes won twice, revocations undone. */
  readonly faults: string[];
  /** Tries a second time what was decided since the last time, and some of what was decided before. */
  verify(): Promise<void>;
  /** Milliseconds until two operations in a row are done again. */
  recovery(): Promise<number>;
  stop(): Promise<void>;
}

const LOOPS = 4;
const ATTEMPTS = 8;
/** Of the rounds that were verified after an earlier failover. */
const SAMPLE = 500;
const UNAVAILABLE = 'ERR_STORAGE_UNAVAILABLE';

/** Puts load on the store from this process and two others until it is stopped. */
export async function startFailoverLedger(settings: RedisSettings): Promise<FailoverLedger> {
  const [store, racers] = await Promise.all([openStore(settings), startRacers(settings)]);
  const ledger = new Ledger(store, racers);
  let isOver = false;
  const loops = Array.from({ length: LOOPS }, async () => {
    while (!isOver) await ledger.round();
  });
  return {
    counts: ledger.counts,
    faults: ledger.faults,
    verify: () => ledger.verify(),
    async recovery() {
      const from = performance.now();
      for (let done = 0; done < 2; ) {
        done = (await store.isHealthy()) ? done + 1 : 0;
        if (done === 0) await sleep(20);
      }
      return performance.now() - from;
    },
    async stop() {
      isOver = true;
      await Promise.all(loops);
      await racers.close();
      await store.close();
    },
  };
}

class Ledger {
  readonly counts = { rounds: 0, won: 0, refused: 0, revoked: 0 };
  readonly faults: string[] = [];
  readonly #wins = new Map<string, number>();
  readonly #revoked = new Set<number>();
  readonly #store: Store;
  readonly #racers: Racers;
  #next = 0;
  #verified = 0;

  constructor(store: Store, racers: Racers) {
    this.#store = store;
    this.#racers = racers;
  }

  async round(): Promise<void> {
    const round = this.#next;
    this.#next += 1;
    const code = { value: round, expiresAt: inSeconds(7200), indexes: { grantId: `g${round}` } };
    const puts = await Promise.all([
      this.#acknowledged(this.#store.put('Code', `c${round}`, code)),
      this.#acknowledged(this.#store.put('Token', `t${round}`, code)),
    ]);
    await this.#race(round);
    if (await this.#acknowledged(this.#revoke(round))) {
      this.counts.revoked += 1;
      this.#revoked.add(round);
    }
    this.counts.rounds += 1;
    await sleep(puts.includes(false) ? 50 : 10);
  }

  /** Nothing may be won that was won, and nothing revoked may be there or be written. */
  async verify(): Promise<void> {
    const [from, to] = [this.#verified, this.#next];
    this.#verified = to;
    const earlier = Array.from({ length: Math.min(from, SAMPLE) }, () => Math.trunc(Math.random() * from));
    const rounds = [...new Set([...earlier, ...Array.from({ length: to - from }, (_, at) => from + at)])];
    for (let at = 0; at < rounds.length; at += 16) {
      await Promise.all(
        rounds.slice(at, at + 16).map(async (round) => {
          if (this.#revoked.has(round)) await this.#stillRevoked(round);
          await this.#race(round);
        }),
      );
    }
  }

  #revoke(round: number): Promise<unknown> {
    return Promise.all([
      this.#store.deleteByIndex('Token', 'grantId', `g${round}`, inSeconds(7200)),
      this.#store.setBit('token-status-0', round, inSeconds(7200)),
    ]);
  }

  async #stillRevoked(round: number): Promise<void> {
    const token = { value: 'late', expiresAt: inSeconds(7200), indexes: { grantId: `g${round}` } };
    const [late, status, found] = await Promise.all([
      codeOf(this.#store.put('Token', `late${round}`, token)),
      this.#store.hasBit('token-status-0', round),
      this.#store.find('Token', `t${round}`),
    ]).catch(() => [UNAVAILABLE, 'unknown', undefined] as const);
    if (late === undefined || status === false || found !== undefined) {
      this.faults.push(
        `revocation ${round} is undone: ${late} ${JSON.stringify(status)} ${JSON.stringify(found)}`,
      );
    }
  }

  async #race(round: number): Promise<void> {
    const { consume, putIfAbsent } = await this.#racers.race(round, ATTEMPTS);
    this.counts.refused += consume.refused + putIfAbsent.refused;
    for (const [id, { won }] of [
      [`c${round}`, consume],
      [`j${round}`, putIfAbsent],
    ] as const) {
      if (won === 0) continue;
      this.counts.won += won;
      const wins = (this.#wins.get(id) ?? 0) + won;
      this.#wins.set(id, wins);
      if (wins > 1) this.faults.push(`${id} was won ${wins} times`);
    }
  }

  async #acknowledged(work: Promise<unknown>): Promise<boolean> {
    const code = await codeOf(work);
    if (code !== undefined) this.counts.refused += 1;
    if (code !== undefined && code !== UNAVAILABLE) this.faults.push(code);
    return code === undefined;
  }
}
