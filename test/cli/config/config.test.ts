import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { editorSchema } from '../../../src/cli/config/editor-schema.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const FILE = `issuer: https://as.bank.example
mtlsUrl: https://mtls.bank.example
listen: { health: 9001 }
tls: { certificateFile: server.pem, privateKeyFile: server.key }
storage: { file: data.sqlite, secretFile: secret }
signingKeysFile: keys.json
resource: https://api.bank.example
trust:
  - profile: eu-qualified
    anchorsFile: anchors.pem
registry: { file: tpps.yaml }
outbound: { proxyFromEnvironment: true }
`;

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-config-'));
  file = join(folder, 'tallystick.yaml');
  await writeFile(file, FILE);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function config(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return run(['config', ...words], environment);
}

function run(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const env = { PATH: process.env.PATH, ...environment };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

describe('tallystick config', { timeout: 60_000 }, () => {
  it('takes the values of --set over variables over the file, and names each (rows 11 and 12)', async () => {
    const set = [
      '--set',
      'listen.health=9003',
      '--set',
      'trust[0].anchorsFile=other.pem',
      '--set',
      'logLevel=debug',
    ];
    const [printed, wrong, serve] = await Promise.all([
      config(['print', '--config', file, '--origin', '--json', ...set, '--set', 'logLevel=warn'], {
        TALLYSTICK_LISTEN__HEALTH: '9002',
        TALLYSTICK_LISTEN__FRONT: '9010',
      }),
      config([
        'validate',
        '--config',
        file,
        '--set',
        'listen.helth=a-secret',
        '--set',
        'workers',
        '--set',
        'workers=x',
      ]),
      run(['serve', '--config', file, '--set', 'isuer=x']),
    ]);
    const values = JSON.parse(printed.stdout) as { path: string; value: unknown; origin: string }[];
    const shown = (path: string) => values.filter((one) => one.path.startsWith(path));
    expect(shown('listen.health').map(({ origin }) => origin)).toContain('--set listen.health');
    expect(JSON.stringify(shown('listen.health'))).toContain('9003');
    expect(shown('listen.front')).toMatchObject([{ value: 9010, origin: 'TALLYSTICK_LISTEN__FRONT' }]);
    expect(shown('logLevel')).toMatchObject([{ value: 'warn', origin: '--set logLevel' }]);
    expect(shown('trust[0].anchorsFile')).toMatchObject([{ origin: '--set trust[0].anchorsFile' }]);
    expect(shown('resource')[0]).toMatchObject({ origin: `${file}:7` });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('--set listen.helth');
    expect(wrong.stderr).toContain('The nearest is listen.health');
    expect(wrong.stderr).toContain('must be of the form section.key=value');
    expect(wrong.stderr).toContain('--set workers');
    expect(wrong.stderr).not.toContain('a-secret');
    expect([serve.code, serve.stderr]).toEqual([2, expect.stringContaining('The nearest is issuer')]);
  });

  it('validates: 0 for a good file, 2 with every problem, its line or its variable (row 13)', async () => {
    const bad = join(folder, 'bad.yaml');
    await writeFile(bad, `${FILE}workers: many\naccesToken: {}\n`);
    const [good, wrong, json] = await Promise.all([
      config(['validate', '--config', file]),
      config(['validate', '--config', bad], { TALLYSTICK_LISTEN__FRONT: '70000', TALLYSTICK_ISUER: 'x' }),
      config(['validate', '--config', bad, '--json'], { TALLYSTICK_LOG_LEVEL: 'loud' }),
    ]);
    expect(good).toEqual({ code: 0, stdout: `${file}: the configuration is valid\n`, stderr: '' });
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr.split('\n')).toEqual([
      `${bad}: the configuration is not valid`,
      '  TALLYSTICK_ISUER: sets no key of the configuration. The nearest is TALLYSTICK_ISSUER',
      expect.stringMatching(/^ {2}TALLYSTICK_LISTEN__FRONT: listen\.front: /),
      expect.stringMatching(new RegExp(`^  ${bad}:13: workers: `)),
      `  ${bad}:14: Unrecognized key: "accesToken". Is accessToken meant?`,
      '',
    ]);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      isValid: false,
      source: bad,
      problems: [
        { path: 'workers', origin: `${bad}:13` },
        { path: 'logLevel', origin: 'TALLYSTICK_LOG_LEVEL' },
        { path: '', origin: `${bad}:14` },
      ],
    });
  });

  it('validates the file of a gateway, and refuses a file that is missing', async () => {
    const [gateway, missing] = await Promise.all([
      config(['validate', '--gateway', '--config', file]),
      config(['validate', '--config', join(folder, 'missing.yaml')]),
    ]);
    expect([gateway.code, missing.code]).toEqual([2, 2]);
    expect(gateway.stderr).toContain('audience');
    expect(missing.stderr).toContain('cannot be read: ENOENT');
  });

  it('prints the values in effect, from where each comes, without secrets (rows 11, 12)', async () => {
    await writeFile(join(folder, 'resource'), 'https://secret.example\n');
    const environment = {
      TALLYSTICK_LISTEN__FRONT: '443',
      TALLYSTICK_RESOURCE_FILE: 'resource',
      HTTPS_PROXY: 'http://user:hunter2@proxy.example:3128',
    };
    const words = ['print', '--config', file];
    const [yaml, origins, json] = await Promise.all([
      config(words, environment),
      config([...words, '--origin'], environment),
      config([...words, '--origin', '--json'], environment),
    ]);
    expect(yaml.stdout + origins.stdout + json.stdout).not.toMatch(/hunter2|secret\.example/);
    expect(parse(yaml.stdout)).toMatchObject({
      issuer: 'https://as.bank.example',
      listen: { front: 443, mtls: 8444, health: { host: '127.0.0.1', port: 9001 } },
      tls: { certificateFile: join(folder, 'server.pem') },
      trust: [{ profile: 'eu-qualified', allowSandboxAnchors: false }],
      clients: [],
    });
    const lines = origins.stdout.split('\n').map((line) => line.trim());
    expect(lines).toEqual(
      expect.arrayContaining([
        `issuer: https://as.bank.example # ${file}:1`,
        'front: 443 # TALLYSTICK_LISTEN__FRONT',
        'mtls: 8444 # default',
        `port: 9001 # ${file}:3`,
        `- profile: eu-qualified # ${file}:9`,
        'resource: (redacted) # TALLYSTICK_RESOURCE_FILE (resource)',
        'proxy: http://(redacted)@proxy.example:3128 # HTTPS_PROXY or HTTP_PROXY',
        'clients: [] # default',
      ]),
    );
    expect(parse(origins.stdout)).toEqual(parse(yaml.stdout));
    expect(JSON.parse(json.stdout)).toEqual(
      expect.arrayContaining([
        { path: 'trust[0].anchorsFile', value: join(folder, 'anchors.pem'), origin: `${file}:10` },
        { path: 'logLevel', value: 'info', origin: 'default' },
      ]),
    );
  });

  it('lists the variables, and prints the schema of the repository', async () => {
    const [variables, gateway, schema] = await Promise.all([
      config(['env']),
      config(['env', '--gateway', '--json']),
      config(['schema']),
    ]);
    expect(variables.stdout).toMatch(/^TALLYSTICK_STORAGE__SECRET_FILE {2}storage\.secretFile$/m);
    expect(JSON.parse(gateway.stdout)).toContainEqual(
      expect.objectContaining({ variable: 'TALLYSTICK_AUDIENCE', key: 'audience', types: ['string'] }),
    );
    expect(JSON.parse(schema.stdout)).toEqual(editorSchema('server'));
  });
});

describe('the commands', () => {
  it('read configurations in one place, so that the environment counts in all', async () => {
    const folderOf = (path: string) => fileURLToPath(new URL(`../../../src/${path}`, import.meta.url));
    const sources = (await readdir(folderOf('cli'), { recursive: true })).filter((name) =>
      name.endsWith('.ts'),
    );
    const loading = sources.filter((name) =>
      /\b(loadConfig|loadGatewayConfig|openConfig|openGatewayConfig)\(/.test(
        readFileSync(join(folderOf('cli'), name), 'utf8'),
      ),
    );
    expect(loading.sort()).toEqual(['config/config-commands.ts', 'environment.ts']);
  });
});
