import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
  /** Where the page leads by itself: a redirect, or a refresh. */
  readonly next: URL | undefined;
}

interface Cookie {
  readonly origin: string;
  readonly path: string;
  readonly name: string;
  readonly value: string;
}

const MAX_STEPS = 12;

/** A browser without scripts, with cookies of its own. */
export class Browser {
  readonly #agent: Agent;
  #cookies: readonly Cookie[] = [];

  static async open(caFile: string): Promise<Browser> {
    return new Browser(new Agent({ connect: { ca: await readFile(caFile, 'utf8') } }));
  }

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** One request; nothing is followed. */
  async visit(url: URL, form?: URLSearchParams): Promise<Page> {
    const cookies = this.#cookies.filter(
      ({ origin, path }) =>
        origin === url.origin &&
        (path === '/' || url.pathname === path || url.pathname.startsWith(`${path}/`)),
    );
    const response = await fetch(url, {
      dispatcher: this.#agent,
      redirect: 'manual',
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'text/html',
        cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '),
        ...(form === undefined ? {} : { origin: url.origin }),
      },
      ...(form === undefined ? {} : { body: form }),
    });
    for (const field of response.headers.getSetCookie()) this.#keep(url, field);
    const text = await response.text();
    const [, refresh] = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(text) ?? [];
    const to = response.headers.get('location') ?? refresh?.replaceAll('&amp;', '&');
    return { url, status: response.status, text, next: to === undefined ? undefined : new URL(to, url) };
  }

  /** Goes on for as long as pages lead on to other addresses of these origins. */
  async follow(start: URL, origins: readonly string[], form?: URLSearchParams): Promise<Page> {
    let page = await this.visit(start, form);
    for (let step = 0; step < MAX_STEPS && page.next !== undefined; step += 1) {
      if (!origins.includes(page.next.origin)) return page;
      page = await this.visit(page.next);
    }
    return page;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #keep({ origin }: URL, field: string): void {
    const [pair = '', ...attributes] = field.split(';').map((part) => part.trim());
    const [name = '', ...value] = pair.split('=');
    const path = attributes.find((one) => /^path=/i.test(one))?.slice('path='.length) ?? '/';
    const cookie = { origin, path, name, value: value.join('=') };
    this.#cookies = [
      ...this.#cookies.filter((one) => !(one.origin === origin && one.path === path && one.name === name)),
      ...(cookie.value === '' ? [] : [cookie]),
    ];
  }
}
