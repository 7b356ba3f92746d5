import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';

/** The decision of the customer on the bank's pages. */
export type CustomerAnswer =
  | { readonly decision: 'allow'; readonly username: string; readonly password: string }
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
      } else if (response.status === 200) {
        form = filledForm(html, options.answer);
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

function filledForm(html: string, answer: CustomerAnswer): URLSearchParams {
  const form = new URLSearchParams({ csrf: valuesOf(html, 'csrf')[0] ?? '' });
  if (answer.decision === 'cancel') form.set('action', 'cancel');
  else if (html.includes('name="password"')) {
    form.set('action', 'login');
    form.set('username', answer.username);
    form.set('password', answer.password);
  } else {
    form.set('action', 'approve');
    for (const account of valuesOf(html, 'account')) form.append('account', account);
  }
  return form;
}

function valuesOf(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(`name="${name}" value="([^"]*)"`, 'g'))].map((match) => match[1] ?? '');
}

function textOf(html: string): string {
  return html
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
