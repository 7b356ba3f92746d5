import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managementDocument } from '../../src/management/document.ts';
import { managementOperations } from '../../src/management/operations/operations.ts';
import { fileOf } from '../docs/pages.ts';
import { changing, type ManagedServer, startManaged } from './managed-server.ts';

let server: ManagedServer;
beforeAll(async () => {
  server = await startManaged();
});
afterAll(() => server?.stop());

const newClient = (clientId: string) => ({
  client: {
    client_id: clientId,
    client_name: 'A client of the API',
    authorization_number: 'PSDGB-FCA-700001',
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['client_credentials'],
    scope: 'accounts',
  },
});

/** The status of a request to the loopback listener that names a host. */
async function statusUnder(host: string): Promise<number | undefined> {
  const sent = request(`${server.urls.local}/v1/operator`, { headers: { host } }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

describe('an operator', () => {
  it('is named by a bearer token of this machine, or by a certificate, with its roles', async () => {
    const local = await server.local(['support', 'security']);
    expect((await local('/v1/operator')).json).toEqual({
      name: 'support+security',
      roles: ['support', 'security'],
      by: 'local',
    });
    const tls = await server.tls('operator');
    expect((await tls('/v1/operator')).json).toEqual({
      name: 'operator',
      roles: ['operator'],
      by: 'certificate',
    });
  });

  it('O5: is anyone else refused, on each listener and at each address', async () => {
    const forged = await server.local(['security']);
    const [local, tls] = [await server.local(), await server.tls()];
    for (const path of ['/v1/operator', '/openapi.json', '/v1/clients', '/nowhere']) {
      expect(await local(path)).toMatchObject({ status: 401, json: { code: 'ERR_MANAGEMENT_UNKNOWN' } });
      expect(await tls(path)).toMatchObject({ status: 401, json: { code: 'ERR_CERT_MISSING' } });
      for (const holder of ['stranger', 'impostor'] as const) {
        const answer = await (await server.tls(holder))(path);
        expect(answer).toMatchObject({ status: 401, json: { code: 'ERR_MANAGEMENT_UNKNOWN' } });
      }
    }
    const { status } = await forged('/v1/operator', { headers: { authorization: 'Bearer a.b' } });
    expect(status).toBe(401);
    // A token of this machine counts on the loopback listener only.
    const token = (await server.tickets()).create('bearer', { name: 'x', roles: ['security'] });
    const stranger = await server.tls('stranger');
    expect((await stranger('/v1/operator', { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      401,
    );
  });

  it('is refused when a page of another origin or a foreign host name makes the browser send', async () => {
    const call = await server.local(['operator']);
    const refused = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' },
    ];
    for (const headers of refused) {
      const answer = await call('/v1/operator', { headers });
      expect(answer).toMatchObject({ status: 403, json: { code: 'ERR_MANAGEMENT_ORIGIN' } });
    }
    const { port } = new URL(server.urls.local);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', 'x@127.0.0.1']) {
      expect(await statusUnder(host)).toBe(421);
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, '[::1]']) {
      expect(await statusUnder(host)).toBe(401);
    }
  });
});

describe('a change', () => {
  it('needs a role, a reason, a key and a version; is made once, attributed, and known at once', async () => {
    const call = await server.local(['operator']);
    const viewer = await server.local(['viewer']);
    expect(await viewer('/v1/clients', changing(newClient('api-client')))).toMatchObject({
      status: 403,
      json: { code: 'ERR_MANAGEMENT_ROLE' },
    });
    const creation = changing(newClient('api-client'));
    const created = await call('/v1/clients', creation);
    expect(created).toMatchObject({
      status: 201,
      json: { clientId: 'api-client', status: 'active', origin: 'bank' },
    });
    expect((await call('/v1/clients', creation)).json).toEqual(created.json);
    expect(
      await call('/v1/clients', { ...creation, body: { ...newClient('other'), reason: 'else' } }),
    ).toMatchObject({
      status: 422,
      json: { code: 'ERR_MANAGEMENT_IDEMPOTENCY' },
    });
    const path = '/v1/clients/api-client/disable';
    const etag = (await call('/v1/clients/api-client')).headers.get('etag') ?? '';
    expect(created.headers.get('etag')).toBe(etag);
    const cases = [
      [{ ...changing({}, etag), body: {} }, 400, 'ERR_MANAGEMENT_REQUEST'],
      [{ ...changing({ reason: 'no' }, etag) }, 400, 'ERR_MANAGEMENT_REQUEST'],
      [{ ...changing({}, etag), headers: { 'if-match': etag } }, 400, 'ERR_MANAGEMENT_REQUEST'],
      [changing(), 428, 'ERR_MANAGEMENT_VERSION_MISSING'],
      [changing({}, '"of another version"'), 412, 'ERR_MANAGEMENT_VERSION'],
      [changing({}, '*'), 412, 'ERR_MANAGEMENT_VERSION'],
    ] as const;
    for (const [request, status, code] of cases) {
      expect(await call(path, request)).toMatchObject({ status, json: { code } });
    }
    const change = changing({ reason: 'the TPP asked for it' }, etag);
    const [first, second] = await Promise.all([call(path, change), call(path, change)]);
    expect([first.status, second.status].toSorted()).toSatisfy(
      ([one, other]: number[]) => one === 200 && (other === 200 || other === 409),
    );
    expect(await server.sandbox.server.clients.find('api-client')).toBeUndefined();
    const events = await server.sandbox.events({
      event: 'management.changed',
      route: '/v1/clients/{clientId}/disable',
    });
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      operator: 'operator',
      role: 'operator',
      method: 'POST',
      target: 'clientId api-client',
      reason: 'the TPP asked for it',
      listener: 'loopback',
    });
    const refused = await server.sandbox.events({
      event: 'management.refused',
      code: 'ERR_MANAGEMENT_VERSION',
    });
    expect(refused).toHaveLength(2);
  });
});

describe('a body', () => {
  const send = async (body: Buffer | string, headers: Readonly<Record<string, string>> = {}) => {
    const token = (await server.tickets()).create('bearer', { name: 'ana', roles: ['operator'] });
    const sent = request(`${server.urls.local}/v1/blocks`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': 'body',
        ...headers,
      },
    });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await answer.toArray()).toString();
    return { status: answer.statusCode, code: JSON.parse(text).code };
  };

  it('is not unpacked (N14), has a bound, and does not reach a prototype (N3, N4)', async () => {
    const packed = gzipSync(Buffer.alloc(1_000_000, ' '));
    const refused = { status: 400, code: 'ERR_MANAGEMENT_REQUEST' };
    expect(await send(packed, { 'content-encoding': 'gzip' })).toEqual(refused);
    expect(await send('{}', { 'content-encoding': 'br' })).toEqual(refused);
    expect((await send(' '.repeat(300_000))).status).toBe(413);
    expect(await send('['.repeat(100_000))).toEqual(refused);
    expect(await send('{"__proto__":{"reason":"polluted"},"reason":"by a test"}')).toEqual(refused);
    expect(Object.hasOwn(Object.prototype, 'reason')).toBe(false);
    expect(await send('{"reason":"by a test"}', { 'content-type': 'text/plain' })).toEqual(refused);
    // A caller who breaks off ends nothing but the request.
    const broken = request(`${server.urls.local}/v1/blocks`, {
      method: 'POST',
      headers: { 'content-length': '100' },
    });
    broken.on('error', () => undefined).write('{');
    await new Promise((resolve) => setTimeout(resolve, 50));
    broken.destroy();
    expect((await send('{}')).status).toBe(400);
  });
});

describe('the document', () => {
  it('is the one in the repository, and is served', async () => {
    // Nothing runs: the contracts alone make the document.
    const document = managementDocument(managementOperations({} as never));
    const text = `${JSON.stringify(document, undefined, 2)}\n`;
    const file = fileOf('docs/management.openapi.json');
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
    const call = await server.tls('viewer');
    expect((await call('/openapi.json')).json).toEqual(JSON.parse(text));
  });
});
