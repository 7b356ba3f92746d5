import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';
import type { SandboxDescription } from '../folder.ts';

/** A customer with the demo bank's application: logs in, and answers the one request that waits. */
export async function answerOnPhone(
  { appUrl, caFile, customers: [customer] }: SandboxDescription,
  action: 'approve' | 'reject',
): Promise<void> {
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
    await open('/login', new URLSearchParams({ ...customer }));
    const html = await open('/');
    const path = /action="(\/approvals\/[\w-]+)"/.exec(html)?.[1];
    if (path === undefined) throw new Error('nothing waits for the customer');
    const form = new URLSearchParams({ action, csrf: /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '' });
    for (const [, account = ''] of html.matchAll(/name="account" value="([^"]+)"/g))
      form.append('account', account);
    await open(path, form);
  } finally {
    await agent.close();
  }
}
