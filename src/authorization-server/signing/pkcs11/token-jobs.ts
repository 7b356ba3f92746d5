import { OpenBankingError } from '../../../errors.ts';
import type { FromToken, ToToken, TokenRequest } from './token-messages.ts';

export interface TokenJobOptions {
  /** Requests that are under way at once. */
  readonly sessions: number;
  readonly timeoutMilliseconds: number;
  readonly send: (message: ToToken) => void;
  /** Called when a request is unanswered for so long that its session must be given up. */
  readonly onStuck: () => void;
}

interface Job {
  readonly id: number;
  readonly request: TokenRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly milliseconds: number;
  /** Ends the wait of the caller. */
  limit: NodeJS.Timeout;
  /** Ends the wait for the library. */
  stuck?: NodeJS.Timeout;
  isGivenUp: boolean;
  sentAt: number;
}

/** Beyond, a request is refused at once: its signature would come too late. */
const MAX_WAITING = 512;
/** A session that is silent for so many times the limit of a signature never answers. */
const STUCK_FACTOR = 2;

/** The requests to the process of a token: as many under way as there are sessions, the others wait, each within its time. */
export class TokenJobs {
  readonly #options: TokenJobOptions;
  readonly #waiting = new Set<Job>();
  readonly #sent = new Map<number, Job>();
  #last = 0;
  #answeredAt = 0;

  constructor(options: TokenJobOptions) {
    this.#options = options;
  }

  /** Why a new request would wait in vain. */
  get problem(): string | undefined {
    const given = [...this.#sent.values()].filter(({ isGivenUp }) => isGivenUp);
    const isSilent = given.some(({ sentAt }) => sentAt > this.#answeredAt);
    return isSilent || given.length >= this.#options.sessions ? 'the library does not answer' : undefined;
  }

  /** @throws ERR_SIGNING_UNAVAILABLE within the time */
  run(request: TokenRequest, milliseconds = this.#options.timeoutMilliseconds): Promise<unknown> {
    if (this.#waiting.size >= MAX_WAITING) throw unavailable('too many signatures wait');
    this.#last += 1;
    const id = this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const limit = setTimeout(() => this.#giveUp(job), milliseconds).unref();
    const job: Job = { id, request, resolve, reject, milliseconds, limit, isGivenUp: false, sentAt: 0 };
    this.#waiting.add(job);
    this.#sendNext();
    return promise;
  }

  answered(message: Exclude<FromToken, { readonly state: string }>): void {
    const job = this.#sent.get(message.id);
    if (job === undefined) return;
    this.#answeredAt = performance.now();
    this.#forget(job);
    if ('value' in message) job.resolve(message.value);
    else job.reject(unavailable(message.problem));
    this.#sendNext();
  }

  refuseAll(problem: string): void {
    for (const job of [...this.#sent.values(), ...this.#waiting]) {
      this.#forget(job);
      job.reject(unavailable(problem));
    }
  }

  #sendNext(): void {
    for (const job of this.#waiting) {
      if (this.#sent.size >= this.#options.sessions) return;
      this.#waiting.delete(job);
      this.#sent.set(job.id, job);
      job.sentAt = performance.now();
      job.stuck = setTimeout(this.#options.onStuck, STUCK_FACTOR * job.milliseconds).unref();
      this.#options.send({ id: job.id, request: job.request });
    }
  }

  #giveUp(job: Job): void {
    job.isGivenUp = true;
    this.#waiting.delete(job);
    job.reject(unavailable('the library does not answer in time'));
  }

  #forget(job: Job): void {
    this.#sent.delete(job.id);
    this.#waiting.delete(job);
    clearTimeout(job.limit);
    clearTimeout(job.stuck);
  }
}

function unavailable(problem: string): OpenBankingError<'ERR_SIGNING_UNAVAILABLE'> {
  return new OpenBankingError('ERR_SIGNING_UNAVAILABLE', { problem });
}
