import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../free-port.ts';
import { type Call, type ManagedServer, startManaged } from './managed-server.ts';
import { atProvider, cookiesOf, type OperatorsProvider, startProvider } from './openid-provider.ts';

const SECRET = 'a secret of the console that is long enough';
let provider: OperatorsProvider;
let server: ManagedServer;
let call: Call;
let agent: Agent;
beforeAll(async () => {
  const port = await freePort();
  const redirectUri = `https://localhost:${port}/console/callback`;
  provider = await startProvider({ id: 'console', secret: SECRET, redirectUri });
  agent = new Agent({ connect: { ca: provider.caPem } });
  server = await startManaged({
    tlsPort: port,
    amend: (own) => {
      const folder = dirname((own.storage as { readonly secretFile: string }).secretFile);
      const [clientSecretFile, caFile] = [join(folder, 'console-secret'), join(folder, 'provider-ca.pem')];
      writeFileSync(clientSecretFile, `${SECRET}\n`, { mode: 0o600 });
      writeFileSync(caFile, provider.caPem);
      const { issuer } = provider;
      const roles = { desk: 'support', night: 'operator' };
      const openid = {
        issuer,
        clientId: 'console',
        clientSecretFile,
        caFile,
        allowPrivateAddress: true,
        roles,
      };
      return { ...own, management: { ...(own.management as object), openid } };
    },
  });
  // Of the CA, and no caller of the configuration.
  call = await server.tls('stranger');
});
afterAll(async () => {
  await agent?.close();
  await server?.stop();
  await provider?.close();
});

async function loggedIn(account: string, path = '/console/tpps?query=x') {
  provider.account = account;
  const begun = await call(path);
  const [cookie = ''] = cookiesOf(begun.headers);
  const back = await atProvider(provider, agent, begun.headers.get('location') ?? '');
  return { begun, cookie, back: `${back.pathname}${back.search}` };
}

describe('an operator of the OpenID provider', () => {
  it('logs in by a code with PKCE, state and nonce, has the role of the claim, and comes back', async () => {
    const { begun, cookie, back } = await loggedIn('desk1');
    const asked = new URL(begun.headers.get('location') ?? '').searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      scope: 'openid',
    });
    expect(asked.get('nonce')).toHaveLength(43);
    const finished = await call(back, { headers: { cookie } });
    expect(finished.status).toBe(200);
    expect(finished.text).toContain('content="0;url=/console/tpps?query=x"');
    const [session = ''] = cookiesOf(finished.headers);
    expect(session).toMatch(/^__Host-tallystick-console=/);
    expect((await call('/console', { headers: { cookie: session } })).status).toBe(200);
    const [event] = await server.sandbox.events({ event: 'management.entered', operator: 'desk1' });
    expect(event).toMatchObject({ role: 'support', kind: 'openid', listener: 'management' });
    // Once only.
    expect((await call(back, { headers: { cookie } })).status).toBe(403);
  });

  it('is refused without a role, in another browser, and with a state or code that is not its own', async () => {
    const without = await loggedIn('guest1');
    const refused = await call(without.back, { headers: { cookie: without.cookie } });
    expect([refused.status, refused.text.includes('ERR_MANAGEMENT_LOGIN')]).toEqual([403, true]);
    const begun = await loggedIn('night1');
    const other = await loggedIn('night2');
    expect((await call(begun.back, { headers: { cookie: other.cookie } })).status).toBe(403);
    expect((await call(begun.back)).status).toBe(403);
    const mixed = new URLSearchParams(begun.back.split('?')[1]);
    mixed.set('code', 'not-a-code');
    expect((await call(`/console/callback?${mixed}`, { headers: { cookie: begun.cookie } })).status).toBe(
      403,
    );
    expect(
      (await call('/console/callback?error=access_denied&state=x', { headers: { cookie: other.cookie } }))
        .status,
    ).toBe(403);
    const local = await server.local();
    expect((await local('/console')).status).toBe(401);
    expect((await local(begun.back)).status).toBe(404);
  });
});
