import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { OpenBankingError } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { TokenJobs } from './token-jobs.ts';
import type { FromToken, ToToken, TokenRequest, TokenSettings } from './token-messages.ts';

export interface TokenProcessOptions {
  readonly settings: TokenSettings;
  readonly timeoutMilliseconds: number;
  readonly log: Log;
  /** Called after each start, before any other request is sent. */
  readonly onOpened: (opened: TokenProcess) => Promise<void>;
}

const START_MILLISECONDS = 15_000;
/** The pause before the process is started again: doubled after each start that led to nothing. */
const PAUSE_MILLISECONDS = { first: 250, most: 30_000 } as const;
/** A process that served so long has started well. */
const STEADY_MILLISECONDS = 60_000;
/** How often a PIN file is looked at whose PIN was refused. */
const PIN_MILLISECONDS = 5000;

/**
 * The process in which the library of a vendor runs. A library that crashes or hangs takes only this process with it, which is
 * then replaced: callers get a refusal within their time, and signatures again by themselves.
 */
export class TokenProcess {
  readonly #options: TokenProcessOptions;
  readonly #jobs: TokenJobs;
  #child: ChildProcess | undefined;
  #problem: string | undefined = 'is starting';
  #pause: number = PAUSE_MILLISECONDS.first;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(options: TokenProcessOptions) {
    this.#options = options;
    this.#jobs = new TokenJobs({
      sessions: options.settings.sessions,
      timeoutMilliseconds: options.timeoutMilliseconds,
      send: (message) => this.#send(message),
      onStuck: () => this.#lose('the library does not answer'),
    });
  }

  /** @throws Error with the reason when the token cannot be opened */
  static async open(options: TokenProcessOptions): Promise<TokenProcess> {
    const opened = new TokenProcess(options);
    try {
      await opened.#start();
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  /** Why no signature can be made now. */
  get problem(): string | undefined {
    return this.#problem ?? this.#jobs.problem;
  }

  /**
   * @param milliseconds the longest time of the answer; default that of a signature
   * @throws ERR_SIGNING_UNAVAILABLE
   */
  async call(request: TokenRequest, milliseconds?: number): Promise<unknown> {
    const problem = this.problem;
    if (problem !== undefined) throw new OpenBankingError('ERR_SIGNING_UNAVAILABLE', { problem });
    return this.#jobs.run(request, milliseconds);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#end('is closed');
  }

  /** Resolves when the token is open and its keys are listed. */
  async #start(): Promise<void> {
    const child = fork(programOf('token-child'), {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#startedAt = performance.now();
    const opened = Promise.withResolvers<void>();
    const limit = setTimeout(
      () => opened.reject(new Error('the library does not open the token')),
      START_MILLISECONDS,
    );
    child.on('message', (message: FromToken) => {
      if (this.#child !== child) return;
      if (!('state' in message)) this.#answered(message);
      else if (message.state === 'opened') opened.resolve();
      else opened.reject(new RefusedToken(message.problem, message.isPin));
    });
    child.once('error', (error) => opened.reject(error));
    child.once('exit', (code, signal) => {
      opened.reject(new Error(`the process of the library ended by ${signal ?? `exit code ${code}`}`));
      if (this.#child === child && this.#problem === undefined) {
        this.#lose(`the process of the library ended by ${signal ?? `exit code ${code}`}`);
      }
    });
    this.#send({ open: this.#options.settings });
    try {
      await opened.promise;
      this.#problem = undefined;
      await this.#options.onOpened(this);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : 'cannot be opened');
      throw error;
    } finally {
      clearTimeout(limit);
    }
  }

  #answered(message: Exclude<FromToken, { readonly state: string }>): void {
    this.#jobs.answered(message);
    if ('isLost' in message && message.isLost) this.#lose(message.problem);
  }

  /** Replaces the process. */
  #lose(problem: string): void {
    if (this.#isClosed) return;
    this.#end(problem);
    this.#options.log.emit('signing-keys.away', { outcome: problem });
    if (performance.now() - this.#startedAt > STEADY_MILLISECONDS) this.#pause = PAUSE_MILLISECONDS.first;
    this.#startAgain(this.#pause);
  }

  #startAgain(milliseconds: number): void {
    this.#pause = Math.min(2 * this.#pause, PAUSE_MILLISECONDS.most);
    this.#timer = setTimeout(() => void this.#tryStart(), milliseconds).unref();
  }

  async #tryStart(): Promise<void> {
    const pin = versionOf(this.#options.settings.pinFile);
    try {
      await this.#start();
      this.#options.log.emit('signing-keys.back');
    } catch (error) {
      if (this.#isClosed) return;
      const outcome = this.#problem ?? 'cannot be opened';
      this.#options.log.emit('signing-keys.away', { outcome, error });
      // Another try of the same PIN could lock the token.
      if (error instanceof RefusedToken && error.isPin) this.#awaitPin(pin);
      else this.#startAgain(this.#pause);
    }
  }

  #awaitPin(refused: string): void {
    this.#timer = setTimeout(() => {
      if (versionOf(this.#options.settings.pinFile) === refused) this.#awaitPin(refused);
      else void this.#tryStart();
    }, PIN_MILLISECONDS).unref();
  }

  #end(problem: string): void {
    this.#problem = problem;
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
    this.#jobs.refuseAll(problem);
  }

  #send(message: ToToken): void {
    const child = this.#child;
    // The end of the process says what an error here would say.
    if (child?.connected === true) child.send(message, () => undefined);
  }
}

/** The token cannot be opened, and `isPin` is the reason. */
class RefusedToken extends Error {
  readonly isPin: boolean;

  constructor(problem: string, isPin: boolean) {
    super(problem);
    this.isPin = isPin;
  }
}

/** A program beside this file, from the sources or from what was built of them. */
function programOf(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

/** Changes with the content. */
function versionOf(file: string): string {
  try {
    return `${statSync(file).mtimeMs} ${readFileSync(file).length}`;
  } catch {
    return 'missing';
  }
}
