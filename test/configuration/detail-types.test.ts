import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/configuration/config.ts';
import { openDetailTypes } from '../../src/configuration/consents/detail-type-schema.ts';
import { isRefusal } from '../../src/errors.ts';

const client = {
  client_id: 'acme',
  client_name: 'Acme',
  authorization_number: 'PSDGB-FCA-123456',
  token_endpoint_auth_method: 'tls_client_auth',
  redirect_uris: ['https://acme.example/callback'],
  grant_types: ['authorization_code'],
  scope: 'accounts insurance',
};
const TYPE = { type: 'insurance_data', schemaFile: 'insurance.json', scope: 'insurance' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-types-'));
  const good = { type: 'object', properties: { policy: { type: 'string' } }, required: ['policy'] };
  await writeFile(join(folder, 'insurance.json'), JSON.stringify(good));
  await writeFile(join(folder, 'open.json'), JSON.stringify({ ...good, additionalProperties: true }));
  await writeFile(join(folder, 'broken.json'), '{');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function parsed(types: readonly object[], clients: readonly object[] = [client]) {
  return parseConfig(
    {
      issuer: 'https://as.bank.example',
      mtlsUrl: 'https://mtls.bank.example',
      tls: { certificateFile: 'server.pem', privateKeyFile: 'server.key' },
      storage: { file: 'data.sqlite', secretFile: 'secret' },
      signingKeysFile: 'keys.json',
      resource: 'https://api.bank.example',
      apiScopes: ['accounts', 'insurance'],
      trust: [{ profile: 'eu-qualified', anchorsFile: 'anchors.pem' }],
      registry: { file: 'tpps.yaml' },
      authorizationDetailsTypes: types,
      clients,
    },
    { source: 'test', folder },
  );
}

function problemsOf(run: () => unknown): string {
  try {
    run();
    return '';
  } catch (error) {
    if (!isRefusal(error, 'ERR_CONFIG_INVALID')) throw error;
    return error.details.problems.map(({ path, message }) => `${path} ${message}`).join('\n');
  }
}

describe('authorizationDetailsTypes', () => {
  it('adds types of the bank to those whose scope its APIs have', () => {
    const types = openDetailTypes(parsed([TYPE]));
    expect(types.names).toEqual(['account_information', 'insurance_data']);
    expect(types.parse([{ type: 'insurance_data', policy: '1' }])).toHaveLength(1);
    expect(() => types.parse([{ type: 'insurance_data', policy: '1', more: 1 }])).toThrow(
      'ERR_AUTHORIZATION_DETAILS',
    );
  });

  it.each<[string, object[], string]>([
    ['a type twice', [TYPE, TYPE], 'is there twice: insurance_data'],
    ['a type of this server', [{ ...TYPE, type: 'account_information' }], 'is a type of this server'],
    ['a scope that no API has', [{ ...TYPE, scope: 'payments' }], 'must be one of apiScopes'],
    ['a name with a space', [{ ...TYPE, type: 'a b' }], 'must be a name without spaces'],
  ])('refuses %s', (_name, types, problem) => {
    expect(problemsOf(() => parsed(types))).toContain(problem);
  });

  it.each([
    ['is missing', 'none.json', 'ENOENT'],
    ['is no JSON', 'broken.json', 'of insurance_data'],
    ['allows unknown members', 'open.json', 'must not allow unknown members'],
  ])('stops the start where a schema %s', (_name, schemaFile, problem) => {
    const config = parsed([{ ...TYPE, schemaFile }]);
    expect(problemsOf(() => openDetailTypes(config))).toContain(problem);
  });

  it.each<[string, object, string]>([
    ['a type that is not there', { authorization_details_types: ['other'] }, 'other, which is no type'],
    [
      'a type whose scope it lacks',
      { scope: 'accounts', authorization_details_types: ['insurance_data'] },
      'the client has no scope insurance',
    ],
    [
      'types without the way of naming',
      { consent_references: ['scope'], authorization_details_types: ['insurance_data'] },
      'is for a client with authorization_details in consent_references',
    ],
    ['a way twice', { consent_references: ['scope', 'scope'] }, 'must name each way once'],
  ])('refuses a client with %s', (_name, more, problem) => {
    expect(problemsOf(() => parsed([TYPE], [{ ...client, ...more }]))).toContain(problem);
  });
});
