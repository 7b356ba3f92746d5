import type { RedisStreams } from '../storage/redis/redis-streams.ts';
import type { AuditBatch, AuditOutput } from './audit-output.ts';

/** The lines of one process in a stream of Redis: one entry for each batch, under the number of its last line. */
export class StreamOutput implements AuditOutput {
  readonly #streams: RedisStreams;
  readonly #process: string;

  private constructor(streams: RedisStreams, process: string) {
    this.#streams = streams;
    this.#process = process;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  static async open(streams: RedisStreams, process: string): Promise<StreamOutput> {
    await streams.begin(process);
    return new StreamOutput(streams, process);
  }

  append({ text, last }: AuditBatch): Promise<void> {
    return this.#streams.append(this.#process, { id: last, text });
  }

  /** A stream has no torn line, so no other process ends a chain. */
  async showLife(): Promise<void> {}

  keepCertificate(fingerprint: string, pem: string): Promise<void> {
    return this.#streams.keep(fingerprint, pem);
  }

  async close(): Promise<void> {
    this.#streams.close();
  }
}
