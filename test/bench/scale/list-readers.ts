import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import { END_OF_HEADERS, exchanged } from '../tokens/exchange.ts';

/** The reference of a JWT into a list (draft-ietf-oauth-status-list). */
export interface StatusIndex {
  readonly idx: number;
  readonly uri: string;
}

export interface ListReadersOptions {
  /** APIs, each with a copy of the list of its own. */
  readonly count: number;
  readonly port: number;
  readonly host: string;
  readonly path: string;
}

/** The copy that an API has of the list. */
interface Api {
  etag: string;
  /** Whether a read is due or under way. */
  isBusy: boolean;
}

const CONNECTIONS = 64;
const TICK_MILLISECONDS = 10;
const PATIENCE_MILLISECONDS = 20_000;

/** APIs that read one list once a second each, evenly spread, over a few connections. */
export class ListReaders {
  readonly #options: ListReadersOptions;
  readonly #apis: readonly Api[];
  readonly #due: { readonly api: Api; readonly at: number }[] = [];
  readonly #sockets: Socket[] = [];
  readonly #late: number[] = [];
  /** Lists by their tag. */
  readonly #lists = new Map<string, Buffer>();
  #watched: StatusIndex | undefined;
  #markedAt = 0;
  #isOver = false;

  constructor(options: ListReadersOptions) {
    this.#options = options;
    this.#apis = Array.from({ length: options.count }, () => ({ etag: '', isBusy: false }));
  }

  async open(): Promise<void> {
    const { port, count } = this.#options;
    for (let at = 0; at < Math.min(CONNECTIONS, count); at += 1) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      this.#sockets.push(socket.setNoDelay(true));
    }
  }

  /** Reads for so long. `late` is the p99 of milliseconds from the moment when a read was due to its answer. */
  async read(seconds: number): Promise<{ readonly late: number }> {
    const { count } = this.#options;
    const from = performance.now();
    const working = this.#sockets.map((socket) => this.#work(socket));
    let sent = 0;
    for (let now = from; now < from + seconds * 1000; now = performance.now()) {
      for (; sent < ((now - from) / 1000) * count; sent += 1) {
        const api = this.#apis[sent % count];
        // An API whose last read has no answer yet does not read again.
        if (api === undefined || api.isBusy) continue;
        api.isBusy = true;
        this.#due.push({ api, at: from + (sent / count) * 1000 });
      }
      await sleep(TICK_MILLISECONDS);
    }
    this.#isOver = true;
    await Promise.all(working);
    const sorted = this.#late.toSorted((one, other) => one - other);
    return { late: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
  }

  /** From now on `allKnow` is about this index. */
  watch(index: StatusIndex): void {
    this.#watched = index;
  }

  /** The moment from which `allKnow` counts. */
  mark(): void {
    this.#markedAt = performance.now();
  }

  /** Milliseconds until the copy of every API has the index set. @throws Error when that takes too long */
  async allKnow(): Promise<number> {
    for (;;) {
      const milliseconds = performance.now() - this.#markedAt;
      if (this.#apis.every(({ etag }) => this.#isSet(etag))) return milliseconds;
      if (milliseconds > PATIENCE_MILLISECONDS || this.#isOver)
        throw new Error('an API does not know the revocation');
      await sleep(TICK_MILLISECONDS);
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #work(socket: Socket): Promise<void> {
    const { host, path } = this.#options;
    while (!this.#isOver || this.#due.length > 0) {
      const next = this.#due.shift();
      if (next === undefined) {
        await sleep(TICK_MILLISECONDS);
        continue;
      }
      const { api, at } = next;
      const known = api.etag === '' ? '' : `if-none-match: ${api.etag}\r\n`;
      const answer = await exchanged(socket, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${known}\r\n`);
      this.#late.push(performance.now() - at);
      api.isBusy = false;
      if (answer.startsWith('HTTP/1.1 200')) api.etag = this.#kept(answer);
      else if (!answer.startsWith('HTTP/1.1 304')) throw new Error(answer.slice(0, 300));
    }
  }

  #kept(answer: string): string {
    const [, etag = ''] = /^etag: (.+)\r$/im.exec(answer) ?? [];
    if (this.#lists.has(etag)) return etag;
    const [, payload = ''] = answer.slice(answer.indexOf(END_OF_HEADERS)).split('.');
    const { status_list: list } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
      readonly status_list: { readonly lst: string };
    };
    this.#lists.set(etag, inflateSync(Buffer.from(list.lst, 'base64url')));
    return etag;
  }

  #isSet(etag: string): boolean {
    const { idx } = this.#watched ?? { idx: 0 };
    return ((this.#lists.get(etag)?.[idx >> 3] ?? 0) & (1 << (idx & 7))) !== 0;
  }
}
