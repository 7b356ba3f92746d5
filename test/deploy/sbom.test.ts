import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileOf } from '../docs/pages.ts';

interface Document {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly licenses?: readonly unknown[];
    readonly hashes?: readonly unknown[];
  }[];
}

const made = () => {
  execFileSync(process.execPath, [fileOf('scripts/sbom.ts')], { stdio: 'pipe' });
  return readFileSync(fileOf('dist/sbom.cdx.json'), 'utf8');
};

describe('the list of what a server is made of (SBOM)', () => {
  it('names every production dependency with version, hash and licence, nothing else, and is the same again', () => {
    const text = made();
    const { bomFormat, metadata, components } = JSON.parse(text) as Document;
    const { name, version, dependencies } = JSON.parse(readFileSync(fileOf('package.json'), 'utf8'));
    expect([bomFormat, metadata.component.name, metadata.component.version]).toEqual([
      'CycloneDX',
      name,
      version,
    ]);
    const listed = new Map(components.map((one) => [one.name, one]));
    for (const [own, wanted] of Object.entries(dependencies)) expect(listed.get(own)?.version).toBe(wanted);
    const lock = JSON.parse(readFileSync(fileOf('package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<
        Record<string, { readonly dev?: true; readonly optional?: true; readonly version: string }>
      >;
    };
    const installed = Object.entries(lock.packages)
      .filter(([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true)
      .map(([path, one]) => `${path.replace(/^.*node_modules\//, '')}@${one.version}`);
    expect(components.map((one) => `${one.name}@${one.version}`).toSorted()).toEqual(
      [...new Set(installed)].toSorted(),
    );
    expect(
      components.filter(({ hashes, licenses, purl }) => !hashes || !licenses || !purl.startsWith('pkg:npm/')),
    ).toEqual([]);
    expect(listed.has('vitest')).toBe(false);
    expect(made()).toBe(text);
  }, 60_000);
});
