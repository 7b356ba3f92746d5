import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { ManagedAnswer, ManagedRequest } from '../../management/managed-request.ts';
import type { HealthPart } from '../health.ts';
import type { MetricsJson } from '../metrics/metrics.ts';
import { Questions } from './questions.ts';
import type { FromWorker, ListenerName, ToWorker } from './worker-messages.ts';

const PING_MILLISECONDS = 500;
/** A worker with so many pings unanswered is passed over. */
const LATE_PINGS = 3;
/** A worker with so many pings unanswered is killed: 2.5 to 3 seconds after its last answer. */
const STUCK_PINGS = 5;
/** The bank's module and the store have their own, shorter limits. */
const START_SECONDS = 120;
const HEALTH_MILLISECONDS = 2000;
/** Prometheus waits ten seconds by default. */
const METRICS_MILLISECONDS = 1000;
/** Longer than an answer of the store or of the OpenID provider of the bank may take. */
const MANAGE_MILLISECONDS = 20_000;
/** A connection that arrives without its descriptor is never accepted. */
const ACCEPT_MILLISECONDS = 10_000;

export interface WorkerProcessOptions {
  readonly child: ChildProcess;
  /** Called after each change of `isServing`. */
  readonly onChange: () => void;
  /** Called with messages that concern other parts than this one. */
  readonly onMessage?: (message: object) => void;
  /** Called when the process was sent SIGTERM or SIGINT, which it leaves to its parent. */
  readonly onSignal?: () => void;
  /** Called before the process is killed because its event loop stands still. */
  readonly onStuck?: () => void;
}

/**
 * One child process, as the process that watches it knows it. A child that does not start in two minutes, or whose
 * event loop stands still for three seconds, is killed. Pings are counted, not timed: a machine that was suspended
 * kills no worker.
 */
export class WorkerProcess {
  /** How the process ended: `exit code 2`, or the name of a signal. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #options: WorkerProcessOptions;
  #state: 'starting' | 'ready' | 'stopping' | 'ended' = 'starting';
  #hasStarted = false;
  #unanswered = 0;
  readonly #becameReady = Promise.withResolvers<void>();
  #handed: ((isAccepted: boolean) => void) | undefined;
  readonly #healthQuestions = new Questions<readonly HealthPart[]>(HEALTH_MILLISECONDS);
  readonly #metricsQuestions = new Questions<MetricsJson>(METRICS_MILLISECONDS);
  readonly #managed = new Questions<ManagedAnswer | undefined>(MANAGE_MILLISECONDS);
  #lastMetrics: MetricsJson = [];
  readonly #pings: NodeJS.Timeout;
  readonly #startLimit: NodeJS.Timeout;

  constructor(options: WorkerProcessOptions) {
    const { child } = options;
    this.#child = child;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
      // A process that could not be made has no exit.
      child.on('error', (error) => {
        if (child.pid === undefined) resolve(error.message);
      });
    });
    void this.ended.then(() => this.#end());
    child.on('message', (message: FromWorker) => this.#receive(message));
    this.#startLimit = setTimeout(() => this.kill(), START_SECONDS * 1000);
    this.#pings = setInterval(() => this.#ping(), PING_MILLISECONDS);
  }

  /** Whether connections may be handed to the worker: the worker is ready, and its event loop turns. */
  get isServing(): boolean {
    return this.#state === 'ready' && this.#unanswered < LATE_PINGS;
  }

  /** Why no connections may be handed to the worker. */
  get problem(): string {
    return this.#state === 'ready' ? 'does not answer' : `is ${this.#state}`;
  }

  /** The exit code, when the process ended by itself. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  isConnected(): boolean {
    return this.#child.connected;
  }

  /** Sends a message of another part; `sent` is called when the message has left this process, or is lost. */
  send(message: object, sent: (error: Error | null) => void): void {
    if (this.#child.connected) this.#child.send(message, sent);
    else sent(new Error('the process has ended'));
  }

  /** Resolves with `true` when the worker is ready, with `false` when the process ended before. */
  isReady(): Promise<boolean> {
    return Promise.race([this.#becameReady.promise.then(() => true), this.ended.then(() => false)]);
  }

  /**
   * Hands a connection over, one at a time. Resolves with `false` when the process ended before it accepted the
   * connection, which another worker can then have.
   */
  hand(listener: ListenerName, connection: Socket): Promise<boolean> {
    return new Promise((resolve) => {
      const limit = setTimeout(() => this.#handed?.(true), ACCEPT_MILLISECONDS);
      this.#handed = (isAccepted) => {
        clearTimeout(limit);
        this.#handed = undefined;
        resolve(isAccepted);
      };
      if (this.#state === 'ended') this.#handed(false);
      else this.#send({ connection: listener }, connection);
    });
  }

  /** The parts of the worker's health; undefined when the worker does not answer. */
  health(): Promise<readonly HealthPart[] | undefined> {
    return this.#healthQuestions.ask((healthOf) => this.#send({ healthOf }));
  }

  /** The answer of the management API in the worker; undefined when the worker does not answer. */
  manage(request: ManagedRequest): Promise<ManagedAnswer | undefined> {
    return this.#managed.ask((id) => this.#send({ manage: { id, request } }));
  }

  /** The metrics of the worker; undefined when the worker does not answer. */
  metrics(): Promise<MetricsJson | undefined> {
    return this.#metricsQuestions.ask((metricsOf) => this.#send({ metricsOf }));
  }

  /** The last metrics that this process had from the worker. */
  get lastMetrics(): MetricsJson {
    return this.#lastMetrics;
  }

  /** From now on every answer of the worker ends its connection. */
  drain(): void {
    this.#send('drain');
  }

  /** Lets the worker end its requests and itself, and kills the worker after `seconds`. */
  async stop(seconds: number): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'stopping';
    this.#options.onChange();
    this.#send('stop');
    const limit = setTimeout(() => this.kill(), seconds * 1000);
    await this.ended;
    clearTimeout(limit);
  }

  /** By the signal that its service manager would send to it. */
  reload(): void {
    this.#child.kill('SIGHUP');
  }

  kill(): void {
    clearInterval(this.#pings);
    this.#child.kill('SIGKILL');
  }

  #receive(message: FromWorker): void {
    if (message === 'pong') this.#answered();
    else if (message === 'accepted') this.#handed?.(true);
    else if (message === 'ready') this.#started();
    else if (message === 'signalled') this.#options.onSignal?.();
    else if ('healthOf' in message) this.#healthQuestions.answer(message.healthOf, message.parts);
    else if ('managed' in message) this.#managed.answer(message.managed.id, message.managed.answer);
    else if ('metricsOf' in message) {
      this.#lastMetrics = message.metrics;
      this.#metricsQuestions.answer(message.metricsOf, message.metrics);
    } else this.#options.onMessage?.(message);
  }

  #started(): void {
    clearTimeout(this.#startLimit);
    this.#hasStarted = true;
    // The message to stop was lost on a process that still started.
    if (this.#state === 'stopping') this.#send('stop');
    else {
      this.#state = 'ready';
      this.#becameReady.resolve();
      this.#options.onChange();
    }
  }

  #answered(): void {
    const wasLate = this.#unanswered >= LATE_PINGS;
    this.#unanswered = 0;
    if (wasLate) this.#options.onChange();
  }

  #ping(): void {
    if (!this.#hasStarted) return;
    if (this.#unanswered === STUCK_PINGS) {
      this.#options.onStuck?.();
      this.kill();
      return;
    }
    this.#unanswered += 1;
    this.#send('ping');
    if (this.#unanswered === LATE_PINGS) this.#options.onChange();
  }

  #send(message: ToWorker, connection?: Socket): void {
    if (!this.#child.connected) return;
    // The end of the process says what an error here would say.
    this.#child.send(message, connection, { keepOpen: true }, () => undefined);
  }

  #end(): void {
    this.#state = 'ended';
    clearInterval(this.#pings);
    clearTimeout(this.#startLimit);
    this.#handed?.(false);
    this.#healthQuestions.end();
    this.#metricsQuestions.end();
    this.#managed.end();
    this.#options.onChange();
  }
}
