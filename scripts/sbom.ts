import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Writes dist/sbom.cdx.json: every package that an installed server holds, as a CycloneDX document. The same lock file
// gives the same document.

const ROOT = resolve(import.meta.dirname, '..');
const MAX_BYTES = 1 << 26;
const lockText = readFileSync(join(ROOT, 'package-lock.json'));
const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

interface Component {
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
}

// `npm sbom --omit dev` leaves out production packages that a development package needs too: the lock file decides.
const entries = Object.entries<Record<string, unknown>>(JSON.parse(lockText.toString()).packages);
const installed = new Set(
  entries
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`),
);
const flags = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
const document = JSON.parse(
  execFileSync('npm', flags, { cwd: ROOT, encoding: 'utf8', maxBuffer: MAX_BYTES }),
);
const isInstalled = ({ group, name: own, version }: Component) =>
  installed.has(`${group === undefined ? '' : `${group}/`}${own}@${version}`);
document.components = document.components.filter(isInstalled);
const kept = new Set([
  document.metadata.component['bom-ref'],
  ...document.components.map((one: Component) => one['bom-ref']),
]);
document.dependencies = document.dependencies
  .filter(({ ref }: { readonly ref: string }) => kept.has(ref))
  .map(({ ref, dependsOn }: { readonly ref: string; readonly dependsOn: readonly string[] }) => ({
    ref,
    dependsOn: dependsOn.filter((one) => kept.has(one)),
  }));

// npm takes the name from the folder, a new number for each run, and the present time.
document.metadata.component.name = name;
const digest = hash('sha256', lockText);
const groups = [
  digest.slice(0, 8),
  digest.slice(8, 12),
  `8${digest.slice(13, 16)}`,
  `8${digest.slice(17, 20)}`,
];
document.serialNumber = `urn:uuid:${[...groups, digest.slice(20, 32)].join('-')}`;
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
document.metadata.timestamp = new Date(epoch * 1000).toISOString();

if (document.components.length !== installed.size) throw new Error('npm has not named every package');
mkdirSync(join(ROOT, 'dist'), { recursive: true });
writeFileSync(join(ROOT, 'dist/sbom.cdx.json'), `${JSON.stringify(document, undefined, 2)}\n`);
console.log(`dist/sbom.cdx.json: ${document.components.length} packages`);
