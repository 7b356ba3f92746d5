import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RegisteringTpp } from '../authorization-server/registration/registering.ts';
import { fileOf } from '../docs/pages.ts';
import { type Call, changing, type ManagedServer, startManaged } from './managed-server.ts';

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

/** One operation of an OpenAPI document that names a version. */
interface Versioned {
  readonly method: string;
  readonly path: string;
  readonly operation: Described;
}

/** Something that an operation can change. */
interface Changeable {
  /** The path of the document, with the identifier in place. */
  readonly path: string;
  /** Where its version is read. */
  readonly resource: string;
  readonly body?: object;
}

function versionedOf(file: string): readonly Versioned[] {
  const { paths } = JSON.parse(readFileSync(fileOf(file), 'utf8')) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  };
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { parameters = [] }]) => parameters.some(({ name }) => name === 'If-Match'))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

const OPERATIONS = versionedOf('docs/management.openapi.json');
const INVENTED = `"${'A'.repeat(43)}"`;
let server: ManagedServer;
let call: Call;
let number: string;
let made = 0;
beforeAll(async () => {
  server = await startManaged({
    amend: (own) => ({ ...own, registration: { ...(own.registration as object), approval: 'manual' } }),
  });
  call = await server.local(['support', 'operator', 'security']);
  const tpp = server.sandbox.description.tpps.find(({ name }) => name === 'money-one');
  number = tpp?.organizationIdentifier ?? '';
});
afterAll(() => server?.stop());

const clientEntry = (clientId: string, name = 'Made here') => ({
  client_id: clientId,
  client_name: name,
  authorization_number: number,
  token_endpoint_auth_method: 'tls_client_auth',
  grant_types: ['client_credentials'],
  scope: 'accounts',
});

async function madeClient(): Promise<string> {
  made += 1;
  const clientId = `versioned-${made}`;
  const answer = await call('/v1/clients', changing({ client: clientEntry(clientId) }));
  expect(answer.status).toBe(201);
  return clientId;
}

async function aClient(word: string): Promise<Changeable> {
  const resource = `/v1/clients/${await madeClient()}`;
  return { resource, path: `${resource}/${word}` };
}

/** By the operations of the document: makes something that the operation can change. */
const CHANGEABLE: Readonly<Record<string, () => Promise<Changeable>>> = {
  changeClient: async () => {
    const clientId = await madeClient();
    const path = `/v1/clients/${clientId}`;
    return { resource: path, path, body: { client: clientEntry(clientId, 'Renamed') } };
  },
  approveClient: async () => {
    const { json } = await new RegisteringTpp(server.sandbox).register();
    const resource = `/v1/clients/${String(json.client_id)}`;
    return { resource, path: `${resource}/approve` };
  },
  disableClient: () => aClient('disable'),
  enableClient: async () => {
    const { resource } = await aClient('enable');
    const etag = (await call(resource)).headers.get('etag') ?? '';
    expect((await call(`${resource}/disable`, changing({}, etag))).status).toBe(200);
    return { resource, path: `${resource}/enable` };
  },
  deleteClient: () => aClient('delete'),
  endConsent: async () => {
    const { consentId } = await server.sandbox.server.consents.create({
      reference: 'scope',
      clientId: 'money-one-mtls',
      authorizationNumber: number,
      psuId: 'carol',
      details: [],
      expiresAt: new Date(Date.now() + 3_600_000),
      by: { kind: 'bank' },
    });
    const resource = `/v1/consents/${consentId}`;
    return { resource, path: `${resource}/end` };
  },
  rotateKeys: async () => ({ resource: '/v1/keys', path: '/v1/keys/rotate', body: { delaySeconds: 600 } }),
  liftBlock: async () => {
    made += 1;
    const blocked = { kind: 'tpp', authorizationNumber: `PSDGB-FCA-80000${made}` };
    const { json } = await call('/v1/blocks', changing({ blocked }));
    const resource = `/v1/blocks/${String(json.blockId)}`;
    return { resource, path: `${resource}/lift` };
  },
};

it('every operation with If-Match in a document is tried here, and the bank API has none', () => {
  expect(OPERATIONS.map(({ operation }) => operation.operationId).toSorted()).toEqual(
    Object.keys(CHANGEABLE).toSorted(),
  );
  expect(versionedOf('docs/bank-api.openapi.json')).toEqual([]);
});

describe.each(OPERATIONS.map((one) => [one.operation.operationId, one] as const))(
  '%s (RFC 9110 §13.1.1, RFC 6585 §3)',
  (operationId, { method, operation }) => {
    it('changes nothing without a version or by another one, and once by the present one', async () => {
      const found = await CHANGEABLE[operationId]?.();
      if (found === undefined) throw new Error('cannot be changed');
      const { resource, path, body = {} } = found;
      const before = await call(resource);
      const etag = before.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[\w-]{43}"$/);
      const send = (version?: string) => call(path, { ...changing(body, version), method });
      const refused = [
        [await send(), 428, 'ERR_MANAGEMENT_VERSION_MISSING'],
        [await send(INVENTED), 412, 'ERR_MANAGEMENT_VERSION'],
        [await send('*'), 412, 'ERR_MANAGEMENT_VERSION'],
        [await send(`W/${etag}`), 412, 'ERR_MANAGEMENT_VERSION'],
        [await send(etag.slice(1, -1)), 412, 'ERR_MANAGEMENT_VERSION'],
      ] as const;
      for (const [answer, status, code] of refused) {
        expect(answer).toMatchObject({ status, json: { code } });
        expect(operation.responses).toHaveProperty(String(status));
      }
      const after = await call(resource);
      expect(after.headers.get('etag')).toBe(etag);
      expect(after.json).toEqual(before.json);

      // Two operators that have seen the same client: one of them changes it.
      const isRaced = resource.startsWith('/v1/clients/');
      const answers = await Promise.all(isRaced ? [send(etag), send(etag)] : [send(etag)]);
      const [status, ...more] = answers.map((one) => one.status).toSorted();
      expect(status).toBe(200);
      for (const lost of more) expect([404, 409, 412]).toContain(lost);
      // The version that was seen is of the past.
      const late = await send(etag);
      expect([404, 412]).toContain(late.status);
    });
  },
);
