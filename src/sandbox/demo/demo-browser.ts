import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';
import { type SecondElement, secondElementForm } from './second-element.ts';

/** The decision of the customer on the bank's pages. */
export type CustomerAnswer =
  | {
      readonly decision: 'allow';
      readonly username: string;
      readonly password: string;
      /** Absent: a bank that asks for a second element is left. */
      readonly second?: SecondElement | undefined;
      /** Default: every account that the page offers. */
      readonly chooses?: ((accountId: string) => boolean) | undefined;
    }
  | { readonly decision: 'cancel' };

const MAX_PAGES = 12;

/** A browser without scripts: keeps cookies, and follows nothing by itself. */
export class DemoBrowser {
  readonly #agent: Agent;
  readonly #cookies = new Map<string, string>();

  private constructor(agent: Agent) {
    this.#agent = agent;
  }

  static async open(caFile: string): Promise<DemoBrowser> {
    return new DemoBrowser(new Agent({ connect: { ca: await readFile(caFile, 'utf8') } }));
  }

  async visit(
    url: URL,
    form?: URLSearchParams,
  ): Promise<{ readonly status: number; readonly html: string; readonly location: string | null }> {
    const response = await fetch(url, {
      dispatcher: this.#agent,
      redirect: 'manual',
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'text/html',
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(form === undefined ? {} : { origin: url.origin }),
      },
      ...(form === undefined ? {} : { body: form }),
    });
    keepCookies(this.#cookies, response.headers.getSetCookie());
    const html = await response.text();
    return { status: response.status, html, location: response.headers.get('location') ?? refreshOf(html) };
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

/** Walks through the bank's pages in a new browser, and returns the URL at which the flow leaves the bank. */
export async function walkPages(
  start: URL,
  options: { readonly caFile: string; readonly answer: CustomerAnswer },
): Promise<URL> {
  const browser = await DemoBrowser.open(options.caFile);
  const isThere = ({ origin }: URL) => origin !== start.origin;
  try {
    return await walkTo(browser, start, { answer: options.answer, isThere });
  } finally {
    await browser.close();
  }
}

/** Walks through the bank's pages: follows redirects and pages that lead on, and fills the forms, until a page leads there. */
export async function walkTo(
  browser: DemoBrowser,
  start: URL,
  { answer, isThere }: { readonly answer: CustomerAnswer; readonly isThere: (url: URL) => boolean },
): Promise<URL> {
  let url = start;
  let form: URLSearchParams | undefined;
  let [isChosen, isRefused] = [false, false];
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { status, html, location } = await browser.visit(url, form);
    if (location !== null) {
      url = new URL(location, url);
      form = undefined;
      if (isThere(url)) return url;
    } else if (status === 200 || (isSecond(html) && !isRefused)) {
      isRefused = status !== 200;
      ({ form, isChosen } = await filledForm(html, { answer, isChosen, isRefused }));
    } else {
      throw new Error(`the bank answered ${status}: ${textOf(html)}`);
    }
  }
  throw new Error('the flow does not end');
}

function keepCookies(cookies: Map<string, string>, fields: readonly string[]): void {
  for (const field of fields) {
    const [pair = ''] = field.split(';');
    const at = pair.indexOf('=');
    cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

/** The address to which a page leads by itself. */
function refreshOf(html: string): string | null {
  return /http-equiv="refresh" content="0; url=([^"]+)"/.exec(html)?.[1] ?? null;
}

async function filledForm(
  html: string,
  {
    answer,
    isChosen,
    isRefused,
  }: { readonly answer: CustomerAnswer; readonly isChosen: boolean; readonly isRefused: boolean },
): Promise<{ readonly form: URLSearchParams; readonly isChosen: boolean }> {
  const form = new URLSearchParams({ csrf: valuesOf(html, 'csrf')[0] ?? '' });
  const fill = (fields: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    return { form, isChosen };
  };
  if (answer.decision === 'cancel') return fill({ action: 'cancel' });
  const [step = ''] = valuesOf(html, 'step');
  const { username, password, second, chooses = () => true } = answer;
  if (html.includes('name="password"')) return fill({ action: 'login', step, username, password });
  if (isSecond(html)) {
    const filled = await secondElementForm(html, { second, isChosen, isRefused });
    return { ...fill({ action: 'login', step, ...filled.fields }), isChosen: filled.isChosen };
  }
  const wanted = valuesOf(html, 'account').filter(chooses);
  // A payment leaves one account.
  const chosen = html.includes('type="radio"') ? wanted.slice(0, 1) : wanted;
  for (const account of chosen) form.append('account', account);
  return fill({ action: 'approve' });
}

/** Whether a page asks for a second element. */
function isSecond(html: string): boolean {
  return html.includes('id="factor-form"');
}

function valuesOf(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(`name="${name}" value="([^"]*)"`, 'g'))].map((match) => match[1] ?? '');
}

/** The sentence about a fault, or the begin of the page. */
function textOf(html: string): string {
  const alert = /role="alert"[^>]*>([\s\S]*?)<\/p>/.exec(html)?.[1] ?? html;
  return alert
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
