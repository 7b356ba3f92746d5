import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { ManagementEndpoint } from '../../management/managed-request.ts';
import { type HealthPart, HealthServer, type Readiness } from '../health.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { serverCertificateGauges } from '../metrics/server-gauges.ts';
import type { LiveSettings } from '../reload/live-settings.ts';
import { ManagementEdge } from '../management/management-edge.ts';
import { type OpenedManagementListener, openManagementListener } from '../management/management-listener.ts';
import { SharedLists } from './shared-lists.ts';
import { SharedMetrics } from './shared-metrics.ts';
import { SharedPorts } from './shared-ports.ts';
import type { ListenerName, WorkerRole } from './worker-messages.ts';
import { WorkerProcess } from './worker-process.ts';

export interface WorkersOptions {
  readonly config: Pick<Config, 'workers' | 'listen' | 'shutdown' | 'bankApi' | 'management' | 'tls'>;
  /** Starts a child process with a channel, as `node:child_process` makes one. */
  readonly fork: (role: WorkerRole) => ChildProcess;
  readonly log: Log;
  /** The metrics of this process, which count the events of `log`. */
  readonly metrics: Metrics;
}

/** A worker that ended is started again after this, and twice as long each time it ends soon after. */
const FIRST_RESTART_SECONDS = 0.1;
/** A file that has been mended counts after this at the latest. */
const LONGEST_RESTART_SECONDS = 5;
/** After so long a life the next end is a first one. */
const STEADY_SECONDS = 60;
/** For closing stores and files after the last connection. */
const STOP_MARGIN_SECONDS = 3;
/** A signal to every process of the group reaches the other processes within this. */
const SIGNAL_MILLISECONDS = 300;
/** A stand-in that ends by itself lacks what the workers lack. */
const STAND_IN_RESTART_MILLISECONDS = 1000;

/**
 * The processes that serve requests, and what keeps them running. This process owns the ports and serves no request
 * itself; it reads the lists for all workers. A worker that ends, or whose event loop stands still, is replaced; while
 * no worker serves, a stand-in answers 503. Ready while one worker is.
 */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #ports: SharedPorts;
  readonly #lists: SharedLists;
  readonly #metrics: SharedMetrics;
  readonly #edge: ManagementEdge;
  readonly #health: HealthServer;
  #management: OpenedManagementListener | undefined;
  /** By the number of the worker. */
  readonly #workers = new Map<number, WorkerProcess>();
  #standIn: WorkerProcess | undefined;
  #phase: 'starting' | 'running' | 'stopping' = 'starting';

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#ports = new SharedPorts(options.log);
    this.#lists = new SharedLists(options.log);
    const { log } = options;
    this.#metrics = new SharedMetrics(options.metrics);
    const metrics = () => this.#metrics.text();
    this.#edge = new ManagementEdge({ endpoint: () => this.#managed(), metrics, log });
    this.#health = new HealthServer(() => this.#readiness(), this.#edge.answerLoopback);
  }

  /**
   * Starts the first worker, binds the ports, starts the other workers. Resolves with the exit code of the first worker
   * when that one does not start: the worker itself has written why. The caller then ends this process.
   *
   * @throws ERR_SERVER_NOT_READY when the first worker was killed before it served; the errors of `listen`
   */
  async start(): Promise<number | undefined> {
    const { listen, workers: count } = this.#options.config;
    await this.#health.listen(listen.health);
    const first = this.#launch(1);
    const exitCode = await this.#open(first).catch((error: unknown) => {
      first.kill();
      throw error;
    });
    if (exitCode !== undefined) return exitCode;
    this.#phase = 'running';
    void this.#keep(1, first);
    for (let number = 2; number <= count; number += 1) void this.#keep(number, this.#launch(number));
    this.#arrange();
    this.#health.started();
    return undefined;
  }

  async #open(first: WorkerProcess): Promise<number | undefined> {
    if (!(await first.isReady())) {
      if (first.exitCode !== null) return first.exitCode;
      const reason = `the first worker ended before it served: ${await first.ended}`;
      throw new OpenBankingError('ERR_SERVER_NOT_READY', { reason });
    }
    // The ports are bound when their requests can be served, as in a server of one process.
    const { listen, bankApi } = this.#options.config;
    await this.#ports.listen('front', listen.front, listen.host);
    await this.#ports.listen('mtls', listen.mtls, listen.host);
    if (bankApi !== undefined) await this.#ports.listen('bank', bankApi.listen.port, bankApi.listen.host);
    const parts = { edge: this.#edge, health: this.#health, clock: systemClock, log: this.#options.log };
    this.#management = await openManagementListener(this.#options.config, parts);
    const certificates = { 'management.tls': this.#management?.tls };
    this.#options.metrics.follow(() => serverCertificateGauges({ certificates }));
    return undefined;
  }

  /** Every worker takes changed settings into use. */
  change(settings: LiveSettings): void {
    for (const worker of this.#workers.values()) worker.send({ settings }, () => undefined);
  }

  /** Every worker checks the files that it follows. */
  reload(): void {
    for (const worker of this.#workers.values()) worker.reload();
  }

  /** Not ready, keep serving for a notice, let requests in flight end, close everything. */
  async close(): Promise<void> {
    const { noticeSeconds } = this.#options.config.shutdown;
    this.#phase = 'stopping';
    this.#health.stopping();
    const processes = [...this.#workers.values(), ...(this.#standIn === undefined ? [] : [this.#standIn])];
    for (const one of processes) one.drain();
    // A load balancer sends its new connections elsewhere before this one stops to accept them.
    await sleep(noticeSeconds * 1000);
    await Promise.all([this.#ports.close(), this.#management?.close()]);
    await Promise.all(processes.map((one) => one.stop(this.#stopSeconds)));
    await Promise.all([this.#health.close(), this.#lists.close()]);
    this.#options.log.emit('server.stopped', { count: processes.length });
  }

  async #keep(number: number, first: WorkerProcess): Promise<void> {
    let worker = first;
    for (let failures = 0; ; failures += 1) {
      const startedAt = performance.now();
      const outcome = await worker.ended;
      this.#workers.delete(number);
      this.#arrange();
      if (this.#isStopping) return;
      if (performance.now() - startedAt > STEADY_SECONDS * 1000) failures = 0;
      const seconds = Math.min(FIRST_RESTART_SECONDS * 2 ** failures, LONGEST_RESTART_SECONDS);
      this.#options.log.emit('worker.died', { worker: number, outcome, seconds });
      await sleep(seconds * 1000);
      if (this.#isStopping) return;
      worker = this.#launch(number);
    }
  }

  #launch(number: number): WorkerProcess {
    const worker = new WorkerProcess({
      child: this.#options.fork('worker'),
      onChange: () => this.#arrange(),
      onMessage: (message) => void this.#lists.answer(worker, message),
      onSignal: () => void this.#stopSignalled(worker),
      onStuck: () => this.#options.log.emit('worker.stuck', { worker: number }),
    });
    this.#workers.set(number, worker);
    this.#metrics.follow(worker);
    return worker;
  }

  /** A signal to one worker ends that one; a signal to all processes is a matter of `close`. */
  async #stopSignalled(worker: WorkerProcess): Promise<void> {
    await sleep(SIGNAL_MILLISECONDS);
    if (this.#phase === 'running') await worker.stop(this.#stopSeconds);
  }

  get #isStopping(): boolean {
    return this.#phase === 'stopping';
  }

  get #stopSeconds(): number {
    return this.#options.config.shutdown.drainSeconds + STOP_MARGIN_SECONDS;
  }

  /** Hands connections to the workers that serve, and without any to a stand-in. */
  #arrange(): void {
    let count = 0;
    for (const worker of this.#workers.values()) {
      if (worker.isServing) {
        count += 1;
        this.#ports.add(worker);
      } else this.#ports.remove(worker);
    }
    if (count > 0) this.#endStandIn();
    else if (this.#phase === 'running' && this.#standIn === undefined) this.#startStandIn();
  }

  #startStandIn(): void {
    this.#options.log.emit('workers.away');
    const standIn = new WorkerProcess({
      child: this.#options.fork('stand-in'),
      onChange: () => {
        if (standIn.isServing && this.#standIn === standIn) this.#ports.add(standIn);
        else this.#ports.remove(standIn);
      },
    });
    this.#standIn = standIn;
    this.#metrics.follow(standIn);
    void standIn.ended.then(async () => {
      if (this.#standIn !== standIn) return;
      await sleep(STAND_IN_RESTART_MILLISECONDS);
      this.#standIn = undefined;
      this.#arrange();
    });
  }

  #endStandIn(): void {
    const standIn = this.#standIn;
    if (standIn === undefined) return;
    this.#standIn = undefined;
    this.#options.log.emit('workers.back');
    void standIn.stop(this.#stopSeconds);
  }

  /** Passes a request of the management API on to a worker that serves; undefined when there is none. */
  #managed(): ManagementEndpoint | undefined {
    const worker = [...this.#workers.values()].find(({ isServing }) => isServing);
    if (worker === undefined) return undefined;
    return async (request) => {
      const answer = await worker.manage(request);
      if (answer !== undefined) return answer;
      throw new OpenBankingError('ERR_SERVER_NOT_READY', { reason: 'the worker did not answer' });
    };
  }

  async #readiness(): Promise<Readiness> {
    const numbers = Array.from({ length: this.#options.config.workers }, (_, at) => at + 1);
    const all = await Promise.all(numbers.map((number) => this.#partsOf(number)));
    const isReady = all.some((parts) => parts.every(({ problem }) => problem === undefined));
    return { isReady, parts: all.flat() };
  }

  async #partsOf(number: number): Promise<readonly HealthPart[]> {
    const name = `worker ${number}`;
    const worker = this.#workers.get(number);
    if (worker === undefined) return [{ name, problem: 'has ended' }];
    if (!worker.isServing) return [{ name, problem: worker.problem }];
    const probe = async (listener: ListenerName) => ({
      name: listener,
      problem: await this.#ports.probe(listener, worker),
    });
    const names: ListenerName[] = this.#options.config.bankApi === undefined ? [] : ['bank'];
    const probes = (['front', 'mtls', ...names] as const).map(probe);
    const [own, ...listeners] = await Promise.all([worker.health(), ...probes]);
    const parts = [...listeners, ...(own ?? [{ name: 'process', problem: 'does not answer' }])];
    return parts.map((part) => ({ ...part, name: `${name}: ${part.name}` }));
  }
}
