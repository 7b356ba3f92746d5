import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../clock.ts';
import { type EventSink, type Log, silentLog } from '../events.ts';
import { lineOf } from '../log.ts';
import { EventSampling } from '../logging/event-sampling.ts';
import { BackgroundLoop } from '../remote/background-loop.ts';
import type { Store } from '../storage/store.ts';
import { AuditChain } from './audit-chain.ts';
import type { AuditGate } from './audit-gate.ts';
import { CHAIN_LINES } from './line/audit-line.ts';
import type { AuditOutput } from './audit-output.ts';
import { type CheckpointLink, signedCheckpoint } from './line/checkpoint.ts';
import type { EndedChains } from './ended-chains.ts';
import { LastCheckpoint } from './last-checkpoint.ts';
import { chainName } from './line/segment-name.ts';
import type { AuditKey } from './line/signing-key.ts';

/** The form of the lines. */
const VERSION = 1;
const CHECKPOINT_SECONDS = 60;
/** Soon after the start, so that a file which is missing is missed. */
const FIRST_CHECKPOINT_SECONDS = 1;

export interface AuditOptions {
  readonly openOutput: (process: string) => Promise<AuditOutput>;
  readonly key: AuditKey;
  /** Whether nothing is granted without its line. */
  readonly isRequired: boolean;
  readonly clock: Clock;
  /** Chains of processes that ended without an end of theirs, where the output can show them. */
  readonly endedChains?: EndedChains | undefined;
  /** Finds the newest checkpoint of the record: the store may have been restored from an older copy. */
  readonly findNewest?: (() => Promise<CheckpointLink | undefined>) | undefined;
}

/**
 * The audit record of this process: every audited event of the catalogue as a line of a hash chain, and signed checkpoints
 * that lead through the chains of all processes.
 */
export class Audit implements AuditGate {
  /** The use of events that writes the record. */
  readonly sink: EventSink;
  readonly #options: AuditOptions;
  readonly #process: string;
  readonly #output: AuditOutput;
  readonly #chain: AuditChain;
  #log: Log = silentLog;
  #last: LastCheckpoint | undefined;
  #checkpoints: BackgroundLoop | undefined;

  private constructor(
    options: AuditOptions,
    parts: { readonly process: string; readonly output: AuditOutput },
  ) {
    this.#options = options;
    this.#process = parts.process;
    this.#output = parts.output;
    this.#chain = new AuditChain({
      ...parts,
      now: () => options.clock.now(),
      onFailing: (error) => this.#log.emit('audit.unavailable', { error }),
      onRecovered: (since) => this.#log.emit('audit.available', { since: since.toISOString() }),
      onGap: ({ count, since }) => this.#log.emit('audit.gap', { count, since: since.toISOString() }),
    });
    this.sink = this.#createSink();
    this.#chain.append({
      at: options.clock.now(),
      event: CHAIN_LINES.opened,
      members: { version: VERSION, host: hostname(), pid: process.pid, key: options.key.id },
    });
  }

  /** @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
  static async open(options: AuditOptions): Promise<Audit> {
    const name = chainName(options.clock.now(), randomBytes(6));
    return new Audit(options, { process: name, output: await options.openOutput(name) });
  }

  /** Begins to write checkpoints, and to report to a log of which `sink` is a part. */
  start({ log, store }: { readonly log: Log; readonly store: Store }): void {
    this.#log = log;
    this.#last = new LastCheckpoint(store, this.#options.findNewest);
    this.#checkpoints = new BackgroundLoop(FIRST_CHECKPOINT_SECONDS, async () => {
      await this.#minute();
      return CHECKPOINT_SECONDS;
    });
  }

  assertAvailable(): void {
    if (this.#options.isRequired && this.#chain.isFailing) throw this.#chain.unavailable();
  }

  durable(): Promise<void> {
    return this.#options.isRequired ? this.#chain.durable() : Promise.resolve();
  }

  /** Keeps a certificate, by the hexadecimal SHA-256 of its DER. Never throws: no request depends on it. */
  async keepCertificate(fingerprint: string, pem: string): Promise<void> {
    try {
      await this.#output.keepCertificate(fingerprint, pem);
    } catch (error) {
      this.#log.emit('audit.certificate.unkept', { certificate: fingerprint.slice(0, 16), error });
    }
  }

  /** Writes a checkpoint of every line so far. @throws ERR_STORAGE_UNAVAILABLE, ERR_AUDIT_UNAVAILABLE */
  async checkpoint(isFinal = false): Promise<void> {
    if (this.#chain.isFailing) throw this.#chain.unavailable();
    const { key } = this.#options;
    const process = this.#process;
    const link = await this.#last?.advance(async (before) => {
      let number = 0;
      const written = this.#chain.appendCheckpoint((covers, place) => {
        const facts = { at: this.#now(), place: { ...place, process }, covers, ...before, isFinal };
        const content = signedCheckpoint(facts, key);
        number = content.number;
        return content;
      });
      await this.#chain.durable();
      return { number, process, ...written };
    });
    if (link !== undefined) this.#log.emit('audit.checkpoint.written', { count: link.number });
  }

  /** Ends the chain. The store must still be open. */
  async close(): Promise<void> {
    await this.#checkpoints?.close();
    await this.#checkpoint(true);
    await this.#chain.close();
  }

  async #minute(): Promise<void> {
    await this.#output.showLife().catch(() => undefined);
    await this.#checkpoint(false);
    const { endedChains, key } = this.#options;
    const last = this.#last;
    if (endedChains === undefined || last === undefined) return;
    try {
      for (const { process, tornBytes } of await endedChains.complete({ key, last, by: this.#process })) {
        this.#log.emit('audit.chain.completed', { outcome: process, count: tornBytes });
      }
    } catch (error) {
      this.#log.emit('audit.chain.unfinished', { error });
    }
  }

  async #checkpoint(isFinal: boolean): Promise<void> {
    try {
      await this.checkpoint(isFinal);
    } catch (error) {
      this.#log.emit('audit.checkpoint.failed', { error });
    }
  }

  #createSink(): EventSink {
    const { clock } = this.#options;
    const sampling = new EventSampling((kind, count) => this.#log.emit('audit.summed', { kind, count }));
    return (name, definition, fields) => {
      if (definition.isAudited !== true || !sampling.admits(name, definition, fields)) return;
      this.#chain.append({ at: clock.now(), event: name, members: lineOf(definition, fields) });
    };
  }

  #now(): string {
    return this.#options.clock.now().toISOString();
  }
}
