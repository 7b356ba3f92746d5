import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** The version of this package. */
export const RELEASE: string = releaseOf(findPackageJSON('..', import.meta.url));

function releaseOf(file: string | undefined): string {
  if (file === undefined) return 'unknown';
  const { version }: { readonly version?: unknown } = JSON.parse(readFileSync(file, 'utf8'));
  return typeof version === 'string' ? version : 'unknown';
}
