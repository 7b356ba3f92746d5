import { createHash } from 'node:crypto';
import type { Log } from '../../events.ts';
import { createRedisGroupWrite, type RedisGroupWrite } from './redis-group-write.ts';
import { connectRedis, type RedisPrimaries } from './redis-primaries.ts';
import type { RedisScript } from './redis-scripts.ts';
import type { RedisSettings } from './redis-settings.ts';
import { inBudget } from './redis.ts';

/** An entry of a stream. */
export interface StreamEntry {
  /** The first part of its identifier in Redis; the second is 0. Grows from entry to entry. */
  readonly id: number;
  readonly text: string;
}

/** An entry whose answer was lost is sent again: the entry stands once all the same. */
const APPEND = script(`
local id = ARGV[1] .. '-0'
local reply = redis.pcall('XADD', KEYS[1], id, 'lines', ARGV[2])
if type(reply) == 'table' and reply.err then
  local found = redis.call('XRANGE', KEYS[1], id, id)
  if found[1] and found[1][2][2] == ARGV[2] then return 1 end
end
return reply`);
const BEGIN = script(`return redis.call('SADD', KEYS[1], ARGV[1])`);
const KEEP = script(`return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])`);

/** Streams that only grow, their names, and texts that are kept beside them; never removed by this program. */
export class RedisStreams {
  readonly #settings: RedisSettings;
  readonly #primaries: RedisPrimaries;
  readonly #group: RedisGroupWrite;

  private constructor(settings: RedisSettings, primaries: RedisPrimaries) {
    this.#settings = settings;
    this.#primaries = primaries;
    const wait = { replicas: settings.waitReplicas, milliseconds: settings.waitTimeoutMilliseconds };
    this.#group = createRedisGroupWrite(primaries, wait);
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  static async open(settings: RedisSettings, log: Log): Promise<RedisStreams> {
    return new RedisStreams(settings, await connectRedis(settings, log));
  }

  /** Notes the name of a stream. @throws ERR_STORAGE_UNAVAILABLE */
  begin(name: string): Promise<void> {
    return this.#run(BEGIN, this.#key('names'), [name]);
  }

  /** Appends an entry; the same entry again is no error. @throws ERR_STORAGE_UNAVAILABLE */
  append(name: string, { id, text }: StreamEntry): Promise<void> {
    return this.#run(APPEND, this.#key(`stream:${name}`), [id, text]);
  }

  /** Keeps a text under a name, once. @throws ERR_STORAGE_UNAVAILABLE */
  keep(name: string, text: string): Promise<void> {
    return this.#run(KEEP, this.#key('kept'), [name, text]);
  }

  /** The names of all streams. @throws ERR_STORAGE_UNAVAILABLE */
  names(): Promise<readonly string[]> {
    return this.#read(() => this.#primaries.reader.smembers(this.#key('names')));
  }

  /** Entries from `from` on, the oldest first. @throws ERR_STORAGE_UNAVAILABLE */
  async read(name: string, from: number, count: number): Promise<readonly StreamEntry[]> {
    const key = this.#key(`stream:${name}`);
    return entriesOf(
      await this.#read(() => this.#primaries.reader.xrange(key, `${from}-0`, '+', 'COUNT', count)),
    );
  }

  /** Entries up to `to`, the newest first. @throws ERR_STORAGE_UNAVAILABLE */
  async readBack(name: string, to: number | undefined, count: number): Promise<readonly StreamEntry[]> {
    const key = this.#key(`stream:${name}`);
    const end = to === undefined ? '+' : `${to}-0`;
    return entriesOf(await this.#read(() => this.#primaries.reader.xrevrange(key, end, '-', 'COUNT', count)));
  }

  /** The text that is kept under a name. @throws ERR_STORAGE_UNAVAILABLE */
  async findKept(name: string): Promise<string | undefined> {
    return (await this.#read(() => this.#primaries.reader.hget(this.#key('kept'), name))) ?? undefined;
  }

  close(): void {
    this.#primaries.close();
  }

  #key(name: string): string {
    return `${this.#settings.keyPrefix}:audit:{${name}}`;
  }

  async #run(script: RedisScript, key: string, args: readonly (string | number)[]): Promise<void> {
    await inBudget(this.#operation('append'), (budget) =>
      this.#group.run({ script, keys: [key], args }, budget),
    );
  }

  #read<T>(read: () => Promise<T>): Promise<T> {
    return inBudget(this.#operation('find'), read);
  }

  #operation(operation: string) {
    return { operation, problem: this.#primaries.problem, milliseconds: this.#settings.timeoutMilliseconds };
  }
}

function entriesOf(
  found: readonly (readonly [id: string, fields: readonly string[]])[],
): readonly StreamEntry[] {
  return found.map(([id, [, text = '']]) => ({ id: Number(id.split('-')[0]), text }));
}

function script(lua: string): RedisScript {
  return Object.freeze({ lua, sha: createHash('sha1').update(lua).digest('hex') });
}
