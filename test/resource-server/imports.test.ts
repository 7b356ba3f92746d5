import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ENTRY = new URL('../../src/resource-server/index.ts', import.meta.url).href;
/** Prints every module that the entry loads. */
const PROGRAM = `
  import { registerHooks } from 'node:module';
  const urls = [];
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
  await import(${JSON.stringify(ENTRY)});
  console.log(JSON.stringify(urls));
`;

describe('importing tallystick/resource-server', () => {
  it('loads no web framework, no authorization server, no Redis and no ASN.1 library', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM]);
    const urls: readonly string[] = JSON.parse(stdout);
    expect(urls).toContain(ENTRY);
    const packages = new Set(
      urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []),
    );
    expect([...packages]).toEqual(['jose']);
    const rooms = new Set(urls.flatMap((url) => /\/src\/([a-z0-9-]+)\//.exec(url)?.[1] ?? []));
    expect([...rooms].sort()).toEqual([
      'catalogue',
      'consent',
      'mutual-tls',
      'remote',
      'resource-server',
      'tpp',
      'x509',
    ]);
  });
});
