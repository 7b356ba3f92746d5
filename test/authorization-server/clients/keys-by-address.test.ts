import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeysByAddress } from '../../../src/authorization-server/clients/keys-by-address.ts';
import type { Log } from '../../../src/events.ts';
import { TestClock } from '../../storage/store-contract.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

interface Pair {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

async function pairOf(kid: string, more: object = {}): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, ...more } };
}

let sandbox: TestSandbox;
let server: Server;
let port: number;
let caPem: string;
/** Paths that were asked for. */
const asked: string[] = [];
let answer: (response: ServerResponse, path: string) => void;
const answerKeys = (...keys: object[]) => {
  answer = (response) => void response.end(JSON.stringify({ keys }));
};
const address = (path: string) => `https://localhost:${port}${path}`;

beforeAll(async () => {
  sandbox = await startTestSandbox();
  const pki = (file: string) => readFile(join(sandbox.folder, 'pki', file), 'utf8');
  const [cert, key] = await Promise.all([pki('server.pem'), pki('server.key')]);
  caPem = await readFile(sandbox.description.caFile, 'utf8');
  server = createServer({ cert, key }, (request, response) => {
    asked.push(String(request.url));
    answer(response, String(request.url));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
beforeEach(() => void asked.splice(0));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await sandbox.stop();
});

describe('keys at an address', () => {
  const clock = new TestClock();
  const emit = vi.fn<Log['emit']>();
  const keysAt = (path: string, privateHosts: readonly string[] = ['localhost']) =>
    new KeysByAddress({
      ...{ caPem, privateHosts, clock, log: { emit } },
      maxAgeSeconds: 300,
      keptSeconds: 3600,
    }).at(path.startsWith('/') ? address(path) : path);
  const kidsOf = (keys: readonly JWK[]) => keys.map(({ kid }) => kid);
  beforeEach(() => void emit.mockClear());

  it('are read once for many requests, and again when they are too old: a removed key ends (H12)', async () => {
    const [one, two] = await Promise.all([pairOf('one'), pairOf('two')]);
    const keys = keysAt('/once');
    expect(asked).toEqual([]);
    answerKeys(one.jwk);
    const all = await Promise.all(Array.from({ length: 20 }, () => keys.current()));
    expect(all.every((found) => found === all[0])).toBe(true);
    expect([kidsOf(all[0] ?? []), asked]).toEqual([['one'], ['/once']]);
    answerKeys(two.jwk);
    clock.forward(299);
    expect(kidsOf(await keys.current())).toEqual(['one']);
    clock.forward(1);
    expect(kidsOf(await keys.current())).toEqual(['two']);
  });

  it('are read anew for a key that is not known, and not more often than once in 30 seconds', async () => {
    const [one, two] = await Promise.all([pairOf('one'), pairOf('two')]);
    const keys = keysAt('/renewed');
    answerKeys(one.jwk);
    await keys.current();
    answerKeys(one.jwk, two.jwk);
    expect(kidsOf(await keys.renew())).toEqual(['one', 'two']);
    expect(keys.mayRenew).toBe(false);
    answerKeys();
    for (let time = 0; time < 10; time += 1) await keys.renew();
    expect(asked).toHaveLength(2);
    clock.forward(30);
    expect(kidsOf(await keys.renew())).toEqual([]);
  });

  it('stay for a stated time while their address fails, with one event, and are none after it', async () => {
    const { jwk } = await pairOf('one');
    const keys = keysAt('/kept');
    answerKeys(jwk);
    await keys.current();
    answer = (response) => void response.writeHead(500).end();
    for (let time = 0; time < 5; time += 1) {
      clock.forward(301);
      expect(kidsOf(await keys.current())).toEqual(['one']);
    }
    expect(emit).toHaveBeenCalledTimes(1);
    expect(emit.mock.calls[0]).toMatchObject(['client.keys.not-renewed', { url: `localhost:${port}` }]);
    clock.forward(3600);
    expect(await keys.current()).toEqual([]);
    answerKeys(jwk);
    clock.forward(31);
    expect(kidsOf(await keys.current())).toEqual(['one']);
  });

  it('are those for signatures and encryption: no key for TLS, no certificate, no other type', async () => {
    const names = ['sig', 'plain', 'enc'] as const;
    const [sig, plain, enc] = await Promise.all(names.map((name) => pairOf(name)));
    answerKeys(
      { ...sig?.jwk, use: 'sig', x5c: ['MIIB'], x5u: 'https://attacker.example/' },
      { ...plain?.jwk },
      { ...enc?.jwk, use: 'enc' },
      { ...(await pairOf('tls')).jwk, use: 'tls' },
      { ...(await pairOf('certificate')).jwk, x5c: ['MIIB'] },
      { kty: 'XYZ', kid: 'new' },
    );
    const found = await keysAt('/uses').current();
    expect(kidsOf(found)).toEqual(['sig', 'plain', 'enc']);
    expect(found[0]).not.toHaveProperty('x5c');
    expect(found[0]).not.toHaveProperty('x5u');
  });

  it.each<[string, () => Promise<unknown> | unknown]>([
    ['a private key', async () => ({ keys: [{ ...(await pairOf('one')).jwk, d: 'AAAA' }] })],
    ['a symmetric key', () => ({ keys: [{ kty: 'oct', k: 'AAAA' }] })],
    ['an RSA key with the exponent 1', () => ({ keys: [{ kty: 'RSA', n: 'v'.repeat(342), e: 'AQ' }] })],
    ['51 keys', async () => ({ keys: Array(51).fill((await pairOf('one')).jwk) })],
    ['10,000 keys', () => ({ keys: Array(10_000).fill({ kty: 'RSA' }) })],
    ['no list', () => ({ keys: 'all' })],
    ['another document', () => ['keys']],
    ['no JSON', () => undefined],
  ])('are none of a set with %s (H11)', async (_what, make) => {
    const document = await make();
    answer = (response) => void response.end(document === undefined ? '<html>' : JSON.stringify(document));
    expect(await keysAt('/bad').current()).toEqual([]);
    expect(emit).toHaveBeenCalledTimes(1);
  });

  it('are not read where a redirect leads, and not without an end (H10)', async () => {
    answer = (response, path) => {
      if (path === '/redirect') response.writeHead(302, { location: address('/elsewhere') }).end();
      else response.write('{"keys":[');
      if (path === '/endless') for (let time = 0; time < 20; time += 1) response.write(' '.repeat(8192));
    };
    expect(await keysAt('/redirect').current()).toEqual([]);
    expect(await keysAt('/endless').current()).toEqual([]);
    expect(asked).toEqual(['/redirect', '/endless']);
  });

  it.each([
    'https://127.0.0.1',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://2130706433',
    'https://localhost',
  ])('are not asked for at %s, an address of this machine (H10)', async (host) => {
    answerKeys();
    expect(await keysAt(`${host}:${port}/`, []).current()).toEqual([]);
    expect(asked).toEqual([]);
    expect(emit.mock.calls[0]?.[1]?.error).toMatchObject({ code: 'ERR_OUTBOUND_REFUSED' });
  });
});

describe('a client whose keys are at an address', () => {
  const assertionBy = async ({ privateKey, jwk }: Pair, clientId: string) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: clientId, sub: clientId, aud: sandbox.description.issuer, jti: randomUUID() };
    return new CompactSign(Buffer.from(JSON.stringify({ ...claims, iat: now, exp: now + 60 })))
      .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
      .sign(privateKey);
  };
  const ask = async (pair: Pair, clientId: string) =>
    sandbox.post('money-one', '/token', {
      grant_type: 'client_credentials',
      scope: 'accounts',
      client_id: clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertionBy(pair, clientId),
    });
  const register = async (clientId: string) => {
    const known = await sandbox.server.clients.find('money-one-jwt');
    if (known === undefined) throw new Error('the sandbox has no such client');
    const { jwks: _, ...rest } = known;
    await sandbox.server.clients.register({
      ...rest,
      client_id: clientId,
      jwks_uri: address(`/${clientId}`),
    });
  };

  it('authenticates with a key there, with a new one at once, and not with one that was never there', async () => {
    const [one, two, foreign] = await Promise.all([pairOf('one'), pairOf('two'), pairOf('one')]);
    await register('addressed');
    answerKeys(one.jwk);
    expect((await ask(one, 'addressed')).status).toBe(200);
    answerKeys(one.jwk, two.jwk);
    expect((await ask(two, 'addressed')).status).toBe(200);
    expect((await ask(foreign, 'addressed')).json).toMatchObject({ error: 'invalid_client' });
    expect(asked).toEqual(['/addressed', '/addressed']);
  });

  it('is refused while its address never answers, and holds up no other client', async () => {
    const one = await pairOf('one');
    await Promise.all([register('silent'), register('quick')]);
    answer = (response, path) => {
      if (path === '/quick') response.end(JSON.stringify({ keys: [one.jwk] }));
    };
    let isSilentAnswered = false;
    const silent = ask(one, 'silent').then((given) => {
      isSilentAnswered = true;
      return given;
    });
    await vi.waitFor(() => expect(asked).toContain('/silent'), { timeout: 5000 });
    expect((await ask(one, 'quick')).status).toBe(200);
    expect(isSilentAnswered).toBe(false);
    expect((await silent).json).toMatchObject({ error: 'invalid_client' });
  });
});
