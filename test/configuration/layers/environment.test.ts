import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema, openConfig } from '../../../src/configuration/config.ts';
import { gatewayConfigSchema } from '../../../src/configuration/gateway-config.ts';
import { type Environment, variablesOf } from '../../../src/configuration/layers/environment.ts';
import { inputSchema, findKey, shownPath } from '../../../src/configuration/layers/schema-keys.ts';
import { isRefusal, type Problem } from '../../../src/errors.ts';

const FILE = `issuer: https://as.bank.example
mtlsUrl: https://mtls.bank.example
listen: { health: 9001 }
tls: { certificateFile: server.pem, privateKeyFile: server.key }
storage:
  file: data.sqlite
  secretFile: secret
signingKeysFile: keys.json
resource: https://api.bank.example
trust:
  - profile: eu-qualified
    anchorsFile: anchors.pem
registry: { file: tpps.yaml }
`;

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-environment-'));
  file = join(folder, 'tallystick.yaml');
  await writeFile(file, FILE);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function configOf(environment: Environment) {
  return (await openConfig(file, { environment })).config;
}

async function problemsOf(environment: Environment): Promise<readonly Problem[]> {
  const error = await openConfig(file, { environment }).catch((caught: unknown) => caught);
  if (isRefusal(error, 'ERR_CONFIG_INVALID')) return error.details.problems;
  throw error instanceof Error ? error : new Error('there is no problem');
}

describe('the environment over the configuration file', () => {
  it('sets keys of every type, in place of the file and of defaults', async () => {
    const config = await configOf({
      TALLYSTICK_ISSUER: 'https://other.bank.example',
      TALLYSTICK_LISTEN__FRONT: '443',
      TALLYSTICK_LISTEN__HEALTH: '0.0.0.0:9000',
      TALLYSTICK_DASHBOARD__ENABLED: 'true',
      TALLYSTICK_API_SCOPES: '[accounts, payments]',
      TALLYSTICK_ACR_VALUES__0: '1',
      TALLYSTICK_TRUST__0__ANCHORS_FILE: 'other.pem',
      TALLYSTICK_TRUST__1: '{"profile": "own-ca", "anchorsFile": "own.pem"}',
      TALLYSTICK_CONNECTIONS__HANDSHAKE_BYTES: 'unbounded',
      TALLYSTICK_HOST_COUNTRY: 'NO',
      OTHER: 'x',
    });
    expect(config).toMatchObject({
      issuer: 'https://other.bank.example',
      mtlsUrl: 'https://mtls.bank.example',
      listen: { front: 443, mtls: 8444, health: { host: '0.0.0.0', port: 9000 } },
      dashboard: { enabled: true },
      apiScopes: ['accounts', 'payments'],
      // Text stays text, and NO is Norway.
      acrValues: ['1'],
      hostCountry: 'NO',
      trust: [
        { profile: 'eu-qualified', anchorsFile: join(folder, 'other.pem') },
        { profile: 'own-ca', anchorsFile: join(folder, 'own.pem') },
      ],
      connections: { handshakeBytes: 'unbounded' },
    });
  });

  it('reads a value from a file, without one line feed at its end', async () => {
    await writeFile(join(folder, 'resource.txt'), 'https://api.other.example\r\n');
    await writeFile(join(folder, 'country.txt'), 'NO\n\n');
    expect(await configOf({ TALLYSTICK_RESOURCE_FILE: join(folder, 'resource.txt') })).toMatchObject({
      resource: 'https://api.other.example',
    });
    expect(await problemsOf({ TALLYSTICK_HOST_COUNTRY_FILE: 'country.txt' })).toMatchObject([
      { path: 'hostCountry', origin: 'TALLYSTICK_HOST_COUNTRY_FILE (country.txt)' },
    ]);
  });

  it('takes a name that is a key for that key, though it ends with FILE', async () => {
    const config = await configOf({
      TALLYSTICK_STORAGE__FILE: 'other.sqlite',
      TALLYSTICK_CLIENTS_FILE: 'clients.yaml',
    });
    expect([config.storage.file, config.clientsFile]).toEqual([
      join(folder, 'other.sqlite'),
      join(folder, 'clients.yaml'),
    ]);
    await writeFile(join(folder, 'name.txt'), 'named.yaml\n');
    const named = await configOf({ TALLYSTICK_CLIENTS_FILE_FILE: 'name.txt' });
    expect(named.clientsFile).toBe(join(folder, 'named.yaml'));
  });

  it('refuses a variable that sets no key, and names the nearest', async () => {
    expect(
      await problemsOf({
        TALLYSTICK_STORAGE_SECRET_FILE: 'x',
        TALLYSTICK_LISTEN__FRNT: '1',
        TALLYSTICK_: 'x',
        TALLYSTICK_TRUST__0__ANCHOR_FILE: 'x',
        TALLYSTICK_CONSTRUCTOR: 'x',
        TALLYSTICK___PROTO__: 'x',
      }),
    ).toMatchObject([
      { path: '', origin: 'TALLYSTICK_' },
      { path: '', origin: 'TALLYSTICK_CONSTRUCTOR' },
      { message: expect.stringMatching(/nearest is TALLYSTICK_LISTEN__FRONT$/) },
      { message: expect.stringMatching(/nearest is TALLYSTICK_STORAGE__SECRET_FILE$/) },
      { message: expect.stringMatching(/nearest is TALLYSTICK_TRUST__0__ANCHORS_FILE$/) },
      { path: '', origin: 'TALLYSTICK___PROTO__' },
    ]);
  });

  it('leaves the variables of Kubernetes about Services alone', async () => {
    const config = await configOf({
      TALLYSTICK_SERVICE_HOST: '10.0.0.1',
      TALLYSTICK_SERVICE_PORT: '8443',
      TALLYSTICK_SERVICE_PORT_FRONT: '8443',
      TALLYSTICK_PORT: 'tcp://10.0.0.1:8443',
      TALLYSTICK_PORT_8443_TCP: 'tcp://10.0.0.1:8443',
      TALLYSTICK_PORT_8443_TCP_ADDR: '10.0.0.1',
      TALLYSTICK_REDIS_SERVICE_HOST: '10.0.0.2',
    });
    expect(config.listen.front).toBe(8443);
    expect(await problemsOf({ TALLYSTICK_PORTS: '1' })).toHaveLength(1);
  });

  it('reports every problem at once, with the variable or the line', async () => {
    const problems = await problemsOf({
      TALLYSTICK_LISTEN__FRONT: 'many',
      TALLYSTICK_WORKERS: '[1',
      TALLYSTICK_LOG_LEVEL_FILE: join(folder, 'missing'),
      TALLYSTICK_STORAGE_FILE: '/data/bank.sqlite',
      TALLYSTICK_LISTEN__HEALTH__HOST: 'localhost',
      TALLYSTICK_TRUST__2__PROFILE: 'own-ca',
      TALLYSTICK_MTLS_URL: 'http://x',
      TALLYSTICK_RESOURCE: 'https://a.example',
      TALLYSTICK_RESOURCE_FILE: file,
    });
    const shown = problems.map(({ path, origin = '' }) => `${path} ${origin.replace(folder, '')}`);
    expect(shown).toEqual(
      expect.arrayContaining([
        'listen.front TALLYSTICK_LISTEN__FRONT',
        'workers TALLYSTICK_WORKERS',
        `logLevel TALLYSTICK_LOG_LEVEL_FILE (/missing)`,
        'storage TALLYSTICK_STORAGE_FILE (/data/bank.sqlite)',
        'listen.health TALLYSTICK_LISTEN__HEALTH__HOST',
        'trust[1] /tallystick.yaml:10',
        'mtlsUrl TALLYSTICK_MTLS_URL',
        `resource TALLYSTICK_RESOURCE_FILE (/tallystick.yaml)`,
      ]),
    );
    expect(problems.find(({ path }) => path === 'storage')?.message).toMatch(
      /Is TALLYSTICK_STORAGE__FILE meant\?$/,
    );
  });

  it('refuses a file that is longer than a megabyte', async () => {
    await writeFile(join(folder, 'long.txt'), 'x'.repeat(1_048_577));
    expect(await problemsOf({ TALLYSTICK_RESOURCE_FILE: 'long.txt' })).toMatchObject([
      { path: 'resource', message: 'has more than 1048576 bytes' },
    ]);
  });

  it('names the line of each problem of the file', async () => {
    const bad = join(folder, 'bad.yaml');
    await writeFile(
      bad,
      `${FILE.replace('tpps.yaml', '1')}accesstoken: {}\nclients:\n  - client_id: a\n    scop: b\n`,
    );
    const error = await openConfig(bad, {}).catch((caught: unknown) => caught);
    const problems = isRefusal(error, 'ERR_CONFIG_INVALID') ? error.details.problems : [];
    const lines = problems.map(({ path, origin }) => `${path} ${origin?.split(':').at(-1)}`);
    expect(lines).toEqual(expect.arrayContaining([' 14', 'clients[0] 17', 'clients[0].client_name 16']));
    expect(problems.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        'Unrecognized key: "accesstoken". Is accessToken meant?',
        'Unrecognized key: "scop". Is scope meant? (a)',
      ]),
    );
  });

  it.each([
    ['server', configSchema],
    ['gateway', gatewayConfigSchema],
  ])('has one variable for each key of a %s, and one key for each variable', (_name, schema) => {
    const root = inputSchema(schema);
    const all = variablesOf(root);
    expect(all.length).toBeGreaterThan(50);
    expect(new Set(all.map(({ variable }) => variable)).size).toBe(all.length);
    for (const { variable, path } of all) {
      const found = findKey(root, variable.replace('TALLYSTICK_', ''));
      expect([variable, shownPath(found?.path ?? [])]).toEqual([variable, shownPath(path)]);
    }
  });
});
