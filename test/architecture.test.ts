import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const LAYER_0 = ['src/errors.ts', 'src/error-catalogue.ts', 'src/events.ts', 'src/clock.ts', 'src/log.ts'];
const ROOMS: Readonly<Record<string, number>> = {
  'src/files': 0,
  'src/remote': 0,
  'src/x509': 1,
  'src/mutual-tls': 1,
  'src/storage': 1,
  'tpp-registry': 1,
  'src/tpp': 2,
  'src/consent': 2,
  'src/authorization-server': 3,
  'src/resource-server': 3,
  'src/configuration': 4,
  'src/server': 4,
  'src/index.ts': 4,
  'src/cli': 5,
  'src/sandbox': 5,
  conformance: 5,
};
/** Packages that only some places may import. */
const OWNED: readonly { readonly name: RegExp; readonly owners: readonly string[] }[] = [
  { name: /^oidc-provider/, owners: ['src/authorization-server/'] },
  { name: /^ioredis$/, owners: ['src/storage/redis/'] },
  { name: /^node:sqlite$/, owners: ['src/storage/sqlite/'] },
  { name: /^(@peculiar\/|asn1js|reflect-metadata)/, owners: ['src/x509/', 'src/tpp/', 'src/sandbox/'] },
  { name: /^undici$/, owners: ['src/sandbox/'] },
  { name: /^prom-client$/, owners: ['src/metrics.ts'] },
  { name: /^(commander|@clack\/prompts)$/, owners: ['src/cli/'] },
];

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function sourceFiles(): SourceFile[] {
  return ['src', 'tpp-registry', 'conformance'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => {
        const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
        const text = readFileSync(join(root, path), 'utf8');
        const found = text.matchAll(
          /(?:^|\n)\s*(?:import|export)[^;'"]*?from\s*'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s*'([^']+)'/g,
        );
        return { path, text, imports: [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '') };
      }),
  );
}

function roomOf(path: string): { readonly room: string; readonly layer: number } {
  if (LAYER_0.includes(path)) return { room: path, layer: 0 };
  const room = Object.keys(ROOMS).find((name) => path === name || path.startsWith(`${name}/`));
  const layer = room === undefined ? undefined : ROOMS[room];
  if (room === undefined || layer === undefined) throw new Error(`${path} is in no room of the house`);
  return { room, layer };
}

const files = sourceFiles();
const resolved = (from: SourceFile, target: string) =>
  relative(root, resolve(root, dirname(from.path), target)).replaceAll('\\', '/');

describe('the plan of the house', () => {
  it('imports only from the own room or a lower layer', () => {
    const wrong = files.flatMap((file) => {
      const here = roomOf(file.path);
      return file.imports
        .filter((target) => target.startsWith('.'))
        .map((target) => ({ target: resolved(file, target), there: roomOf(resolved(file, target)) }))
        .filter(({ there }) => there.room !== here.room && there.layer >= here.layer)
        .filter(({ there }) => ![0, 4, 5].includes(here.layer) || there.layer !== here.layer)
        .map(({ target }) => `${file.path} -> ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('has no cycle of imports', () => {
    const edges = new Map(
      files.map((file) => [
        file.path,
        file.imports.filter((target) => target.startsWith('.')).map((target) => resolved(file, target)),
      ]),
    );
    const done = new Set<string>();
    const walk = (path: string, trail: readonly string[]): string[] => {
      if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' -> ')];
      if (done.has(path)) return [];
      const cycles = (edges.get(path) ?? []).flatMap((next) => walk(next, [...trail, path]));
      done.add(path);
      return cycles;
    };
    expect(files.flatMap((file) => walk(file.path, []))).toEqual([]);
  });

  it('keeps each owned package in its room', () => {
    const wrong = files.flatMap((file) =>
      OWNED.flatMap(({ name, owners }) =>
        file.imports
          .filter((target) => name.test(target) && !owners.some((owner) => file.path.startsWith(owner)))
          .map((target) => `${file.path} -> ${target}`),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('reads the environment, exits and writes to the console only in cli/', () => {
    const wrong = files
      .filter((file) => !file.path.startsWith('src/cli/') && !file.path.startsWith('conformance/'))
      .filter((file) => /process\.(env|exit)\b|\bconsole\.(log|error|warn|info)/.test(file.text))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  it('reads the time only in clock.ts', () => {
    const wrong = files
      .filter((file) => file.path !== 'src/clock.ts')
      .filter((file) => /Date\.now\(\)|new Date\(\)/.test(file.text))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  it('does not import config.ts below the composition root', () => {
    const wrong = files
      .filter((file) => roomOf(file.path).layer < 4)
      .filter((file) => file.imports.some((target) => target.endsWith('/config.ts')))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });
});
