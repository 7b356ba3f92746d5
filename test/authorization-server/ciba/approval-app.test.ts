import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, refusalOf } from './ciba-tpp.ts';

let sandbox: TestSandbox;
let tpp: CibaTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  tpp = await CibaTpp.open(sandbox, 'money-one-jwt-ciba-poll');
});
afterAll(async () => {
  await tpp.close();
  await sandbox.stop();
});

const at = (path: string) => `${sandbox.description.appUrl}${path}`;

async function logIn(username: string): Promise<string> {
  const customer = sandbox.description.customers.find((one) => one.username === username);
  const answer = await sandbox.send(at('/login'), {
    method: 'POST',
    body: new URLSearchParams({ ...customer }),
  });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/']);
  const cookie = answer.headers.getSetCookie()[0] ?? '';
  expect(cookie).toMatch(/^__Host-app=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  return cookie.split(';')[0] ?? '';
}

const page = (cookie: string) => sandbox.send(at('/'), { headers: { cookie } });
const foundIn = (html: string, pattern: RegExp) => pattern.exec(html)?.[1] ?? '';
const formOf = (html: string) => ({
  action: foundIn(html, /<form method="post" action="(\/approvals\/[\w-]+)"/),
  csrf: foundIn(html, /name="csrf" value="([^"]+)"/),
});

function answer(cookie: string, action: string, form: [string, string][], origin?: string) {
  return sandbox.send(at(action), {
    method: 'POST',
    headers: { cookie, ...(origin === undefined ? {} : { origin }) },
    body: new URLSearchParams(form),
  });
}

describe("the demo bank's application", () => {
  it('asks the customer in plain words, and takes the answer once', async () => {
    const cookie = await logIn('alice');
    expect((await page(cookie)).text).toContain('Nothing waits');
    const { auth_req_id: authReqId } = await tpp.ask({ binding_message: '<b>Sofa</b> & 42' });
    const shown = await page(cookie);
    expect(shown.text).toContain('&lt;b&gt;Sofa&lt;/b&gt; &amp; 42');
    expect(shown.text).toContain('See your accounts');
    expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(shown.text).not.toMatch(/<script/i);
    const { action, csrf } = formOf(shown.text);
    const none = await answer(cookie, action, [
      ['csrf', csrf],
      ['action', 'approve'],
    ]);
    expect(none.status).toBe(422);
    expect(none.text).toContain('role="alert"');
    const chosen: [string, string][] = [
      ['csrf', csrf],
      ['action', 'approve'],
      ['account', 'acc-1002'],
    ];
    expect((await answer(cookie, action, chosen)).text).toContain('You have allowed');
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
    const again = await answer(cookie, action, [
      ['csrf', csrf],
      ['action', 'reject'],
    ]);
    expect(again.text).toContain('answered before');
  });

  it('takes no answer of another customer, another site or a form without its token', async () => {
    const [alice, bob] = [await logIn('alice'), await logIn('bob')];
    const { auth_req_id: authReqId } = await tpp.ask();
    expect((await page(bob)).text).toContain('Nothing waits');
    const { action, csrf } = formOf((await page(alice)).text);
    const reject: [string, string][] = [
      ['csrf', csrf],
      ['action', 'reject'],
    ];
    expect((await answer('', action, reject)).status).toBe(403);
    expect((await answer(bob, action, reject)).status).toBe(403);
    expect((await answer(alice, action, [['action', 'reject']])).status).toBe(403);
    expect((await answer(alice, action, reject, 'https://evil.example')).status).toBe(403);
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('authorization_pending');
    expect((await answer(alice, action, reject, sandbox.description.appUrl)).status).toBe(200);
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('access_denied');
  });

  it('lets nobody in with a wrong password, and answers for nobody unless it is automated', async () => {
    const form = new URLSearchParams({ username: 'alice', password: 'wrong' });
    expect((await sandbox.send(at('/login'), { method: 'POST', body: form })).status).toBe(422);
    const { auth_req_id: authReqId } = await tpp.ask();
    const automated = at(`/automated-approval?auth_req_id=${authReqId}&action=allow`);
    expect((await sandbox.send(automated, { method: 'POST' })).status).toBe(404);
  });
});
