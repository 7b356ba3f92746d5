import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';
import { createProver, type Prover } from '../dpop-prover.ts';
import { signedForm } from '../signed-form.ts';

const BY_KEY = 'by-key';
const BY_BOTH = 'by-both';
const codeIn = (json: Record<string, unknown>) => /^ERR_\w+/.exec(String(json.error_description ?? ''))?.[0];

describe.each(['jwt', 'opaque'] as const)('%s tokens that are bound to a DPoP key', (format) => {
  let bank: TestBank;
  let server: RunningServer;
  let caller: ReturnType<typeof createCaller>;
  let prover: Prover;
  beforeAll(async () => {
    [bank, prover] = await Promise.all([createTestBank({ format }), createProver()]);
    await writeClients('dpop');
    const value = {
      ...bank.config,
      senderConstraints: { allowed: ['certificate', 'certificate-and-dpop', 'dpop'] },
      certificatesDemanded: 'where-tokens-are-bound-to-one',
    };
    const config = parseConfig(value, { source: 'test', folder: bank.folder });
    server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
    caller = createCaller(bank.description);
  });
  afterAll(async () => {
    await caller.close();
    await server.close();
    await bank.remove();
  });

  /** Two clients of money-one: one of a key alone, or of the certificate, and one of both. */
  async function writeClients(constraint: string): Promise<void> {
    const { organizationIdentifier, signingKeyFile } = tppNamed(bank.description, 'money-one');
    const { d, ...jwk } = JSON.parse(readFileSync(signingKeyFile, 'utf8'));
    const common = {
      client_name: 'Money One',
      authorization_number: organizationIdentifier,
      grant_types: ['client_credentials'],
      scope: 'accounts',
    };
    const clients = [
      {
        ...common,
        client_id: BY_KEY,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [jwk] },
        sender_constraint: constraint,
      },
      {
        ...common,
        client_id: BY_BOTH,
        token_endpoint_auth_method: 'tls_client_auth',
        sender_constraint: 'certificate-and-dpop',
      },
    ];
    await replaceFile(bank.files.clients, stringify({ clients }));
  }

  const urlOf = (path: string) => `${bank.description.mtlsUrl}${path}`;
  /** A request without a certificate of the client that authenticates by its key. */
  const byKey = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    caller.send(urlOf(path), {
      form: { ...form, ...(await signedForm(bank.description, BY_KEY)) },
      headers,
    });
  const CREDENTIALS = { grant_type: 'client_credentials', scope: 'accounts' };
  const requestByKey = async () =>
    byKey('/token', CREDENTIALS, { dpop: await prover.proof(urlOf('/token')) });
  const tokenByKey = async () => String((await requestByKey()).json.access_token);
  const tokenByBoth = async () => {
    const { json } = await caller.send(urlOf('/token'), {
      certificate: tppNamed(bank.description, 'money-one'),
      form: { ...CREDENTIALS, client_id: BY_BOTH },
      headers: { dpop: await prover.proof(urlOf('/token')) },
    });
    return String(json.access_token);
  };
  const introspect = async (token: string) =>
    (
      await caller.send(urlOf('/introspect'), {
        certificate: bank.apis.accounts,
        form: { client_id: 'accounts-api', token },
      })
    ).json;

  it('are introspected with their key, and the certificate where they are bound to one (RFC 9449 §6.2)', async () => {
    expect(await introspect(await tokenByKey())).toMatchObject({
      active: true,
      token_type: 'DPoP',
      client_id: BY_KEY,
      cnf: { jkt: prover.jkt },
      authorization_number: tppNamed(bank.description, 'money-one').organizationIdentifier,
      nca: 'GB-FCA',
      tpp_roles: ['PSP_AI', 'PSP_IC', 'PSP_PI'],
    });
    const { token_type, cnf } = await introspect(await tokenByBoth());
    expect([token_type, Object.keys(cnf as object).toSorted()]).toEqual(['DPoP', ['jkt', 'x5t#S256']]);
    expect(Object.keys((await introspect(await tokenByKey())).cnf as object)).toEqual(['jkt']);
  });

  it('are revoked, and asked about, by their client as all others', async () => {
    const token = await tokenByKey();
    const asked = await byKey('/introspect', { token });
    if (format === 'opaque') expect(asked.json).toMatchObject({ active: true, token_type: 'DPoP' });
    const both = await tokenByBoth();
    const certificate = tppNamed(bank.description, 'money-one');
    const direct = await caller.send(urlOf('/introspect'), {
      certificate,
      form: { client_id: BY_BOTH, token: both },
    });
    if (format === 'opaque')
      expect(direct.json).toMatchObject({ token_type: 'DPoP', cnf: { jkt: prover.jkt } });
    expect((await byKey('/revoke', { token })).status).toBe(200);
    expect(await introspect(token)).toEqual({ active: false });
  });

  it.runIf(format === 'jwt')('end when their client must present a certificate from now on', async () => {
    const token = await tokenByKey();
    await writeClients('certificate-and-dpop');
    await expect.poll(async () => (await introspect(token)).active, { timeout: 6000 }).toBe(false);
    const refused = await requestByKey();
    expect([refused.status, codeIn(refused.json)]).toEqual([400, 'ERR_CERT_MISSING']);
    await writeClients('dpop');
    await expect.poll(async () => (await requestByKey()).status, { timeout: 6000 }).toBe(200);
  });

  it('a bad certificate refuses, also where none is demanded', async () => {
    const stranger = await caller.send(urlOf('/token'), {
      certificate: bank.apis.stranger,
      form: { ...CREDENTIALS, ...(await signedForm(bank.description, BY_KEY)) },
      headers: { dpop: await prover.proof(urlOf('/token')) },
    });
    expect([stranger.status, codeIn(stranger.json)]).toEqual([400, 'ERR_CERT_UNTRUSTED']);
    const other = await caller.send(urlOf('/token'), {
      certificate: tppNamed(bank.description, 'money-two'),
      form: { ...CREDENTIALS, ...(await signedForm(bank.description, BY_KEY)) },
      headers: { dpop: await prover.proof(urlOf('/token')) },
    });
    expect([other.status, codeIn(other.json)]).toEqual([400, 'ERR_TPP_CLIENT_MISMATCH']);
  });

  // Last: the TPP is lost at the end.
  it.runIf(format === 'jwt')(
    'without a certificate, need a TPP that is registered and not blocked, at each request and status check (PSD2 article 68)',
    async () => {
      const token = await tokenByKey();
      const isActive = async () => (await introspect(token)).active;
      const refusal = async () => codeIn((await requestByKey()).json);
      const { organizationIdentifier: authorizationNumber } = tppNamed(bank.description, 'money-one');
      const block = { authorizationNumber, nca: 'GB-FCA', since: '2026-01-01', reason: 'x' };
      await replaceFile(bank.files.blocks, stringify({ blocked: [block] }));
      await expect.poll(isActive, { timeout: 6000 }).toBe(false);
      expect(await refusal()).toBe('ERR_TPP_BLOCKED');
      const { tpps } = parse(readFileSync(bank.files.registry, 'utf8')) as { tpps: (typeof block)[] };
      const others = tpps.filter((one) => one.authorizationNumber !== authorizationNumber);
      await replaceFile(bank.files.registry, stringify({ tpps: others }));
      await replaceFile(bank.files.blocks, stringify({ blocked: [] }));
      await expect.poll(refusal, { timeout: 6000 }).toBe('ERR_TPP_NOT_REGISTERED');
      expect(await isActive()).toBe(false);
    },
  );
});
