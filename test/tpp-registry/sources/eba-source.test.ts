import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { entityRecord, type WrittenEntity } from '../../../src/sandbox/registers/eba-writer.ts';
import { EbaSource, type RegisterOverride } from '../../../tpp-registry/sources/eba/eba-source.ts';
import { type EbaEntity, readEntity } from '../../../tpp-registry/sources/eba/entity.ts';

const STATE = {
  askedAt: new Date('2026-11-29'),
  fetchedAt: new Date('2026-11-29'),
  snapshotAt: new Date('2026-11-28'),
  source: 'test',
  digest: 'a'.repeat(64),
  recordCount: 1,
  problems: [],
};
const ALL = ['PS_070', 'PS_080'];
const FIRE: WrittenEntity = {
  type: 'PSD_PI',
  owner: 'IE_CBI',
  entityCode: 'IE_CBI!C58301',
  name: 'Fire Financial Services Limited',
  days: ['2018-07-02'],
  services: { IE: ALL, ES: ALL },
};

const read = (record: object) => readEntity(Buffer.from(JSON.stringify(record)));
function entities(...written: readonly WrittenEntity[]): EbaEntity[] {
  return written.map((one) => {
    const entity = read(entityRecord(one));
    if (typeof entity !== 'object') throw new Error(`not kept: ${entity}`);
    return entity;
  });
}

function said(
  written: readonly WrittenEntity[],
  number: string,
  {
    at = '2026-11-29',
    host = 'ES',
    nca,
    overrides = [],
  }: {
    readonly at?: string;
    readonly host?: string;
    readonly nca?: string;
    readonly overrides?: readonly RegisterOverride[];
  } = {},
) {
  const clock = { now: () => new Date(at) };
  const source = new EbaSource(
    { state: STATE, entities: entities(...written) },
    { hostCountry: host, clock, overrides },
  );
  const found = source.find(number, nca);
  if (found === undefined) return undefined;
  if ('refusal' in found) return found.refusal.code;
  const { status, roles, statusReason, passportedCountries, legalName, country } = found.record;
  return {
    status,
    roles: [...roles],
    legalName,
    country,
    passportedCountries,
    ...(statusReason === undefined ? {} : { statusReason }),
  };
}

const status = (days: readonly string[], at: string, change: Partial<WrittenEntity> = {}) => {
  const found = said([{ ...FIRE, days, ...change }], 'PSDIE-CBI-C58301', { at });
  return typeof found === 'object' ? found.status : found;
};

describe('the status of an institution', () => {
  it.each<[title: string, days: readonly string[], at: string, expected: string]>([
    ['authorised', ['2018-07-02'], '2026-11-29', 'active'],
    ['from the first midnight', ['2018-07-02'], '2018-07-02T00:00:00Z', 'active'],
    ['not a second earlier', ['2018-07-02'], '2018-07-01T23:59:59Z', 'withdrawn'],
    // Denizen Bank, withdrawn 2020: still in the file, with its services.
    ['withdrawn', ['2018-01-01', '2020-05-05'], '2026-11-29', 'withdrawn'],
    ['up to the day of withdrawal', ['2018-01-01', '2020-05-05'], '2020-05-04T23:59:59Z', 'active'],
    ['not on that day', ['2018-01-01', '2020-05-05'], '2020-05-05T00:00:00Z', 'withdrawn'],
    // MMG Corporation, CZ_CNB!29142024.
    ['authorised again', ['2017-05-30', '2019-07-12', '2024-07-12'], '2018-01-01', 'active'],
    ['authorised again, in between', ['2017-05-30', '2019-07-12', '2024-07-12'], '2022-01-01', 'withdrawn'],
    ['authorised again, now', ['2017-05-30', '2019-07-12', '2024-07-12'], '2026-01-01', 'active'],
    ['withdrawn twice', ['2017-05-30', '2019-07-12', '2021-01-01', '2023-01-01'], '2026-01-01', 'withdrawn'],
    ['authorised from a day to come', ['2027-01-01'], '2026-11-29', 'withdrawn'],
    ['to be withdrawn on a day to come', ['2018-01-01', '2026-12-31'], '2026-11-29', 'active'],
    ['withdrawn on the day of its authorisation', ['2018-01-01', '2018-01-01'], '2026-11-29', 'withdrawn'],
    ['without a day', [], '2026-11-29', 'withdrawn'],
    ['days out of order', ['2020-01-01', '2019-01-01', '2021-01-01'], '2026-11-29', 'withdrawn'],
    ['no day of the calendar', ['2018-02-30'], '2026-11-29', 'withdrawn'],
    ['no day at all', ['YES'], '2026-11-29', 'withdrawn'],
  ])('%s', (_title, days, at, expected) => expect(status(days, at)).toBe(expected));

  it('changes at midnight without another copy', () => {
    let now = '2026-12-30T23:59:59Z';
    const clock = { now: () => new Date(now) };
    const [entity] = entities({ ...FIRE, days: ['2018-01-01', '2026-12-31'] });
    const source = new EbaSource(
      { state: STATE, entities: [entity as EbaEntity] },
      { hostCountry: 'ES', clock },
    );
    const read = () => source.find('PSDIE-CBI-C58301');
    expect(read()).toMatchObject({ record: { status: 'active' } });
    expect(read()).toBe(read());
    now = '2026-12-31T00:00:00Z';
    expect(read()).toMatchObject({
      record: {
        status: 'withdrawn',
        statusReason: 'was withdrawn on 2026-12-31',
        statusSince: new Date(now),
      },
    });
  });

  it('takes a day that is no list', () => {
    const record = { ...entityRecord(FIRE), Properties: [{ ENT_NAM: 'Fire' }, { ENT_AUT: '2018-07-02' }] };
    expect(read(record)).toMatchObject({ days: ['2018-07-02'] });
  });
});

describe('roles by country', () => {
  const of = (change: Partial<WrittenEntity>, host = 'ES') => {
    const found = said([{ ...FIRE, ...change }], 'PSDIE-CBI-C58301', { host });
    return typeof found === 'object' ? found.roles : found;
  };
  it.each<[title: string, change: Partial<WrittenEntity>, host: string, roles: readonly string[]]>([
    ['both services in the host country', {}, 'ES', ['PSP_PI', 'PSP_AI']],
    ['account information only there', { services: { IE: ALL, ES: 'PS_080' } }, 'ES', ['PSP_AI']],
    ['issuing', { services: { IE: ALL, ES: ['PS_05A', 'PS_03A'] } }, 'ES', ['PSP_IC']],
    ['acquiring is none', { services: { IE: ALL, ES: ['PS_05B'] } }, 'ES', []],
    ['no passport', { services: { IE: ALL } }, 'ES', []],
    ['at home', { services: { IE: ALL } }, 'IE', ['PSP_PI', 'PSP_AI']],
    [
      'an account information service provider, whatever its services',
      { type: 'PSD_AISP' },
      'ES',
      ['PSP_AI'],
    ],
    ['entitled under national law', { type: 'PSD_ENL' }, 'ES', []],
    ['a country twice', { services: { ES: ['PS_080', 'PS_080'] } }, 'ES', ['PSP_AI']],
    ['withdrawn, with its services', { days: ['2018-01-01', '2026-08-27'] }, 'ES', []],
  ])('%s', (_title, change, host, roles) => expect(of(change, host)).toEqual(roles));

  it('names the countries of its passports, home not among them', () => {
    const found = said(
      [{ ...FIRE, services: { IE: ALL, ES: 'PS_080', FR: 'PS_03A', SE: ALL } }],
      'PSDIE-CBI-C58301',
    );
    expect(found).toMatchObject({ country: 'IE', passportedCountries: ['ES', 'SE'] });
  });
});

describe('from identifier to institution', () => {
  it.each<[title: string, number: string, written: Partial<WrittenEntity>]>([
    ['code', 'PSDIE-CBI-C58301', {}],
    ['reference number', 'PSDIE-CBI-REF 7', { reference: 'REF 7' }],
    ['reference number without punctuation', 'PSDIE-CBI-REF.7', { reference: 'REF 7' }],
    [
      'a number with spaces (Malta)',
      'PSDMT-MFSA-C 56251',
      { owner: 'MT_MFSA', entityCode: 'MT_MFSA!C56251', reference: 'C 56251' },
    ],
    [
      'a number with dots (Belgium)',
      'PSDBE-NBB-0404.055.577',
      { owner: 'BE_NBB', entityCode: 'BE_NBB!0404055577' },
    ],
    [
      'a number with hyphens, and an owner with one (Finland)',
      'PSDFI-FINFSA-0751699-0',
      { owner: 'FI_FIN-FSA', entityCode: 'FI_FIN-FSA!07516990', reference: '0751699-0' },
    ],
    ['an authority that was merged (Iceland)', 'PSDIS-FME-12', { owner: 'IS_CBI', entityCode: 'IS_CBI!12' }],
    ['an authority under two names (Latvia)', 'PSDLV-FCMC-12', { owner: 'LV_LV', entityCode: 'LV_LV!12' }],
    [
      'a code without its separator (Lithuania)',
      'PSDLT-BL-LB000462',
      { owner: 'LT_BL', entityCode: 'LT_LT_BL_277289060', reference: 'LB000462' },
    ],
    ['lower case', 'PSDIE-CBI-c58301', {}],
  ])('finds it by %s', (_title, number, written) => {
    expect(said([{ ...FIRE, ...written }], number)).toMatchObject({ status: 'active' });
  });

  it.each([
    ['another number', 'PSDIE-CBI-C58302'],
    ['another authority', 'PSDES-BE-C58301'],
    ['an unknown authority', 'PSDIE-XXX-C58301'],
    ['a UK identifier', 'PSDGB-FCA-C58301'],
    ['a VAT identifier', 'VATIE-C58301'],
    ['no number', 'PSDIE-CBI-'],
    ['a part of the number', 'PSDIE-CBI-C5830'],
  ])('knows nothing of %s', (_title, number) => expect(said([FIRE], number)).toBeUndefined());

  it('knows nothing of the identifier at another authority than the certificate names', () => {
    expect(said([FIRE], 'PSDIE-CBI-C58301', { nca: 'ES-BE' })).toBeUndefined();
    expect(said([FIRE], 'PSDIE-CBI-C58301', { nca: 'IE-CBI' })).toMatchObject({ status: 'active' });
  });

  it('refuses a number that two institutions have, and names them', () => {
    const other = { ...FIRE, entityCode: 'IE_CBI!C58301X', reference: 'C-583.01' };
    expect(said([FIRE, other], 'PSDIE-CBI-C 58301')).toBe('ERR_TPP_AMBIGUOUS');
    const clock = { now: () => new Date('2026-11-29') };
    const source = new EbaSource(
      { state: STATE, entities: entities(FIRE, other) },
      { hostCountry: 'ES', clock },
    );
    const found = source.find('PSDIE-CBI-C 58301');
    if (found === undefined || !('refusal' in found) || !isRefusal(found.refusal, 'ERR_TPP_AMBIGUOUS'))
      throw new Error('a refusal');
    expect(found.refusal.details.entities).toEqual(['IE_CBI!C58301', 'IE_CBI!C58301X']);
  });

  it('prefers the number as written to a normalised one', () => {
    const other = { ...FIRE, entityCode: 'IE_CBI!OTHER', name: 'Other', reference: 'C-58301' };
    expect(said([FIRE, other], 'PSDIE-CBI-C-58301')).toMatchObject({ legalName: 'Other' });
  });

  it('counts each type of one institution for itself (Mollie: payment institution, then e-money)', () => {
    const code = { owner: 'NL_DNB', entityCode: 'NL_DNB!F0038' };
    const was = { ...FIRE, ...code, days: ['2016-01-01', '2022-01-01'] };
    const is = { ...FIRE, ...code, type: 'PSD_EMI', days: ['2022-01-01'] };
    expect(said([was, is], 'PSDNL-DNB-F0038')).toMatchObject({
      status: 'active',
      roles: ['PSP_PI', 'PSP_AI'],
    });
    expect(said([is, was], 'PSDNL-DNB-F0038', { at: '2021-01-01' })).toMatchObject({ status: 'active' });
    expect(said([was, { ...is, days: ['2022-01-01', '2023-01-01'] }], 'PSDNL-DNB-F0038')).toMatchObject({
      status: 'withdrawn',
      statusReason: 'was withdrawn on 2023-01-01',
    });
  });

  it('takes an institution that was found by hand, and says by whom', () => {
    const overrides = [
      { authorizationNumber: 'PSDFR-ACPR-16958', entityCode: 'FR_ACPR!384558', provenance: 'REGAFI, J. Doe' },
    ];
    const entity = { ...FIRE, owner: 'FR_ACPR', entityCode: 'FR_ACPR!384558' };
    expect(said([entity], 'PSDFR-ACPR-16958')).toBeUndefined();
    expect(said([entity], 'PSDFR-ACPR-16958', { overrides })).toMatchObject({ status: 'active' });
    const clock = { now: () => new Date('2026-11-29') };
    const source = new EbaSource(
      { state: STATE, entities: entities(entity) },
      { hostCountry: 'ES', clock, overrides },
    );
    expect(source.find('PSDFR-ACPR-16958')?.evidence).toBe(
      'PSD_PI FR_ACPR!384558, copy of 2026-11-28, SHA-256 aaaaaaaaaaaaaaaa, by hand: REGAFI, J. Doe',
    );
  });
});

describe('records of the bulk file', () => {
  it.each(['PSD_AG', 'PSD_BR', 'PSD_EPI', 'PSD_EEMI', 'PSD_EXC'])('%s is not kept', (type) => {
    expect(read(entityRecord({ ...FIRE, type }))).toBeUndefined();
  });

  it('joins several names', () => {
    const names = ['ФАЙЪР', 'Fire'];
    expect(read(entityRecord({ ...FIRE, name: names }))).toMatchObject({ name: 'ФАЙЪР / Fire' });
  });

  it('is not misled by a second type', () => {
    const text = JSON.stringify(entityRecord(FIRE)).replace('{', '{"EntityType":"PSD_AG",');
    expect(readEntity(Buffer.from(text))).toBeUndefined();
    const late = JSON.stringify(entityRecord(FIRE)).replace(/}$/, ',"EntityType":"PSD_AG"}');
    expect(typeof readEntity(Buffer.from(late))).toBe('string');
  });

  it.each<[title: string, record: object]>([
    ['without properties', { ...entityRecord(FIRE), Properties: undefined }],
    ['with properties that are no list', { ...entityRecord(FIRE), Properties: { ENT_NAM: 'x' } }],
    ['without a code', { ...entityRecord(FIRE), EntityCode: '' }],
    ['with services that are no list', { ...entityRecord(FIRE), Services: 'IE' }],
  ])('a record %s is a problem', (_title, record) => expect(typeof read(record)).toBe('string'));

  it('leaves a country out that is no code, and services that are no text', () => {
    const record = { ...entityRecord(FIRE), Services: [{ Ireland: 'PS_080' }, { ES: 7 }, { FR: 'PS_080' }] };
    expect(read(record)).toMatchObject({ services: { FR: ['PS_080'] } });
  });
});
