import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';
import type { SandboxDescription } from '../folder.ts';

/**
 * A customer with the demo bank's application: logs in, and answers the one request that waits. A number that the browser
 * shows has to be on the phone too.
 */
export async function answerOnPhone(
  { appUrl, caFile, customers }: SandboxDescription,
  action: 'approve' | 'reject',
  { username = 'alice', comparison = '' }: { readonly username?: string; readonly comparison?: string } = {},
): Promise<void> {
  const customer = customers.find((one) => one.username === username);
  const agent = new Agent({ connect: { ca: await readFile(caFile, 'utf8') } });
  let cookie = '';
  const open = async (path: string, form?: URLSearchParams) => {
    const response = await fetch(`${appUrl}${path}`, {
      dispatcher: agent,
      redirect: 'manual',
      headers: { cookie },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie;
    if (response.status >= 400) throw new Error(`the application answered ${response.status}`);
    return response.text();
  };
  try {
    const { password = '' } = customer ?? {};
    await open('/login', new URLSearchParams({ username, password }));
    const html = await open('/');
    const path = /action="(\/(?:approvals|confirmations)\/[\w-]+)"/.exec(html)?.[1];
    if (path === undefined) throw new Error('nothing waits for the customer');
    if (!html.includes(comparison)) throw new Error('the phone shows another number than the browser');
    const form = new URLSearchParams({ action, csrf: /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '' });
    for (const [, account = ''] of html.matchAll(/name="account" value="([^"]+)"/g))
      form.append('account', account);
    await open(path, form);
  } finally {
    await agent.close();
  }
}
