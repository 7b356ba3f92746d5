import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { isRefusal } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import {
  canonicalNca,
  createRegistry,
  openFileRegistry,
  parseTppRecords,
  sameNca,
} from '../../tpp-registry/index.ts';

const RECORD = {
  authorizationNumber: 'PSDGB-FCA-123456',
  legalName: 'Acme Ltd',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: ['PSP_AI'],
  status: 'active',
  statusSince: '2026-01-31',
};
const textOf = (...records: object[]) => JSON.stringify({ tpps: records });

function problemsOf(text: string): string[] {
  try {
    parseTppRecords(text, { source: 'test' });
  } catch (error) {
    if (isRefusal(error, 'ERR_REGISTRY_INVALID'))
      return error.details.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe('a registry file', () => {
  it('is read from YAML', () => {
    const text = `
tpps:
  - authorizationNumber: PSDGB-FCA-123456
    legalName: Acme Ltd
    tradingName: Acme
    nca: { id: GB_FCA, name: Financial Conduct Authority }
    country: GB
    roles: [PSP_AI, PSP_PI]
    passportedCountries: [IE]
    status: suspended
    statusSince: 2026-01-31
    statusReason: audit
`;
    const [record] = parseTppRecords(text, { source: 'test' });
    expect(record).toMatchObject({
      tradingName: 'Acme',
      status: 'suspended',
      statusSince: new Date('2026-01-31'),
    });
    expect([...(record?.roles ?? [])]).toEqual(['PSP_AI', 'PSP_PI']);
    expect(Object.isFrozen(record)).toBe(true);
  });

  const faults: readonly [title: string, change: Record<string, unknown>, place: string][] = [
    ['an unknown field', { rolse: [] }, 'tpps[0]'],
    ['an unknown role', { roles: ['PSP_XX'] }, 'tpps[0].roles[0]'],
    ['a role twice', { roles: ['PSP_AI', 'PSP_AI'] }, 'tpps[0].roles'],
    ['an unknown authority', { nca: { id: 'DE-FAKENCA' }, authorizationNumber: 'NTRDE-1' }, 'tpps[0].nca.id'],
    [
      "an authority that is not the identifier's (G6)",
      { nca: { id: 'IE-CBI' }, country: 'IE' },
      'tpps[0].nca.id',
    ],
    ['an identifier of an unknown authority', { authorizationNumber: 'PSDGB-XXXX-1' }, 'tpps[0].nca.id'],
    [
      'a PSD identifier in small letters (G13)',
      { authorizationNumber: 'psdgb-fca-1' },
      'tpps[0].authorizationNumber',
    ],
    ["a country that is not the authority's", { country: 'DE' }, 'tpps[0].country'],
    ['the home country as passported', { passportedCountries: ['GB'] }, 'tpps[0].passportedCountries'],
    ['a day that does not exist', { statusSince: '2026-02-30' }, 'tpps[0].statusSince'],
    ['an unknown status', { status: 'ok' }, 'tpps[0].status'],
    ['a line break in a name (O1)', { legalName: 'Acme\nLtd' }, 'tpps[0].legalName'],
    ['a bidirectional trick in a name', { legalName: 'Acme\u202eLtd' }, 'tpps[0].legalName'],
  ];
  it.each(faults)('with %s is refused at its place', (_title, change, place) => {
    const [problem, ...others] = problemsOf(textOf({ ...RECORD, ...change }));
    expect(problem?.split(/ \(line \d+\)?:|: /)[0]?.replace(/ \(line.*/, '')).toBe(place);
    expect(others).toEqual([]);
  });

  it('reports all its problems at once, of every kind', () => {
    const problems = problemsOf(textOf({ ...RECORD, status: 'ok' }, { ...RECORD, country: 'DE' }, RECORD));
    expect(problems).toHaveLength(3);
    expect(problems[2]).toContain('is also that of tpps[1]');
  });

  it('with an identifier twice is refused, also when only the case differs (G13)', () => {
    const lei = { ...RECORD, authorizationNumber: 'NTRGB-abc' };
    expect(problemsOf(textOf(lei, { ...lei, authorizationNumber: 'NTRGB-ABC' }))).toHaveLength(1);
  });

  it.each([
    ['no YAML', 'tpps: [', /line 1/],
    ['a key twice', 'tpps: []\ntpps: []', /line 2/],
    ['an alias bomb (N4)', 'a: &a [x,x]\nb: &b [*a,*a]\ntpps: [*b,*b]', /lias/],
    ['a name of the prototype (N13)', '{"tpps":[],"__proto__":{"x":1}}', /__proto__|tpps/],
    ['nothing', '', /expected object/],
    ['an empty list', 'tpps: []', /tpps/],
  ])('that holds %s is refused', (_title, text, pattern) => {
    expect(problemsOf(text).join('\n')).toMatch(pattern);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('throws nothing but its own refusal, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void problemsOf(text)),
      { seed: 1, numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => void problemsOf(JSON.stringify({ tpps: [value] }))),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('authorities', () => {
  it.each([
    ['FI-FINFSA', 'FI_FIN-FSA'],
    ['HR-HNB', 'HR-CNB'],
    ['IS-FME', 'IS_CBI'],
    ['LV-FCMC', 'LV_LV'],
    ['GB-FCA', 'GB_FCA'],
  ])('%s is %s', (a, b) => {
    expect(sameNca(a, b)).toBe(true);
    expect(canonicalNca(a)).toBe(canonicalNca(b));
  });

  it('that nobody knows are the same as none, not even as themselves', () => {
    expect(sameNca('DE-FAKENCA', 'DE-FAKENCA')).toBe(false);
    expect(canonicalNca('constructor')).toBeUndefined();
  });
});

describe('look-ups', () => {
  const registry = createRegistry(
    parseTppRecords(
      textOf(
        RECORD,
        { ...RECORD, authorizationNumber: 'NTRGB-1' },
        { ...RECORD, authorizationNumber: 'NTRGB-1', nca: { id: 'IE-CBI' }, country: 'IE' },
      ),
      { source: 'test' },
    ),
    new Date(0),
  );

  it('find by identifier and authority, in any of its spellings', () => {
    expect(registry.find('PSDGB-FCA-123456', 'GB_FCA')?.legalName).toBe('Acme Ltd');
    expect(registry.find('PSDGB-FCA-123456')?.legalName).toBe('Acme Ltd');
    expect(registry.find('PSDGB-FCA-123456', 'DE-BAFIN')).toBeUndefined();
    expect(registry.find('PSDGB-FCA-999999')).toBeUndefined();
  });

  it('answer nothing for an identifier that two authorities gave, unless told which', () => {
    expect(registry.find('NTRGB-1')).toBeUndefined();
    expect(registry.find('NTRGB-1', 'IE-CBI')?.country).toBe('IE');
  });
});

describe('a registry that follows a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-registry-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes a new copy as a whole, keeps the last good one, and tells every problem (G8, G12)', async () => {
    const file = join(folder, 'tpps.yaml');
    const lines: string[] = [];
    const log = createLog({ destination: { write: (line) => void lines.push(line) } });
    writeFileSync(file, textOf(RECORD));
    const registry = await openFileRegistry({ file, clock: systemClock, log, pollSeconds: 3600 });
    expect(await registry.reload()).toBe(false);

    writeFileSync(`${file}.new`, textOf({ ...RECORD, status: 'withdrawn' }));
    renameSync(`${file}.new`, file);
    expect(await registry.reload()).toBe(true);
    expect(registry.find('PSDGB-FCA-123456')?.status).toBe('withdrawn');

    writeFileSync(file, textOf({ ...RECORD, status: 'ok' }, { ...RECORD, country: 'DE' }));
    expect(await registry.reload()).toBe(false);
    rmSync(file);
    expect(await registry.reload()).toBe(false);
    expect(registry.find('PSDGB-FCA-123456')?.status).toBe('withdrawn');
    const refused = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'registry.refused');
    expect(refused).toHaveLength(2);
    expect(refused[0].problems).toHaveLength(2);

    writeFileSync(file, textOf(RECORD));
    expect(await registry.reload()).toBe(true);
    expect(registry.find('PSDGB-FCA-123456')?.status).toBe('active');
    await registry.close();
  });

  it('takes up a change by itself', async () => {
    const file = join(folder, 'polled.yaml');
    writeFileSync(file, textOf(RECORD));
    const log = createLog({ destination: { write: () => {} } });
    const registry = await openFileRegistry({ file, clock: systemClock, log, pollSeconds: 0.05 });
    writeFileSync(file, textOf({ ...RECORD, status: 'suspended' }));
    await expect.poll(() => registry.find('PSDGB-FCA-123456')?.status, { timeout: 5000 }).toBe('suspended');
    await registry.close();
  });

  it('does not open without a good first copy', async () => {
    const log = createLog({ destination: { write: () => {} } });
    await expect(
      openFileRegistry({ file: join(folder, 'none.yaml'), clock: systemClock, log }),
    ).rejects.toMatchObject({ code: 'ERR_REGISTRY_INVALID' });
  });
});
