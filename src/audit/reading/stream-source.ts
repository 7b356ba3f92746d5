import type { RedisStreams } from '../../storage/redis/redis-streams.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';

/** Entries of one read; each holds the lines of one write. */
const PAGE = 100;
/** A stream has no time of its last change. */
const FAR = new Date('9999-12-31T00:00:00Z');

/** A record in streams of Redis. */
export class StreamSource implements AuditSource {
  readonly #streams: RedisStreams;

  constructor(streams: RedisStreams) {
    this.#streams = streams;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async segments(): Promise<readonly AuditSegment[]> {
    const names = await this.#streams.names();
    return names.toSorted().map((name) => ({
      process: name,
      number: 1,
      name,
      bytes: 0,
      lastAt: FAR,
      chunks: () => this.#chunks(name),
    }));
  }

  findCertificate(fingerprint: string): Promise<string | undefined> {
    return this.#streams.findKept(fingerprint);
  }

  async close(): Promise<void> {
    this.#streams.close();
  }

  async *#chunks(name: string): AsyncGenerator<Buffer> {
    for (let from = 0; ; ) {
      const entries = await this.#streams.read(name, from, PAGE);
      for (const { text } of entries) yield Buffer.from(text);
      const last = entries.at(-1);
      if (last === undefined || entries.length < PAGE) return;
      from = last.id + 1;
    }
  }
}
