import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Call, type ManagedServer, startManaged } from './managed-server.ts';

let server: ManagedServer;
let call: Call;
beforeAll(async () => {
  server = await startManaged();
  call = await server.local();
});
afterAll(() => server?.stop());

const form = (fields: Record<string, string>, cookie: string) => ({
  method: 'POST',
  text: new URLSearchParams(fields).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded', cookie },
});

async function entered(roles: readonly ['viewer'] | readonly ['operator']) {
  const ticket = (await server.tickets()).create('link', { name: 'ana', roles });
  const answer = await call(`/console/enter?ticket=${ticket}`);
  return { ticket, answer, cookie: (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '' };
}

describe('a one-time link', () => {
  it('opens one session, of the machine where it was made', async () => {
    const { ticket, answer, cookie } = await entered(['viewer']);
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/console']);
    expect(answer.headers.get('set-cookie')).toMatch(
      /^tallystick-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect((await call('/console', { headers: { cookie } })).status).toBe(200);
    const again = await call(`/console/enter?ticket=${ticket}`);
    expect(again.status).toBe(401);
    expect(again.text).toContain('ERR_MANAGEMENT_LINK');
    const bearer = (await server.tickets()).create('bearer', { name: 'ana', roles: ['viewer'] });
    expect((await call(`/console/enter?ticket=${bearer}`)).status).toBe(401);
    const other = (await server.tickets()).create('link', { name: 'ana', roles: ['security'] });
    const tls = await server.tls('stranger');
    expect((await tls(`/console/enter?ticket=${other}`)).status).toBe(401);
    const [event] = await server.sandbox.events({ event: 'management.entered', operator: 'ana' });
    expect(event).toMatchObject({ role: 'viewer', kind: 'local', listener: 'loopback' });
  });

  it('is refused when it is forged, changed or missing', async () => {
    const ticket = (await server.tickets()).create('link', { name: 'ana', roles: ['viewer'] });
    const [payload = '', mac = ''] = ticket.split('.');
    const roles = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const raised = Buffer.from(JSON.stringify({ ...roles, roles: ['security'] })).toString('base64url');
    for (const text of [`${raised}.${mac}`, `${payload}.`, payload, '', 'x'.repeat(5000), `${ticket}.x`]) {
      expect((await call(`/console/enter?ticket=${text}`)).status).toBe(401);
    }
    expect((await call('/console/enter')).status).toBe(401);
    expect((await call('/console')).status).toBe(401);
  });
});

describe('a session', () => {
  it('is no operator of the API, and takes no form but its own', async () => {
    const { cookie } = await entered(['operator']);
    expect((await call('/v1/operator', { headers: { cookie } })).status).toBe(401);
    for (const fields of [{}, { csrf: 'x' }, { csrf: '' }]) {
      const answer = await call('/console/leave', form(fields, cookie));
      expect([answer.status, answer.text.includes('ERR_MANAGEMENT_FORM')]).toEqual([403, true]);
    }
    const foreign = { ...form({}, cookie).headers, origin: 'https://evil.example' };
    expect((await call('/console/leave', { ...form({}, cookie), headers: foreign })).status).toBe(403);
    expect((await call('/console', { headers: { cookie: `${cookie}; ${cookie}` } })).status).toBe(401);
  });

  it('is opened by a certificate, on its listener, with a cookie that no other host can set', async () => {
    const tls = await server.tls('operator');
    const answer = await tls('/console');
    expect(answer.status).toBe(200);
    const cookie = answer.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(
      /^__Host-tallystick-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    // Another certificate does not take it over: it gets a session of its own.
    const viewer = await server.tls('viewer');
    const own = await viewer('/console', { headers: { cookie: cookie.split(';')[0] ?? '' } });
    expect(own.headers.get('set-cookie')).not.toBeNull();
    const stranger = await server.tls('stranger');
    expect((await stranger('/console', { headers: { cookie: cookie.split(';')[0] ?? '' } })).status).toBe(
      401,
    );
  });
});
