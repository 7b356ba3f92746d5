import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { isBuiltin, stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { parseConfig } from '../../src/configuration/config.ts';
import { loadGatewayConfig } from '../../src/configuration/gateway-config.ts';
import { parseBlocks } from '../../src/tpp/block-list/block.ts';
import { parseOverrides, parseTppRecords } from '../../tpp-registry/index.ts';
import { type Block, blocksOf, fileOf, readPages, snippet } from './pages.ts';

const from = { source: 'snippet', folder: '/' };
const whole = parse(snippet('docs/quickstart-bank.md', 'tallystick.yaml'));
const gateway = parse(snippet('docs/proxies.md', 'gateway.yaml'));

/** What reads a YAML snippet, by the comment in its first line. */
const READERS: Readonly<Record<string, (yaml: string) => unknown>> = {
  'tallystick.yaml': (yaml) => parseConfig(parse(yaml), from),
  'tallystick.yaml, in part': (yaml) => {
    const part = parse(yaml);
    // The two names of the place of the keys are alternatives.
    const { signingKeysFile, ...others } = whole;
    return parseConfig({ ...others, ...('signingKeys' in part ? {} : { signingKeysFile }), ...part }, from);
  },
  'clients.yaml': (yaml) => parseConfig({ ...whole, ...parse(yaml) }, from),
  'tpps.yaml': (yaml) => parseTppRecords(yaml, from),
  'overrides.yaml': (yaml) => parseOverrides(yaml, from.source),
  'blocked.yaml': (yaml) => parseBlocks(yaml, from),
  'gateway.yaml': loadedGateway,
  'gateway.yaml, in part': (yaml) => loadedGateway(stringify({ ...gateway, ...parse(yaml) })),
};
/** Configurations of others, which run in test/mutual-tls/proxies. */
const OF_PROXIES = /^(Envoy|Traefik) /;

const ENTRIES: Readonly<Record<string, string>> = {
  tallystick: 'src/index.ts',
  'tallystick/resource-server': 'src/resource-server/index.ts',
  '@tallystick/resource-server': 'src/resource-server/index.ts',
  'tallystick/tpp-registry': 'tpp-registry/index.ts',
  '@tallystick/tpp-registry': 'tpp-registry/index.ts',
};

const blocks = readPages().flatMap(blocksOf);
const inLanguage = (...languages: readonly string[]) =>
  blocks
    .filter(({ language }) => languages.includes(language))
    .map((block) => [titleOf(block), block] as const);

function titleOf({ path, code }: Block): string {
  return `${path}: ${code.split('\n')[0]}`;
}

async function loadedGateway(yaml: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-docs-'));
  const file = join(folder, 'gateway.yaml');
  await writeFile(file, yaml);
  await loadGatewayConfig(file).finally(() => rm(folder, { recursive: true }));
}

/** The names that an entry of a package exports. */
function exportsOf(entry: string): Set<string> {
  const text = readFileSync(fileOf(entry), 'utf8');
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].map(([, names = '']) => names);
  return new Set(lists.flatMap(namesIn));
}

function namesIn(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim().replace(/^type /, ''))
    .filter((name) => name !== '');
}

describe('a snippet', () => {
  it.each(inLanguage('yaml'))('is a configuration that is accepted: %s', async (_title, { path, code }) => {
    const [first = ''] = code.split('\n');
    const title = first.replace(/^# /, '');
    if (path === 'docs/proxies.md' && OF_PROXIES.test(title)) {
      expect(parseAllDocuments(code).flatMap(({ errors }) => errors)).toEqual([]);
      return;
    }
    expect(Object.keys(READERS), 'the first line of a YAML snippet must say which file it is').toContain(
      title,
    );
    await READERS[title]?.(code);
  });

  it.each(inLanguage('js', 'ts'))('is a program whose imports there are: %s', (_title, { code }) => {
    expect(() => stripTypeScriptTypes(code)).not.toThrow();
    for (const [, names = '', specifier = ''] of code.matchAll(/import (.+?) from '([^']+)'/g)) {
      const entry = ENTRIES[specifier];
      if (entry !== undefined) {
        const exported = exportsOf(entry);
        expect(namesIn(names.replace(/[{}]/g, '')).filter((name) => !exported.has(name))).toEqual([]);
      } else expect(isBuiltin(specifier) || import.meta.resolve(specifier) !== '').toBe(true);
    }
  });

  it('is found out when it is wrong', () => {
    expect(() => stripTypeScriptTypes('const = 1;')).toThrow();
    expect(() => READERS['tallystick.yaml, in part']?.('storag: {}')).toThrow('ERR_CONFIG_INVALID');
    expect(exportsOf('src/resource-server/index.ts').has('createAuthoriser')).toBe(false);
  });
});
