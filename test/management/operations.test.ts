import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { reloadFollowedFiles } from '../../src/files/followed-file.ts';
import { type Call, changing, type ManagedServer, startManaged } from './managed-server.ts';

let server: ManagedServer;
let call: Call;
let number: string;
/** The client of the file. */
let client: string;
let registryFile: string;
beforeAll(async () => {
  server = await startManaged({
    amend: (own) => {
      registryFile = (own.registry as { readonly file: string }).file;
      return own;
    },
  });
  call = await server.local(['support', 'operator', 'security']);
  const tpp = server.sandbox.description.tpps.find(({ name }) => name === 'money-one');
  number = tpp?.organizationIdentifier ?? '';
  client = tpp?.clients.tls_client_auth.client_id ?? '';
});
afterAll(() => server?.stop());

async function token(): Promise<{ readonly status: number; readonly text: string }> {
  return server.sandbox.post('money-one', '/token', {
    grant_type: 'client_credentials',
    client_id: client,
    scope: 'accounts',
  });
}

/** Reads a resource, and changes the version that was read. */
async function change(path: string, word: string, body: object = {}) {
  const etag = (await call(path)).headers.get('etag') ?? undefined;
  return call(`${path}${word}`, changing(body, etag));
}

describe('TPPs and certificates', () => {
  it('are shown with all that is known of them', async () => {
    expect((await token()).status).toBe(200);
    const certificates = await expect
      .poll(async () => (await call('/v1/certificates')).json.certificates)
      .toHaveLength(1)
      .then(async () => (await call(`/v1/certificates?tpp=${number}`)).json.certificates);
    const [{ thumbprint, daysLeft }] = certificates;
    expect(daysLeft).toBeGreaterThan(0);
    const { json: tpp } = await call(`/v1/tpps/${number}`);
    expect(tpp).toMatchObject({
      authorizationNumber: number,
      status: 'active',
      mayAct: true,
      isBlocked: false,
      certificates: [{ thumbprint }],
    });
    expect(tpp.clients.map(({ clientId }: { clientId: string }) => clientId)).toContain(client);
    const { json: certificate } = await call(`/v1/certificates/${thumbprint}`);
    expect(certificate.decision).toMatchObject({ decision: 'accepted' });
    expect(certificate.decision.groups.map(({ title }: { title: string }) => title)).toContain('registry');
    expect(certificate.pem).toContain('-----BEGIN CERTIFICATE-----');
    const { json: list } = await call('/v1/tpps?limit=1');
    expect(list.tpps).toHaveLength(1);
    expect((await call(`/v1/tpps?after=${list.next}`)).json.tpps).toHaveLength(list.total - 1);
    expect((await call('/v1/tpps/PSDGB-FCA-000000')).status).toBe(404);
  });
});

describe('a block', () => {
  it('counts for certificates and tokens within a second, and its lift too', async () => {
    const { json: tpp } = await call(`/v1/tpps/${number}`);
    const made = await call(
      '/v1/blocks',
      changing({ blocked: { kind: 'tpp', authorizationNumber: number }, reason: 'fraud, case 7' }),
    );
    expect(made).toMatchObject({ status: 201, json: { origin: 'store', reason: 'fraud, case 7' } });
    expect((await token()).text).toContain('ERR_TPP_BLOCKED');
    expect((await call(`/v1/tpps/${number}`)).json).toMatchObject({
      isBlocked: true,
      mayAct: false,
      refusal: { code: 'ERR_TPP_BLOCKED' },
      blocks: [{ blockId: made.json.blockId }],
    });
    const [{ thumbprint }] = tpp.certificates;
    expect((await call(`/v1/certificates/${thumbprint}`)).json.decision.code).toBe('ERR_TPP_BLOCKED');
    const again = changing({ blocked: { kind: 'tpp', authorizationNumber: number } });
    expect(await call('/v1/blocks', again)).toMatchObject({
      status: 409,
      json: { code: 'ERR_BLOCK_EXISTS' },
    });
    expect(await change(`/v1/blocks/${made.json.blockId}`, '/lift')).toMatchObject({ status: 200 });
    expect((await token()).status).toBe(200);
    expect((await call('/v1/blocks')).json).toEqual({ blocks: [], inFile: 0 });
  });

  it('names a certificate as the certificate shows it, and ends at its time', async () => {
    const [seen] = (await call('/v1/certificates')).json.certificates;
    const { issuer, serialNumber } = (await call(`/v1/certificates/${seen.thumbprint}`)).json;
    const blocked = { kind: 'certificate', issuer, serialNumber };
    const past = changing({ blocked, until: '2020-01-01T00:00:00Z' });
    expect(await call('/v1/blocks', past)).toMatchObject({ status: 400, json: { member: 'body.until' } });
    const until = new Date(Date.now() + 1500).toISOString();
    expect((await call('/v1/blocks', changing({ blocked, until }))).status).toBe(201);
    expect((await token()).text).toContain('ERR_CERT_BLOCKED');
    await expect.poll(async () => (await token()).status, { timeout: 5000 }).toBe(200);
  });

  it('is refused where nothing can be blocked by it', async () => {
    const faults = [
      { kind: 'certificate', issuer: 'no name', serialNumber: '1' },
      { kind: 'certificate', issuer: 'CN=CA', serialNumber: 'xyz' },
      { kind: 'tpp', authorizationNumber: number, nca: 'NOWHERE' },
      { kind: 'person' },
    ];
    for (const blocked of faults) {
      expect(await call('/v1/blocks', changing({ blocked }))).toMatchObject({
        status: 400,
        json: { code: 'ERR_MANAGEMENT_REQUEST' },
      });
    }
  });
});

describe('a client', () => {
  const registration = {
    client_id: 'made-here',
    client_name: 'Made here',
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['client_credentials'],
    scope: 'accounts',
  };

  it('is made, used, changed, disabled, enabled and deleted', async () => {
    const entry = { ...registration, authorization_number: number };
    expect((await call('/v1/clients', changing({ client: entry }))).status).toBe(201);
    const ask = () =>
      server.sandbox.post('money-one', '/token', {
        grant_type: 'client_credentials',
        client_id: 'made-here',
        scope: 'accounts',
      });
    expect((await ask()).status).toBe(200);
    const path = '/v1/clients/made-here';
    const etag = (await call(path)).headers.get('etag') ?? '';
    const put = { ...changing({ client: { ...entry, client_name: 'Renamed' } }, etag), method: 'PUT' };
    const changed = await call(path, put);
    expect(changed).toMatchObject({ status: 200, json: { name: 'Renamed' } });
    expect(changed.headers.get('etag')).not.toBe(etag);
    expect((await change(path, '/disable')).json.status).toBe('disabled');
    expect((await ask()).text).toContain('invalid_client');
    expect(await change(path, '/disable')).toMatchObject({
      status: 409,
      json: { code: 'ERR_CLIENT_REGISTRATION' },
    });
    expect((await change(path, '/enable')).json.status).toBe('active');
    expect((await ask()).status).toBe(200);
    expect((await change(path, '/delete')).json).toEqual({ clientId: 'made-here', status: 'deleted' });
    expect((await ask()).text).toContain('invalid_client');
    expect((await call(path)).status).toBe(404);
    expect(await call('/v1/clients', changing({ client: entry }))).toMatchObject({ status: 409 });
  });

  it('of a file is shown, and changed in its file only', async () => {
    const { json } = await call(`/v1/clients/${client}`);
    expect(json).toMatchObject({ origin: 'file', authorizationNumber: number });
    expect(await change(`/v1/clients/${client}`, '/disable')).toMatchObject({
      status: 409,
      json: { code: 'ERR_MANAGEMENT_FIXED' },
    });
  });

  it('keeps to the rules of the configuration, and to its TPP', async () => {
    const entry = { ...registration, client_id: 'ruled', authorization_number: number };
    const foreign = { ...entry, scope: 'unknown' };
    expect(await call('/v1/clients', changing({ client: foreign }))).toMatchObject({ status: 409 });
    expect(await call('/v1/clients', changing({ client: { client_id: 'x' } }))).toMatchObject({
      status: 400,
      json: { member: 'body.client.client_name' },
    });
    expect((await call('/v1/clients', changing({ client: entry }))).status).toBe(201);
    const etag = (await call('/v1/clients/ruled')).headers.get('etag') ?? '';
    const moved = { ...entry, authorization_number: 'PSDGB-FCA-765432' };
    const put = { ...changing({ client: moved }, etag), method: 'PUT' };
    expect(await call('/v1/clients/ruled', put)).toMatchObject({ status: 409 });
  });
});

describe('a consent', () => {
  it('is found by TPP, client, customer and grant, and ended', async () => {
    const { consents } = server.sandbox.server;
    const { consentId } = await consents.create({
      reference: 'scope',
      clientId: client,
      authorizationNumber: number,
      psuId: 'carol',
      details: [],
      expiresAt: new Date(Date.now() + 3_600_000),
      by: { kind: 'bank' },
    });
    for (const by of [{ tpp: number }, { client }, { customer: 'carol' }]) {
      const { json } = await call('/v1/consents/search', { method: 'POST', body: by });
      expect(json.consents).toMatchObject([
        { consentId, customer: 'carol', status: 'awaiting-authorisation' },
      ]);
    }
    expect((await call(`/v1/consents/${consentId}~grant`)).json.consentId).toBe(consentId);
    const ended = await change(`/v1/consents/${consentId}`, '/end', { reason: 'the customer called' });
    expect(ended).toMatchObject({ status: 200, json: { status: 'revoked' } });
    expect(ended.json.history.at(-1)).toMatchObject({
      by: { kind: 'bank', id: 'support+operator+security' },
      reason: 'the customer called',
    });
    expect(await change(`/v1/consents/${consentId}`, '/end')).toMatchObject({
      status: 409,
      json: { code: 'ERR_CONSENT_STATUS' },
    });
    const both = { method: 'POST', body: { tpp: number, client } };
    expect((await call('/v1/consents/search', both)).status).toBe(400);
  });
});

describe('keys and registers', () => {
  it('are shown without secrets, and keys rotate', async () => {
    const before = await call('/v1/keys');
    expect(before.text).not.toContain('"d"');
    const rotated = await change('/v1/keys', '/rotate', { delaySeconds: 600 });
    expect(rotated.status).toBe(200);
    const states = rotated.json.keys.map(({ state }: { state: string }) => state);
    expect(states).toEqual(expect.arrayContaining(['signing', 'next']));
    expect(rotated.json.keys.length).toBeGreaterThan(before.json.keys.length);
    const stale = changing({}, before.headers.get('etag') ?? '');
    expect((await call('/v1/keys/rotate', stale)).status).toBe(412);
    const { json } = await call('/v1/registers');
    expect(json.sources).toContainEqual(expect.objectContaining({ name: 'own list', entries: 5 }));
    expect(json.trust[0]).toMatchObject({ profile: 'eu-qualified', anchors: 1, lists: [] });
    const { lists } = json.trust[1];
    expect(lists).toContainEqual(expect.objectContaining({ territory: 'DE', isOverdue: false }));
  });

  it('show what the last import changed, and why a copy was refused', async () => {
    expect((await call('/v1/registers')).json).toMatchObject({ differences: [], refusals: [] });
    const before = readFileSync(registryFile, 'utf8');
    const registry = parse(before) as { tpps: Record<string, unknown>[] };
    const [gone, changed] = registry.tpps;
    const tpps = [
      { ...changed, roles: ['PSP_PI'], status: 'suspended', passportedCountries: ['IE'] },
      ...registry.tpps.slice(2),
      { ...gone, authorizationNumber: 'PSDGB-FCA-700001', legalName: 'New Ltd' },
    ];
    writeFileSync(registryFile, stringify({ tpps }));
    await reloadFollowedFiles();
    const { json } = await call('/v1/registers');
    expect(json.differences).toMatchObject([{ source: 'own list', added: 1, removed: 1, changed: 1 }]);
    const [{ tpps: shown }] = json.differences;
    expect(shown).toMatchObject([
      { authorizationNumber: gone?.authorizationNumber, before: { status: 'active' } },
      {
        authorizationNumber: changed?.authorizationNumber,
        before: { status: 'active', countries: ['GB'] },
        after: { status: 'suspended', roles: ['PSP_PI'], countries: ['GB', 'IE'] },
      },
      { authorizationNumber: 'PSDGB-FCA-700001', legalName: 'New Ltd' },
    ]);
    expect([shown[0].after, shown[2].before]).toEqual([undefined, undefined]);
    writeFileSync(registryFile, 'tpps: none');
    await reloadFollowedFiles();
    const refused = (await call('/v1/registers')).json;
    expect(refused.refusals).toMatchObject([{ source: 'own list', code: 'ERR_REGISTRY_INVALID' }]);
    expect(refused.refusals[0].problem).toContain(`${registryFile}: tpps`);
    expect(refused.differences).toEqual(json.differences);
    writeFileSync(registryFile, before);
    await reloadFollowedFiles();
  });
});
