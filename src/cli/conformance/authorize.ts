import { execFile } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { promisify } from 'node:util';

/** For a person who logs in at a bank, with a second factor. */
const AUTHORIZE_SECONDS = 300;

/** Leads a customer through the bank's pages by a program, or by the person at the terminal. Returns the callback. */
export function authorizeBy(program: string): (url: URL) => Promise<URL> {
  return async (url) => {
    const text = program === '-' ? await asked(url) : await printedBy(program, url);
    const last = text.trim().split('\n').at(-1)?.trim() ?? '';
    if (!URL.canParse(last)) throw new Error(`--authorize has answered no URL: ${last.slice(0, 80)}`);
    return new URL(last);
  };
}

async function printedBy(program: string, url: URL): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [url.href], { timeout: AUTHORIZE_SECONDS * 1000 });
  return stdout;
}

async function asked(url: URL): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const signal = AbortSignal.timeout(AUTHORIZE_SECONDS * 1000);
    return await terminal.question(
      `\nConsent as a customer in a browser, then paste the address at which it ends:\n\n${url.href}\n\n> `,
      { signal },
    );
  } finally {
    terminal.close();
  }
}
