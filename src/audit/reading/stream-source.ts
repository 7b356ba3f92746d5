import type { RedisStreams } from '../../storage/redis/redis-streams.ts';
import { startOf } from '../line/segment-name.ts';
import type { AuditSegment, AuditSource } from './audit-source.ts';
import { placesOf, timeOf, type TimeRange } from './time-range.ts';

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
      firstAt: startOf(name),
      lastAt: FAR,
      chunks: () => this.#chunks(name, { start: 0, end: Number.MAX_SAFE_INTEGER }),
      chunksOf: (range) => this.#chunksWithin(name, range),
    }));
  }

  findCertificate(fingerprint: string): Promise<string | undefined> {
    return this.#streams.findKept(fingerprint);
  }

  async close(): Promise<void> {
    this.#streams.close();
  }

  async *#chunksWithin(name: string, range: TimeRange): AsyncGenerator<Buffer> {
    const [newest] = await this.#streams.readBack(name, undefined, 1);
    if (newest === undefined) return;
    const timeAt = async (place: number) => {
      const [entry] = await this.#streams.read(name, place, 1);
      return entry && timeOf(entry.text.split('\n', 1)[0] ?? '');
    };
    yield* this.#chunks(name, await placesOf({ end: newest.id + 1, grain: PAGE, timeAt }, range));
  }

  async *#chunks(
    name: string,
    { start, end }: { readonly start: number; readonly end: number },
  ): AsyncGenerator<Buffer> {
    for (let from = start; ; ) {
      const entries = await this.#streams.read(name, from, PAGE);
      for (const { text } of entries) yield Buffer.from(text);
      const last = entries.at(-1);
      if (last === undefined || last.id >= end || entries.length < PAGE) return;
      from = last.id + 1;
    }
  }
}
