import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '../../events.ts';
import { descriptorLimit } from '../../mutual-tls/limits/descriptor-limit.ts';
import { probeListener } from '../listener-probe.ts';
import type { ListenerName } from './worker-messages.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Connections that wait for a worker: beyond these, or half of the descriptors, a new one is closed. */
const MAX_WAITING = 1024;
/** How long a connection waits: longer than a stand-in needs to start. */
const WAIT_MILLISECONDS = 10_000;
/** Connections that were lost in this time make one event. */
const LOST_EVENT_MILLISECONDS = 5000;

interface Waiting {
  readonly listener: ListenerName;
  readonly connection: Socket;
  /** The only worker that may have the connection. */
  readonly worker: WorkerProcess | undefined;
  readonly limit: NodeJS.Timeout;
}

/** A connection to ourselves that is to reach one worker. */
interface Probe {
  readonly worker: WorkerProcess;
  /** The port from which the connection comes; undefined when there is no connection. */
  readonly fromPort: Promise<number | undefined>;
}

/**
 * The ports of all workers. This process accepts the connections and hands each one to the worker that has waited
 * longest; no byte of a connection is read here. The ports stay open when workers die: connections then wait for the
 * next worker or for the stand-in.
 */
export class SharedPorts {
  readonly #log: Log;
  readonly #servers = new Map<ListenerName, Server>();
  readonly #waiting: Waiting[] = [];
  /** Workers in the order of their last connection. */
  readonly #workers: WorkerProcess[] = [];
  readonly #busy = new Set<WorkerProcess>();
  readonly #probes = new Set<Probe>();
  #onIdle: (() => void) | undefined;
  readonly #maxWaiting = Math.min(MAX_WAITING, descriptorLimit() / 2);
  #lost = 0;
  #lostTimer: NodeJS.Timeout | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Binds a port and accepts connections. */
  async listen(listener: ListenerName, port: number, host: string): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, (connection) => {
      // The peer may reset the connection while it waits.
      connection.on('error', () => undefined);
      void this.#accept(listener, connection);
    });
    this.#servers.set(listener, server);
    server.listen({ port, host });
    await once(server, 'listening');
    server.on('error', (error) => this.#log.emit('connection.failed', { listener, error }));
  }

  /** Adds a worker that serves, or a stand-in. */
  add(worker: WorkerProcess): void {
    if (this.#workers.includes(worker)) return;
    this.#workers.push(worker);
    this.#serve();
  }

  /** From now on the worker gets no connection. */
  remove(worker: WorkerProcess): void {
    const at = this.#workers.indexOf(worker);
    if (at !== -1) this.#workers.splice(at, 1);
    for (const waiting of this.#waiting.filter((one) => one.worker === worker)) this.#drop(waiting);
    this.#endWhenIdle();
  }

  /** Connects to a listener as a caller would, by TCP and TLS, and to this worker; resolves with the problem, if any. */
  async probe(listener: ListenerName, worker: WorkerProcess): Promise<string | undefined> {
    const address = this.#servers.get(listener)?.address();
    if (typeof address !== 'object' || address === null) return 'is not listening';
    const fromPort = Promise.withResolvers<number | undefined>();
    const probe: Probe = { worker, fromPort: fromPort.promise };
    this.#probes.add(probe);
    const problem = await probeListener({ host: address.address, port: address.port }, (port) =>
      fromPort.resolve(port),
    );
    fromPort.resolve(undefined);
    this.#probes.delete(probe);
    return problem;
  }

  /** Closes the ports, and resolves when every connection that waited has a worker, or there is no worker. */
  async close(): Promise<void> {
    for (const server of this.#servers.values()) server.close();
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#endWhenIdle();
    });
  }

  async #accept(listener: ListenerName, connection: Socket): Promise<void> {
    const worker = this.#probes.size === 0 ? undefined : await this.#probedWorker(connection);
    if (this.#waiting.length >= this.#maxWaiting) {
      connection.destroy();
      this.#countLost();
      return;
    }
    const waiting: Waiting = {
      listener,
      connection,
      worker,
      limit: setTimeout(() => {
        this.#drop(waiting);
        this.#countLost();
      }, WAIT_MILLISECONDS),
    };
    this.#waiting.push(waiting);
    this.#serve();
  }

  async #probedWorker(connection: Socket): Promise<WorkerProcess | undefined> {
    for (const { worker, fromPort } of this.#probes) {
      if ((await fromPort) === connection.remotePort) return worker;
    }
    return undefined;
  }

  #serve(): void {
    let at = 0;
    while (at < this.#waiting.length) {
      const waiting = this.#waiting[at];
      const worker = this.#workers.find(
        (one) => !this.#busy.has(one) && (waiting?.worker === undefined || waiting.worker === one),
      );
      if (waiting !== undefined && worker !== undefined) void this.#hand(waiting, worker);
      else if (waiting?.worker === undefined) return;
      else at += 1;
    }
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.#onIdle === undefined) return;
    if (this.#workers.length === 0) for (const waiting of [...this.#waiting]) this.#drop(waiting);
    if (this.#waiting.length === 0 && this.#busy.size === 0) this.#onIdle();
  }

  async #hand(waiting: Waiting, worker: WorkerProcess): Promise<void> {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    this.#workers.push(...this.#workers.splice(this.#workers.indexOf(worker), 1));
    this.#busy.add(worker);
    const isAccepted = await worker.hand(waiting.listener, waiting.connection);
    this.#busy.delete(worker);
    if (isAccepted || waiting.worker !== undefined) this.#drop(waiting);
    else this.#waiting.unshift(waiting);
    this.#serve();
  }

  #drop(waiting: Waiting): void {
    clearTimeout(waiting.limit);
    const at = this.#waiting.indexOf(waiting);
    if (at !== -1) this.#waiting.splice(at, 1);
    waiting.connection.destroy();
  }

  #countLost(): void {
    this.#lost += 1;
    this.#lostTimer ??= setTimeout(() => {
      this.#log.emit('connections.lost', { count: this.#lost });
      this.#lost = 0;
      this.#lostTimer = undefined;
    }, LOST_EVENT_MILLISECONDS).unref();
  }
}
