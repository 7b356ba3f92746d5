import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS, STATUS_LIST_PATH } from '../src/authorization-server/request/routes.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Everything that every room may know: the only files of src/ itself, beside the entry of the package. */
const KNOWN_TO_ALL = [
  'answer-text.ts',
  'clock.ts',
  'error-catalogue.ts',
  'error-classes.ts',
  'errors.ts',
  'event-levels.ts',
  'events.ts',
  'log.ts',
  'network-of.ts',
  'tracing.ts',
];
/**
 * The floors of the house, from the ground up. A file imports from its own room and from lower floors; rooms of one floor
 * never know each other, but on the ground.
 */
const FLOORS: readonly (readonly string[])[] = [
  [...KNOWN_TO_ALL.map((file) => `src/${file}`), 'src/catalogue', 'src/files', 'src/logging', 'src/remote'],
  ['src/x509', 'src/mutual-tls', 'src/storage', 'tpp-registry'],
  ['src/trusted-lists'],
  ['src/tpp', 'src/consent', 'src/audit'],
  ['src/authorization-server', 'src/resource-server'],
  ['src/management'],
  ['src/configuration'],
  ['src/server'],
  ['src/index.ts'],
  ['src/sandbox'],
  ['src/certificate-conformance'],
  ['src/cli'],
  ['conformance'],
];
/** The order of sub-folders: each imports from those before it. The room's own files come last, but where named. */
const ORDERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'src/x509': [['der'], ['certificate'], ['path'], ['crl', 'ocsp'], ['revocation']],
  'src/mutual-tls': [['address-ranges.ts'], ['limits']],
  'src/audit': [['line'], ['reading'], ['verification', 'evidence']],
  'src/consent': [['details']],
  'src/storage': [['store.ts'], ['request-scope.ts'], ['sqlite', 'redis']],
  'src/authorization-server': [
    ['provider-internals.ts'],
    ['signing'],
    ['profiles'],
    ['request'],
    ['clients'],
    ['token-status'],
    ['models'],
    ['tokens', 'customer', 'operations'],
    ['ciba', 'registration', 'consent-information'],
    ['bank-api', 'dashboard', 'grant-management', 'self-check'],
  ],
  'src/configuration': [
    ['configured-files.ts', 'health-schema.ts', 'callers', 'yaml-document.ts'],
    ['layers'],
    ['outbound-schema.ts'],
    ['tpp'],
    ['consents', 'registration', 'protocols', 'keys'],
    ['management'],
  ],
  'tpp-registry': [
    ['nca.ts', 'sliced-list.ts', 'record-fields.ts'],
    ['json-list.ts', 'yaml-list.ts'],
    ['list-document.ts'],
    ['record.ts'],
    ['source-state.ts'],
    ['registry.ts', 'source.ts'],
    ['sources'],
  ],
  'src/management': [
    ['operators', 'activity'],
    ['managed-request.ts'],
    ['operations'],
    ['repetitions.ts', 'management-state.ts'],
    ['management.ts'],
    ['console'],
  ],
  'src/tpp': [['block-list']],
  'src/trusted-lists': [['xml'], ['signature'], ['list']],
  'src/server': [
    ['audit'],
    ['listener-probe.ts', 'file-reload.ts', 'reload', 'loopback.ts'],
    ['metrics'],
    ['tracing'],
    ['log'],
    ['clients'],
    ['health.ts'],
    ['followed-key-pair.ts'],
    ['own-certificate'],
    ['registers', 'keys'],
    ['management'],
    ['gateway', 'workers', 'bank'],
  ],
  'src/certificate-conformance': [['rules.ts'], ['folder'], ['target']],
  'src/resource-server': [
    ['token'],
    ['consent', 'dpop'],
    ['signatures'],
    ['decision'],
    ['frameworks'],
    ['gateway'],
  ],
};
/** Imports against those orders, each with the reason. One that is gone fails too. */
const AGAINST_THE_ORDER: Readonly<Record<string, string>> = {};
const MAX_FILES = 16;
const MAX_LINES = 300;

/** Packages that only some places may import. */
const OWNED: readonly { readonly name: RegExp; readonly owners: readonly string[] }[] = [
  { name: /^oidc-provider$/, owners: ['src/authorization-server/'] },
  { name: /^oidc-provider\//, owners: ['src/authorization-server/provider-internals.ts'] },
  { name: /^ioredis$/, owners: ['src/storage/redis/'] },
  { name: /^node:sqlite$/, owners: ['src/storage/sqlite/'] },
  { name: /^(@peculiar\/|asn1js|reflect-metadata)/, owners: ['src/x509/', 'src/tpp/', 'src/sandbox/'] },
  { name: /^(undici|openid-client)$/, owners: ['src/sandbox/', 'src/management/'] },
  { name: /^@opentelemetry\/api$/, owners: ['src/server/tracing/'] },
  { name: /^prom-client$/, owners: ['src/server/metrics/metrics.ts'] },
  { name: /^(xml-crypto|@xmldom\/xmldom)$/, owners: ['src/trusted-lists/'] },
  { name: /^ajv(\/|$)/, owners: ['src/consent/details/'] },
  { name: /^koffi$/, owners: ['src/authorization-server/signing/pkcs11/cryptoki.ts'] },
  { name: /^pino$/, owners: ['src/log.ts'] },
  { name: /^(koa|@koa\/.*)$/, owners: ['src/authorization-server/', 'src/management/', 'src/sandbox/'] },
  { name: /^zod-openapi$/, owners: ['src/authorization-server/operations/'] },
  { name: /^eta\/core$/, owners: ['src/authorization-server/customer/', 'src/management/console/'] },
  { name: /^koa-helmet$/, owners: ['src/authorization-server/customer/'] },
  {
    name: /^(otpauth|@simplewebauthn\/server)$/,
    owners: ['src/authorization-server/customer/authentication/', 'src/sandbox/'],
  },
  { name: /^rate-limiter-flexible$/, owners: ['src/authorization-server/'] },
  {
    name: /^yaml$/,
    owners: ['src/configuration/', 'src/sandbox/', 'src/certificate-conformance/', 'tpp-registry/'],
  },
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

const isIn = (path: string, place: string) => path === place || path.startsWith(`${place}/`);

/** The room and the floor of a file. */
function roomOf(path: string): { readonly room: string; readonly floor: number } {
  const floor = FLOORS.findIndex((rooms) => rooms.some((name) => isIn(path, name)));
  const room = FLOORS[floor]?.find((name) => isIn(path, name));
  if (room === undefined) throw new Error(`${path} is in no room of the house`);
  return { room, floor };
}

/** The place of a file in the order of its room's sub-folders; the room's own files come last. */
function placeOf(path: string, room: string): { readonly name: string; readonly place: number } {
  const name = path.slice(room.length + 1).split('/')[0] ?? '';
  const order = ORDERS[room] ?? [];
  const place = order.findIndex((names) => names.includes(name));
  if (place === -1 && path.split('/').length > room.split('/').length + 1) {
    throw new Error(`${path} is in no stated sub-folder of ${room}`);
  }
  return place === -1 ? { name: '', place: order.length } : { name, place };
}

const files = sourceFiles();
const resolved = (from: SourceFile, target: string) =>
  relative(root, resolve(root, dirname(from.path), target)).replaceAll('\\', '/');

const imports = files.flatMap((file) =>
  file.imports
    .filter((target) => target.startsWith('.'))
    .map((target) => ({ from: file.path, to: resolved(file, target) })),
);
const entriesOf = (folder: string) => readdirSync(join(root, folder), { withFileTypes: true });
const filesOf = (folder: string) =>
  entriesOf(folder)
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
const foldersOf = (folder: string): string[] =>
  entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [`${folder}/${name}`, ...foldersOf(`${folder}/${name}`)]);

describe('the plan of the house', () => {
  it('imports only from the own room or a lower floor', () => {
    const wrong = imports
      .map(({ from, to }) => ({ from, to, here: roomOf(from), there: roomOf(to) }))
      .filter(({ here, there }) => there.room !== here.room && there.floor >= here.floor)
      .filter(({ here, there }) => here.floor !== 0 || there.floor !== 0)
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  it('imports within a room in the order of its sub-folders', () => {
    const wrong = imports
      .map(({ from, to }) => ({ from, to, room: roomOf(from).room }))
      .filter(({ to, room }) => ORDERS[room] !== undefined && roomOf(to).room === room)
      .map(({ from, to, room }) => ({ from, to, here: placeOf(from, room), there: placeOf(to, room) }))
      .filter(({ here, there }) => there.name !== here.name && there.place >= here.place)
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual(Object.keys(AGAINST_THE_ORDER));
  });

  it(`has at most ${MAX_FILES} files in a folder`, () => {
    const wrong = ['src', 'tpp-registry', 'conformance', 'test'].flatMap((top) =>
      [top, ...foldersOf(top)].filter((folder) => filesOf(folder).length > MAX_FILES),
    );
    expect(wrong).toEqual([]);
  });

  it(`has at most ${MAX_LINES} lines in a source file, and in a function what biome.json says`, () => {
    const wrong = files.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES).map(({ path }) => path);
    expect(wrong).toEqual([]);
    const { linter, overrides } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
    expect(linter.rules.complexity.noExcessiveLinesPerFunction).toEqual({
      level: 'error',
      options: { maxLines: 70 },
    });
    expect(overrides.map(({ includes }: { readonly includes: unknown }) => includes)).toEqual([['test/**']]);
  });

  it('has one place in the tests that opens the file of a store, and waits for its lock', () => {
    const wrong = foldersOf('test')
      .filter((folder) => !isIn(folder, 'test/bench'))
      .flatMap((folder) => filesOf(folder).map((name) => `${folder}/${name}`))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('/sqlite-plans.test.ts'))
      .filter((path) => readFileSync(join(root, path), 'utf8').includes("from 'node:sqlite'"));
    expect(wrong).toEqual(['test/storage/sqlite/second-connection.ts']);
  });

  it('keeps in src/ itself only what every room knows, and the entry of the package', () => {
    expect(filesOf('src').toSorted()).toEqual([...KNOWN_TO_ALL, 'index.ts'].toSorted());
  });

  it('knows the routes of HTTP only from authorization-server/request/ upwards', () => {
    const below = (path: string) =>
      roomOf(path).floor < roomOf('src/authorization-server').floor ||
      /^src\/authorization-server\/(signing|profiles|clients|token-status|models)\//.test(path);
    const known = Object.values(ENDPOINTS).join('|');
    const route = new RegExp(`['"\`](${known}|${STATUS_LIST_PATH})['"\`/]|oidc\\??\\.route\\b`);
    const wrong = files
      .filter(({ path }) => below(path))
      .filter((file) => route.test(file.text) || file.imports.some((target) => target.endsWith('/routes.ts')))
      .map(({ path }) => path);
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
      // A program of its own, which sets the threads of its pool.
      .filter(({ path }) => path !== 'src/authorization-server/signing/pkcs11/token-child.ts')
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

  it('does not import the configuration below the composition root', () => {
    const wrong = files
      .filter((file) => roomOf(file.path).floor < roomOf('src/configuration').floor)
      .filter((file) => file.imports.some((target) => target.includes('configuration/')))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  it('has comments in the words of docs/style.md, whose subject is a noun', () => {
    const wrong = files.flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => /^\s*(\/\/|\/?\*)/.test(line))
        .filter(
          (line) =>
            /^\s*(\/\/|\/?\*+) (What|Who|It|Whoever|Whatever)\b/.test(line) ||
            /\b(sees? to it|hears? of|tells?|told|lets? go|meanwhile|somebody|nobody)\b/i.test(line),
        )
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });
});
