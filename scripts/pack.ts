import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';

// Makes the tarballs of the three packages from dist/. Each tarball holds the modules that its entries import, their
// declarations, a README and the licence, and no other file.

const ROOT = resolve(import.meta.dirname, '..');
const STAGE = join(ROOT, 'dist/packages');
const tree = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

interface Package {
  readonly name: string;
  readonly manifest: object;
  readonly readme: string;
  /** Export path → module with declarations. */
  readonly exports: Readonly<Record<string, string>>;
  /** Modules that are started and not imported, and folders that are read. */
  readonly started?: readonly string[];
  readonly folders?: readonly string[];
}

const { version, license, type } = tree;
const common = { version, license, type, engines: { node: '>=22' } };

const PACKAGES: readonly Package[] = [
  {
    name: 'tallystick',
    manifest: {
      description: tree.description,
      engines: tree.engines,
      bin: tree.bin,
      dependencies: tree.dependencies,
      peerDependencies: tree.peerDependencies,
      peerDependenciesMeta: tree.peerDependenciesMeta,
    },
    readme: 'README.md',
    exports: {
      '.': 'src/index',
      './resource-server': 'src/resource-server/index',
      './tpp-registry': 'tpp-registry/index',
    },
    started: [
      'src/cli/main',
      'src/authorization-server/signing/pkcs11/token-child',
      'src/x509/crl/crl-worker',
      'src/storage/sqlite/sqlite-worker',
      'src/server/clients/client-list-worker',
      'src/tpp/block-list/block-list-worker',
      'src/trusted-lists/proving-worker',
      'src/trusted-lists/snapshot-worker',
      'tpp-registry/registry-worker',
      'tpp-registry/sources/eba/bulk-file-worker',
      'tpp-registry/sources/eba/register-worker',
      'tpp-registry/sources/uk-directory/directory-worker',
      'src/sandbox/pki/make-files',
    ],
    folders: ['src/authorization-server/customer/pages', 'src/management/console'],
  },
  {
    name: '@tallystick/resource-server',
    manifest: {
      description: 'Checks certificate-bound access tokens (FAPI / PSD2) before the API of a bank',
      dependencies: versions('jose'),
      peerDependencies: { express: '>=4 <6', fastify: '>=4 <6', koa: '>=2 <4' },
      peerDependenciesMeta: {
        express: { optional: true },
        fastify: { optional: true },
        koa: { optional: true },
      },
    },
    readme: 'src/resource-server/README.md',
    exports: { '.': 'src/resource-server/index' },
  },
  {
    name: '@tallystick/tpp-registry',
    manifest: {
      description: 'Registry of third party providers (PSD2): records, sources, look-up',
      dependencies: versions('yaml', 'yauzl', 'zod'),
    },
    readme: 'tpp-registry/README.md',
    exports: { '.': 'tpp-registry/index' },
    started: [
      'tpp-registry/registry-worker',
      'tpp-registry/sources/eba/bulk-file-worker',
      'tpp-registry/sources/eba/register-worker',
      'tpp-registry/sources/uk-directory/directory-worker',
    ],
  },
];

function versions(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `^${tree.dependencies[name]}`]));
}

const IMPORTS =
  /(?:^|\n)(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)import\s*['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/g;

/** The modules that a module imports, directly or not, and the packages that they need. */
function follow(entries: readonly string[], extension: '.js' | '.d.ts') {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const match of readFileSync(join(ROOT, 'dist', file), 'utf8').matchAll(IMPORTS)) {
      const target = match[1] ?? match[2] ?? match[3] ?? '';
      const name = /^(?:@[^/]+\/)?[^/]+/.exec(target)?.[0] ?? '';
      if (target.startsWith('.'))
        visit(normalize(join(dirname(file), target)).replace(/\.[jt]s$/, extension));
      else if (!target.startsWith('node:')) packages.add(name);
    }
  };
  for (const entry of entries) visit(`${entry}${extension}`);
  return { files, packages };
}

function stage({ name, manifest, readme, exports, started = [], folders = [] }: Package): string {
  const folder = join(STAGE, name);
  const code = follow([...Object.values(exports), ...started], '.js');
  const declarations = follow(Object.values(exports), '.d.ts');
  const whole = {
    name,
    ...common,
    ...manifest,
    exports: Object.fromEntries(
      Object.entries(exports).map(([path, entry]) => [
        path,
        { types: `./dist/${entry}.d.ts`, default: `./dist/${entry}.js` },
      ]),
    ),
    files: ['dist'],
  };
  assertDeclared(whole, [...code.packages, ...declarations.packages]);
  for (const file of [...code.files, ...declarations.files]) {
    const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
    // The compiler leaves `.ts` in declarations; not every reader of them finds the declarations of a `.ts` file.
    write(
      join(folder, 'dist', file),
      file.endsWith('.d.ts') ? text.replace(/(['"]\.[^'"]+)\.ts(['"])/g, '$1.js$2') : text,
    );
  }
  for (const one of folders) {
    cpSync(join(ROOT, 'dist', one), join(folder, 'dist', one), {
      recursive: true,
      filter: (path) => !isModule(path),
    });
  }
  write(join(folder, 'package.json'), `${JSON.stringify(whole, null, 2)}\n`);
  write(join(folder, 'README.md'), readFileSync(join(ROOT, readme), 'utf8'));
  write(join(folder, 'LICENSE'), readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
  return folder;
}

/** Whether a file is a module, which its importers bring along, and no script for a browser. */
function isModule(path: string): boolean {
  return path.endsWith('.ts') || (path.endsWith('.js') && existsSync(path.replace(/js$/, 'd.ts')));
}

/** @throws when an imported package is neither a dependency nor a peer */
function assertDeclared(
  manifest: { readonly name: string; readonly dependencies?: object; readonly peerDependencies?: object },
  packages: readonly string[],
): void {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const missing = packages.filter((one) => !declared.includes(one));
  if (missing.length > 0) throw new Error(`${manifest.name} does not declare ${missing.join(', ')}`);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

rmSync(STAGE, { recursive: true, force: true });
for (const one of PACKAGES) {
  const folder = stage(one);
  const arguments_ = ['pack', folder, '--pack-destination', STAGE, '--loglevel', 'error'];
  console.log(`dist/packages/${execFileSync('npm', arguments_, { encoding: 'utf8' }).trim()}`);
}
