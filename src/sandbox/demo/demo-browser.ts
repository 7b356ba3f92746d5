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

/**
 * Walks through the bank's pages as a browser without scripts does: keeps cookies, follows redirects and pages that lead
 * on, fills the forms. Answers with the URL at which the flow leaves the bank.
 */
export async function walkPages(
  start: URL,
  options: { readonly caFile: string; readonly answer: CustomerAnswer },
): Promise<URL> {
  const agent = new Agent({ connect: { ca: await readFile(options.caFile, 'utf8') } });
  const cookies = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | undefined;
  let [isChosen, isRefused] = [false, false];
  try {
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const response = await fetch(url, {
        dispatcher: agent,
        redirect: 'manual',
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'text/html',
          cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          ...(form === undefined ? {} : { origin: url.origin }),
        },
        ...(form === undefined ? {} : { body: form }),
      });
      keepCookies(cookies, response.headers.getSetCookie());
      const html = await response.text();
      const location = response.headers.get('location') ?? refreshOf(html);
      if (location !== null) {
        url = new URL(location, url);
        form = undefined;
        if (url.origin !== start.origin) return url;
      } else if (response.status === 200 || (isSecond(html) && !isRefused)) {
        isRefused = response.status !== 200;
        ({ form, isChosen } = await filledForm(html, { answer: options.answer, isChosen, isRefused }));
      } else {
        throw new Error(`the bank answered ${response.status}: ${textOf(html)}`);
      }
    }
    throw new Error('the flow does not end');
  } finally {
    await agent.close();
  }
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
