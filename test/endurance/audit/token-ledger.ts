import { setTimeout as sleep } from 'node:timers/promises';
import type { Bank, BankProcess } from '../../durability/bank.ts';
import { type Answer, Tpp } from '../../durability/tpp.ts';

const LOOPS = 6;
const PAUSE_MILLISECONDS = 20;

/** A client over mTLS that takes tokens all the time, and keeps which request gave it each of them. */
export class TokenLedger {
  /** The `x-request-id` of each answer with a token. */
  readonly held: string[] = [];
  readonly counts = { unavailable: 0, broken: 0 };
  /** Answers that should not have been. */
  readonly faults: string[] = [];
  readonly #tpp: Tpp;
  readonly #servers: () => readonly BankProcess[];
  #loops: Promise<void>[] = [];
  #isOver = false;
  #next = 0;

  constructor(bank: Bank, servers: () => readonly BankProcess[]) {
    this.#tpp = new Tpp(bank);
    this.#servers = servers;
  }

  start(): void {
    this.#loops = Array.from({ length: LOOPS }, async (_, loop) => {
      while (!this.#isOver) await this.#round(loop === 0);
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    this.#tpp.close();
  }

  /** Milliseconds until each server has given a token again. */
  async recovery(): Promise<number> {
    const from = performance.now();
    for (const server of this.#servers()) {
      while ((await this.#asked(() => this.#tpp.clientCredentials(server))) !== 200) await sleep(20);
    }
    return performance.now() - from;
  }

  async #round(isFlow: boolean): Promise<void> {
    const servers = this.#servers();
    this.#next += 1;
    const server = servers[this.#next % servers.length];
    if (server === undefined) return;
    const status = await this.#asked(async () =>
      isFlow ? this.#tpp.exchange(server, await this.#tpp.code(server)) : this.#tpp.clientCredentials(server),
    );
    await sleep(status === 200 ? PAUSE_MILLISECONDS : PAUSE_MILLISECONDS * 5);
  }

  /** The status, or undefined where no answer came. */
  async #asked(ask: () => Promise<Answer>): Promise<number | undefined> {
    let answer: Answer;
    try {
      answer = await ask();
    } catch {
      this.counts.broken += 1;
      return undefined;
    }
    const { status, headers, json } = answer;
    const hasToken = 'access_token' in json || 'refresh_token' in json;
    if (hasToken) this.held.push(String(headers['x-request-id']));
    if (status === 503 && headers['retry-after'] !== undefined) this.counts.unavailable += 1;
    else if (status !== 200) this.faults.push(`${status} ${JSON.stringify(json)}`);
    if (hasToken !== (status === 200)) this.faults.push(`${status}, with a token: ${hasToken}`);
    return status;
  }
}
