import { setTimeout as sleep } from 'node:timers/promises';
import { type Bank, type BankProcess, isReady } from './bank.ts';
import {
  isExpectedAtRegistration,
  REGISTRATION,
  RegistrationTraffic,
} from './registrations/registration-traffic.ts';
import { type Answer, type Code, type Seen, Tpp } from './tpp.ts';

/** Traffic over mTLS and through the pages, and what its answers promised, to hold against the server later. */
export interface FailoverTraffic {
  readonly counts: Readonly<Record<'answers' | 'unavailable' | 'redeemed' | 'revoked', number>>;
  /** Clients that registered, changed, were deleted. */
  readonly registrations: Pick<RegistrationTraffic, 'counts'>;
  /** Answers that should not have been, codes redeemed twice, revocations undone, tokens lost. */
  readonly faults: readonly string[];
  /** The longest that an answer took. */
  readonly slowestMilliseconds: number;
  /** Milliseconds until both processes are ready and take a request that writes. */
  recovery(): Promise<number>;
  /** Tries again what was redeemed and revoked since the last time, and some of what was before. */
  verify(): Promise<void>;
  stop(): Promise<void>;
}

/** Issue 4, and a second for a test machine that does other things too. */
const ANSWER_MILLISECONDS = 2000 + 1000;
/** More logins of one customer at once are taken for guessing. */
const FLOWS = 4;
const SAMPLE = 30;

/** Two processes and those who use them, until `stop`. */
export async function startFailoverTraffic(bank: Bank): Promise<FailoverTraffic> {
  const processes = [await bank.start(REGISTRATION), await bank.start(REGISTRATION)] as const;
  const traffic = new Traffic(bank, processes);
  let isOver = false;
  const repeat = async (work: (round: number) => Promise<void>) => {
    for (let round = 0; !isOver; round += 1) await traffic.attempt(() => work(round));
  };
  const loops = [
    ...Array.from({ length: FLOWS }, () => repeat((round) => traffic.flow(round))),
    repeat((round) => traffic.accessToken(round)),
    repeat((round) => traffic.registrations.round(round)),
  ];
  return Object.assign(traffic, {
    stop: async () => {
      isOver = true;
      await Promise.all(loops);
      traffic.close();
    },
  });
}

/** A code that several have tried at once. */
interface RacedCode {
  readonly code: Code;
  wins: number;
}

class Traffic {
  readonly counts = { answers: 0, unavailable: 0, redeemed: 0, revoked: 0 };
  readonly faults: string[] = [];
  slowestMilliseconds = 0;
  readonly registrations: RegistrationTraffic;
  readonly #processes: readonly [BankProcess, BankProcess];
  readonly #tpp: Tpp;
  readonly #registering: Tpp;
  readonly #raced: RacedCode[] = [];
  readonly #alive: string[] = [];
  readonly #revokedRefresh: string[] = [];
  readonly #revokedAccess: string[] = [];
  readonly #verified = new WeakMap<readonly unknown[], number>();

  constructor(bank: Bank, processes: readonly [BankProcess, BankProcess]) {
    this.#processes = processes;
    this.#tpp = new Tpp(bank, 'money-one', (seen) => this.#note(seen, isExpected));
    this.#registering = new Tpp(bank, 'money-one', (seen) => this.#note(seen, isExpectedAtRegistration));
    const { faults } = this;
    this.registrations = new RegistrationTraffic({ tpp: this.#registering, processes, faults });
  }

  close(): void {
    this.#tpp.close();
    this.#registering.close();
  }

  /** A flow may end at any answer that says that it cannot be had now. */
  async attempt(work: () => Promise<void>): Promise<void> {
    const before = this.counts.unavailable;
    try {
      await work();
    } catch (error) {
      if (this.counts.unavailable === before) this.faults.push(`a flow broke off: ${error}`);
      await sleep(50);
    }
  }

  async flow(round: number): Promise<void> {
    const [one, two] = this.#sides(round);
    const code = await this.#tpp.code(one);
    if (round % 3 === 0) await this.#race(code);
    else await this.#use(code, { one, two, isToBeRevoked: round % 3 === 1 });
  }

  async accessToken(round: number): Promise<void> {
    const [one, two] = this.#sides(round);
    const { status, json } = await this.#tpp.clientCredentials(one);
    if (status === 200 && (await this.#tpp.revoke(two, json.access_token)).status === 200) {
      this.#isRevoked(this.#revokedAccess, json.access_token);
    }
    await sleep(20);
  }

  async recovery(): Promise<number> {
    const from = performance.now();
    const isBack = async (to: BankProcess) =>
      (await isReady(to)) &&
      (await this.#tpp.pushed(to).then(
        () => true,
        () => false,
      ));
    while ((await Promise.all(this.#processes.map(isBack))).includes(false)) await sleep(20);
    return performance.now() - from;
  }

  async verify(): Promise<void> {
    await Promise.all([
      this.registrations.verify(),
      this.#each(this.#raced, (raced, to) => this.#raceAgain(raced, to)),
      this.#each(this.#revokedRefresh, async (token, to) => {
        const { status } = await this.#answered(() => this.#tpp.refresh(to, token));
        if (status !== 400) this.faults.push(`a revoked refresh token: ${status}`);
      }),
      this.#each(this.#alive, async (token, to) => {
        const { status } = await this.#answered(() => this.#tpp.refresh(to, token));
        if (status !== 200) this.faults.push(`a refresh token that was given: ${status}`);
      }),
    ]);
    const revoked = [...this.#revokedAccess];
    // What one process has ended the lists of the other one say half a second later.
    await sleep(500);
    for (const to of this.#processes) {
      const live = (await this.#tpp.areLive(to, revoked)).filter(Boolean).length;
      if (live > 0) this.faults.push(`${live} revoked access tokens live`);
    }
  }

  /** Four at once, in both processes: at most one wins, and nobody is refused unless there was another one. */
  async #race(code: Code): Promise<void> {
    const answers = await Promise.all(
      [...this.#processes, ...this.#processes].map((to) => this.#tpp.exchange(to, code)),
    );
    const wins = answers.filter(({ status }) => status === 200).length;
    this.#raced.push({ code, wins });
    this.counts.redeemed += wins;
    if (wins > 1) this.faults.push(`a code was redeemed ${wins} times at once`);
    if (answers.every(({ status }) => status === 400)) this.faults.push('a code had no winner');
  }

  async #raceAgain(raced: RacedCode, to: BankProcess): Promise<void> {
    const { status } = await this.#answered(() => this.#tpp.exchange(to, raced.code));
    if (status !== 200) return;
    raced.wins += 1;
    if (raced.wins > 1) this.faults.push('a code was redeemed again after a failover');
  }

  async #use(
    code: Code,
    { one, two, isToBeRevoked }: { one: BankProcess; two: BankProcess; isToBeRevoked: boolean },
  ): Promise<void> {
    const first = await this.#tpp.exchange(two, code);
    if (first.status === 503) return;
    this.counts.redeemed += 1;
    const token = first.json.refresh_token;
    const { status } = await this.#tpp.refresh(one, token);
    if (first.status !== 200 || status === 400) this.faults.push(`a new token: ${first.status}, ${status}`);
    if (!isToBeRevoked) this.#alive.push(String(token));
    else if ((await this.#tpp.revoke(two, token)).status === 200) {
      this.#isRevoked(this.#revokedRefresh, token);
      const { access_token: access } = first.json;
      this.#revokedAccess.push(String(access));
    }
  }

  #isRevoked(list: string[], token: unknown): void {
    list.push(String(token));
    this.counts.revoked += 1;
  }

  #sides(round: number): readonly [BankProcess, BankProcess] {
    const [one, two] = this.#processes;
    return round % 2 === 0 ? [one, two] : [two, one];
  }

  #note({ path, answer, milliseconds }: Seen, isGood: (path: string, answer: Answer) => boolean): void {
    this.counts.answers += 1;
    this.slowestMilliseconds = Math.max(this.slowestMilliseconds, milliseconds);
    const where = path.replace(/[?].*$/, '').replace(/(interaction|authorize|register).+/, '$1/…');
    const late = milliseconds > ANSWER_MILLISECONDS ? ` after ${Math.round(milliseconds)} ms` : '';
    if (answer instanceof Error) this.faults.push(`${where}: ${answer.message}${late}`);
    else if (answer.status === 503 && answer.headers['retry-after'] !== undefined) {
      this.counts.unavailable += 1;
      if (late !== '') this.faults.push(`${where}: 503${late}`);
      if (answer.headers.location !== undefined) this.faults.push(`${where}: 503 that leads somewhere`);
    } else if (late !== '' || !isGood(path, answer)) {
      this.faults.push(`${where}: ${answer.status}${late} ${plain(answer.text)}`);
    }
  }

  /** What is new since the last time, and some of what is not. */
  async #each<T>(list: readonly T[], work: (one: T, to: BankProcess) => Promise<void>): Promise<void> {
    const [from, to] = [this.#verified.get(list) ?? 0, list.length];
    this.#verified.set(list, to);
    const sampled = Array.from({ length: Math.min(from, SAMPLE) }, () => Math.trunc(Math.random() * from));
    const places = [...new Set(sampled), ...Array.from({ length: to - from }, (_, at) => from + at)];
    for (const at of places) {
      const one = list[at];
      if (one !== undefined) await work(one, this.#processes[at % 2 === 0 ? 0 : 1]);
    }
  }

  /** The answer, however often it is that it cannot be had now. */
  async #answered(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const answer = await ask();
      if (answer.status !== 503) return answer;
      await sleep(50);
    }
  }
}

/** Whether it is a success, or a refusal of the token endpoint that whoever asked will judge. */
function isExpected(path: string, { status, json }: Answer): boolean {
  if (status === 400) return path === '/token' && json.error === 'invalid_grant';
  return status === 200 || status === 201 || status === 303;
}

/** What a page says, without its tags. */
function plain(text: string): string {
  return text
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300);
}
