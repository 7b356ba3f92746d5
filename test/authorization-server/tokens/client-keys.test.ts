import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { issuerClientKeys } from '../../../src/resource-server/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';
import { clientOf } from '../../resource-server/signatures/signed-client.ts';
import { signingKey } from '../../resource-server/signatures/signed-request.ts';

const CLIENT = 'money-one-mtls';

let bank: TestBank;
let server: RunningServer;
let caller: ReturnType<typeof createCaller>;
let endpoint: string;
const keys = { sig: 'one', enc: 'two' } as const;

beforeAll(async () => {
  bank = await createTestBank({ format: 'jwt' });
  await register();
  const config = parseConfig(bank.config, { source: 'test', folder: bank.folder });
  server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
  caller = createCaller(bank.description);
  endpoint = `${bank.description.mtlsUrl}/client-keys/`;
});
afterAll(async () => {
  await caller.close();
  await server.close();
  await bank.remove();
});

/** Gives one client a key for signatures and one for encryption. */
async function register(): Promise<void> {
  const { clients } = parse(await readFile(bank.files.clients, 'utf8'));
  const made = await Promise.all(
    Object.entries(keys).map(async ([use, kid]) => ({ ...(await signingKey(kid)).jwk, use })),
  );
  const changed = clients.map((client: { readonly client_id: string }) =>
    client.client_id === CLIENT ? { ...client, jwks: { keys: made } } : client,
  );
  await writeFile(bank.files.clients, stringify({ clients: changed }));
}

describe('the registered keys of a client', () => {
  it('are served to the APIs of the bank, those for signatures only', async () => {
    const answer = await caller.send(`${endpoint}${CLIENT}`, { certificate: bank.apis.accounts });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/jwk-set+json');
    const { keys: served } = JSON.parse(answer.text);
    expect(served).toEqual([expect.objectContaining({ kid: 'one', kty: 'EC' })]);
    expect(served[0]).not.toHaveProperty('d');
    const none = await caller.send(`${endpoint}accounts-app-mtls`, { certificate: bank.apis.other });
    expect(JSON.parse(none.text)).toEqual({ keys: [] });
  });

  it('are served to no other caller', async () => {
    const certificates = [
      undefined,
      bank.apis.stranger,
      bank.apis.impostor,
      tppNamed(bank.description, 'money-one'),
    ];
    for (const certificate of certificates) {
      const { status, text } = await caller.send(`${endpoint}${CLIENT}`, certificate && { certificate });
      expect([400, 401]).toContain(status);
      expect(text).not.toContain('keys"');
    }
    const front = await caller.send(`${bank.description.issuer}/client-keys/${CLIENT}`);
    expect(front.status).toBe(404);
  });

  it('are not found for an unknown client or a name that is none', async () => {
    for (const name of ['nobody', '%E0%A4%A', 'a%2Fb', `${CLIENT}/`]) {
      const answer = await caller.send(`${endpoint}${name}`, { certificate: bank.apis.accounts });
      expect(answer.status).toBe(404);
    }
  });

  it('are read by the resource-server package', async () => {
    const { certificateFile, keyFile } = bank.apis.accounts;
    const source = issuerClientKeys({
      endpoint,
      certificatePem: await readFile(certificateFile, 'utf8'),
      privateKeyPem: await readFile(keyFile, 'utf8'),
      caPem: await readFile(bank.description.caFile, 'utf8'),
    });
    const kidsOf = async (clientId: string) =>
      (await source.keysOf(clientOf({ clientId }), 'one')).keys.map(({ kid }) => kid);
    expect(await kidsOf(CLIENT)).toEqual(['one']);
    expect(await kidsOf('nobody')).toEqual([]);
    await source.close();
    await expect(kidsOf('accounts-app-mtls')).rejects.toThrow();
  });

  it('cannot be read from an address that is none', () => {
    for (const wrong of ['http://as.example/client-keys/', 'https://as.example/client-keys', 'x']) {
      const options = { endpoint: wrong, certificatePem: '', privateKeyPem: '' };
      expect(() => issuerClientKeys(options)).toThrow(TypeError);
    }
  });
});
