import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Bank } from '../../durability/bank.ts';
import type { RedisCluster } from '../../storage/redis/redis-groups.ts';
import type { JourneyBurst, JourneyTally } from '../journeys/walker.ts';
import { type Contender, cpuSecondsOf, startGenerator, tppOf } from '../tokens/contenders.ts';
import type { Burst, Tally } from '../tokens/generator.ts';
import { between, type NodeWork, scaled, type Servers, workOf } from './cluster-site.ts';

/** One kind of work, and what it cost servers and Redis. */
export interface Burden {
  readonly count: number;
  /** Refused since Redis was too slow. */
  readonly refused: number;
  readonly seconds: number;
  /** Of all servers. */
  readonly serverCpuSeconds: number;
  readonly redis: NodeWork;
}

/** The servers that take part, and the one whose tokens each of them is asked about. */
export type Spread = readonly { readonly to: Contender; readonly tokensOf: Contender }[];

/** Of each server: fewer requests at a time would make each of them dearer. */
const CONNECTIONS = 16;
const CUSTOMERS_AT_ONCE = 6;
const MOST_SECONDS = 30;

/** The load of a Cluster's servers: TPPs in three processes, customers in three more. */
export class ClusterLoad {
  readonly #bank: Bank;
  readonly #cluster: RedisCluster;
  readonly #generators;
  readonly #walkers;
  readonly #tokens = new Map<Contender, string[]>();
  #customers = 1000;
  #atRest: NodeWork = { cpuSeconds: [], commands: [] };

  constructor(bank: Bank, cluster: RedisCluster, servers: Servers) {
    this.#bank = bank;
    this.#cluster = cluster;
    const walker = fileURLToPath(new URL('../journeys/walker.ts', import.meta.url));
    this.#generators = servers.map(() => startGenerator(bank));
    this.#walkers = servers.map(() => fork(walker, { execPath: process.execPath, execArgv: [] }));
  }

  /** So many tokens of each server, the last of which are kept for `introspections`. */
  issue(spread: Spread, count: number): Promise<Burden> {
    const form = this.#form({ grant_type: 'client_credentials', scope: 'accounts' });
    return this.#burden(spread, async ({ to }, at) => {
      const tally = await this.#burst(to, at, { bodies: Array(count).fill(form), keepsAnswers: true });
      const tokens = tally.answers.flatMap((answer) => (JSON.parse(answer) as Answer).access_token ?? []);
      this.#tokens.set(to, tokens);
      return tally;
    });
  }

  introspections(spread: Spread, count: number): Promise<Burden> {
    return this.#burden(spread, ({ to, tokensOf }, at) => {
      const forms = this.#formsOf(tokensOf);
      const bodies = Array.from({ length: count }, (_, number) => forms[number % forms.length] ?? '');
      return this.#burst(to, at, { path: '/introspect', bodies });
    });
  }

  /** Each token once, which is made before. */
  async revocations(spread: Spread, count: number): Promise<Burden> {
    await this.issue(
      spread.map(({ tokensOf }) => ({ to: tokensOf, tokensOf })),
      count,
    );
    return this.#burden(spread, ({ to, tokensOf }, at) => {
      const bodies = this.#formsOf(tokensOf);
      this.#tokens.delete(tokensOf);
      return this.#burst(to, at, { path: '/revoke', bodies });
    });
  }

  journeys(spread: Spread, seconds: number): Promise<Burden> {
    return this.#burden(spread, async ({ to }, at) => {
      const walker = this.#walkers[at];
      if (walker === undefined) throw new Error('no walker');
      this.#customers += 1_000_000;
      const answer = once(walker, 'message');
      walker.send({
        ...{ description: this.#bank.description, ports: to.ports, seconds, way: 'strong' },
        ...{ firstCustomer: this.#customers, atOnce: CUSTOMERS_AT_ONCE },
      } satisfies JourneyBurst);
      const [{ count, errors }] = (await answer) as [JourneyTally];
      if (errors.length > 0) throw new Error(errors.join('; '));
      return { count, errors: 0 };
    });
  }

  /** A second of servers and Redis without a request, of which `redis` of every burden is free. */
  async rest(seconds: number): Promise<NodeWork> {
    const before = await workOf(this.#cluster);
    await sleep(seconds * 1000);
    this.#atRest = scaled(between(before, await workOf(this.#cluster)), 1 / seconds);
    return this.#atRest;
  }

  close(): void {
    for (const generator of this.#generators) generator.close();
    for (const walker of this.#walkers) walker.kill();
  }

  #form(fields: Readonly<Record<string, string>>): string {
    const { client_id } = tppOf(this.#bank).clients.tls_client_auth;
    return new URLSearchParams({ client_id, ...fields }).toString();
  }

  #formsOf(server: Contender): string[] {
    return (this.#tokens.get(server) ?? []).map((token) => this.#form({ token }));
  }

  async #burst(to: Contender, at: number, more: Partial<Burst>): Promise<Tally> {
    const generator = this.#generators[at];
    if (generator === undefined) throw new Error('no generator');
    const sent = { connections: CONNECTIONS, isOnce: true, ...more };
    const tally = await generator.burst(to, MOST_SECONDS, sent);
    const { errors, firstError = '' } = tally;
    if (errors > 0 && !firstError.includes('ERR_STORAGE_UNAVAILABLE'))
      throw new Error(`${errors} requests failed: ${firstError}`);
    return tally;
  }

  async #burden(
    spread: Spread,
    send: (one: Spread[number], at: number) => Promise<Pick<Tally, 'count' | 'errors'>>,
  ): Promise<Burden> {
    const cpu = () => spread.reduce((sum, { to }) => sum + cpuSecondsOf(to), 0);
    const [work, used, from] = [await workOf(this.#cluster), cpu(), performance.now()];
    const tallies = await Promise.all(spread.map(send));
    const seconds = (performance.now() - from) / 1000;
    const serverCpuSeconds = cpu() - used;
    const redis = between(scaled(this.#atRest, seconds), between(work, await workOf(this.#cluster)));
    return {
      ...{ seconds, serverCpuSeconds, redis },
      count: tallies.reduce((sum, { count }) => sum + count, 0),
      refused: tallies.reduce((sum, { errors }) => sum + errors, 0),
    };
  }
}

interface Answer {
  readonly access_token?: string;
}
