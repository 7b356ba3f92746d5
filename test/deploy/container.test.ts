import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SANDBOX_PACKAGES } from '../../src/cli/sandbox-packages.ts';
import { configSchema, loadConfig } from '../../src/configuration/config.ts';
import { variablesOf } from '../../src/configuration/layers/environment.ts';
import { inputSchema } from '../../src/configuration/layers/schema-keys.ts';
import { fileOf, readPage, snippet } from '../docs/pages.ts';
import { parseContainerfile, runtimeOf } from './containerfile.ts';

const read = (path: string) => readFileSync(fileOf(path), 'utf8');
const stages = parseContainerfile(read('deploy/Containerfile'));
const { version } = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json')).packages as Record<
  string,
  { readonly dependencies?: Record<string, string> }
>;

interface Service {
  readonly image: string;
  readonly profiles: readonly string[];
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly mem_limit: string;
  readonly cpus: number;
  readonly pids_limit: number;
  readonly healthcheck: { readonly test: readonly string[] };
  readonly build?: { readonly dockerfile: string; readonly target: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly command?: readonly string[];
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
};
const services = Object.entries(compose.services);

describe('deploy/Containerfile', () => {
  it('pins its one base image by version, the Node of the repository', () => {
    const text = read('deploy/Containerfile');
    const node = readFileSync(fileOf('.nvmrc'), 'utf8').trim();
    expect(text).toContain(`\nARG NODE_IMAGE=node:${node}-bookworm-slim\n`);
    const names = new Set(stages.map(({ name }) => name));
    const bases = stages.map(({ from }) => from).filter((from) => !names.has(from));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the Containerfile
    expect(new Set(bases)).toEqual(new Set(['${NODE_IMAGE}']));
    expect(text).not.toContain('latest');
  });

  it('installs by the lock file alone, and runs no script of a package (O7)', () => {
    const installs = stages
      .flatMap(({ run }) => run)
      .filter((line) => /\bnpm (ci|i|install|prune)\b/.test(line));
    expect(installs.length).toBeGreaterThan(1);
    for (const line of installs) expect(line).toMatch(/^npm (ci|prune) .*--ignore-scripts\b/);
  });

  it('copies what there is, and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = stages.flatMap(({ copies }) => copies).filter(({ stage }) => stage === undefined);
    const names = sources.flatMap((copy) => copy.sources);
    expect(names.filter((name) => !existsSync(fileOf(name)))).toEqual([]);
    expect(new Set(names)).toEqual(new Set(allowed));
  });

  it.each(['server', 'demo'])('runs %s as another user than root, without a shell', (target) => {
    const runtime = runtimeOf(stages, target);
    expect(runtime.user).toBe('1000:1000');
    expect(runtime.entrypoint).toEqual(['node', '--disable-sigusr1', '/app/dist/src/cli/main.js']);
    expect(runtime.healthcheck?.[0]).toBe('node');
    expect(existsSync(fileOf('src/cli/main.ts'))).toBe(true);
  });

  it('gives the demo the packages that a server does without, with all that they need', () => {
    const copied = stages
      .filter(({ name }) => name === 'demo')
      .flatMap(({ copies }) => copies.flatMap(({ sources }) => sources))
      .map((path) => path.replace('/app/node_modules/', ''));
    const needed = (name: string): readonly string[] => [
      name,
      ...Object.keys(lock[`node_modules/${name}`]?.dependencies ?? {}).flatMap(needed),
    ];
    expect(copied.toSorted()).toEqual(SANDBOX_PACKAGES.flatMap(needed).toSorted());
  });

  it('is built by docker-compose.yml, whose healthcheck is that of the image', () => {
    const built = services.filter(([, { build }]) => build !== undefined);
    expect(built.map(([name]) => name)).toEqual(['demo', 'authorization-server', 'server-1', 'server-2']);
    for (const [, { build, image, healthcheck }] of built) {
      expect(build?.dockerfile).toBe('deploy/Containerfile');
      expect(image.endsWith(`:${version}`)).toBe(true);
      expect(healthcheck.test).toEqual([
        'CMD',
        ...(runtimeOf(stages, build?.target ?? '').healthcheck ?? []),
      ]);
    }
  });
});

describe('docker-compose.yml', () => {
  it('has no image without a version, and none that moves', () => {
    for (const [name, { image }] of services) {
      const tag = /:(?:-[^}]+:)?([^:}]+)\}?$/.exec(image)?.[1] ?? '';
      expect({ name, tag }).toEqual({ name, tag: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    }
  });

  it('lets no container write outside its volumes, gain rights, or take the whole machine', () => {
    for (const [name, service] of services) {
      expect({ name, ...service }).toMatchObject({
        user: expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/),
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        mem_limit: expect.any(String),
        cpus: expect.any(Number),
        pids_limit: expect.any(Number),
        healthcheck: { test: expect.any(Array) },
      });
    }
  });

  it('gives each service a profile, and every part of a profile', () => {
    const of = (profile: string) =>
      services.filter(([, { profiles }]) => profiles.includes(profile)).map(([name]) => name);
    expect(of('demo')).toEqual(['demo']);
    expect(of('server')).toEqual(['authorization-server']);
    expect(of('redis')).toEqual(['authorization-server', 'redis']);
    expect(of('ha')).toHaveLength(2 + 1 + 3 + 3);
    for (const [name, { profiles, depends_on: needs = {} }] of services) {
      const elsewhere = Object.entries(needs)
        .filter(([, condition]) => Object(condition).required !== false)
        .filter(([other]) => profiles.some((one) => !compose.services[other]?.profiles.includes(one)));
      expect({ name, elsewhere }).toEqual({ name, elsewhere: [] });
    }
  });

  it('names volumes, networks, secrets and mounted files that there are, and reaches Redis from the servers alone', () => {
    expect(compose.networks.store?.internal).toBe(true);
    for (const [name, { volumes = [], networks = [], secrets = [], image }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('./deploy/')) expect(existsSync(fileOf(source))).toBe(true);
        else if (!source.startsWith('.')) expect(Object.keys(compose.volumes)).toContain(source);
      }
      for (const network of networks) expect(Object.keys(compose.networks)).toContain(network);
      for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
      if (/redis/.test(image)) expect({ name, networks }).toEqual({ name, networks: ['store'] });
    }
  });

  it('sets variables of the servers of `ha` that there are, beside a configuration without storage', async () => {
    const known = new Set(variablesOf(inputSchema(configSchema)).map(({ variable }) => variable));
    const { environment = {} } = compose.services['server-1'] ?? {};
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
    const { storage: _storage, ...rest } = parse(snippet('docs/quickstart-bank.md', 'tallystick.yaml'));
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-compose-'));
    await writeFile(join(folder, 'tallystick.yaml'), JSON.stringify(rest));
    const { storage } = await loadConfig(join(folder, 'tallystick.yaml'), { environment }).finally(() =>
      rm(folder, { recursive: true }),
    );
    expect([storage.redis?.sentinels?.length, storage.redis?.waitReplicas]).toEqual([3, 1]);
  });

  it('gives Redis the permissions of docs/operate.md and no others', () => {
    const documented = /^user tallystick on >PASSWORD (~[^`]+)/m.exec(readPage('docs/operate.md').text)?.[1];
    const made = /^user tallystick on >\$password (.*)$/m.exec(read('deploy/ha/secrets.sh'))?.[1];
    expect(made).toBe(documented?.replaceAll(/\s+/g, ' ').trim());
  });
});
