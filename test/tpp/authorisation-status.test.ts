import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import {
  AuthorisationStatus,
  type AuthorisationStatusOptions,
  type NamedTpp,
} from '../../src/tpp/authorisation-status.ts';
import { createBlockList } from '../../src/tpp/block-list/block-list.ts';
import { createRegistry, type TppRecord } from '../../tpp-registry/index.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const WHY = { reason: 'fraud', since: NOW };
const ACME: NamedTpp = { authorizationNumber: 'NTRFR-1', nca: 'FR-ACPR' };
const record = (change: Partial<TppRecord> = {}): TppRecord => ({
  authorizationNumber: 'NTRFR-1',
  legalName: 'Acme SA',
  nca: { id: 'FR-ACPR' },
  country: 'FR',
  roles: new Set(['PSP_AI']),
  passportedCountries: ['GB'],
  status: 'active',
  statusSince: NOW,
  ...change,
});

interface Case {
  readonly tpp?: NamedTpp;
  readonly records?: readonly TppRecord[];
  readonly options?: Partial<AuthorisationStatusOptions>;
}

function decided({ tpp = ACME, records = [record()], options = {} }: Case): string {
  const registry = createRegistry(records, NOW);
  const status = new AuthorisationStatus({ registry, hostCountry: 'GB', ...options });
  const decision = status.decide(tpp);
  if (!isRefusal(decision)) {
    expect(status.verify(tpp)).toBe(decision);
    return decision.legalName;
  }
  expect(() => status.verify(tpp)).toThrow(decision.message);
  return decision.code;
}

const ofTpp = (nca?: string) => ({
  blockList: createBlockList([
    { kind: 'tpp', authorizationNumber: 'NTRFR-1', ...WHY, ...(nca === undefined ? {} : { nca }) },
  ]),
});
const ofCertificate = {
  blockList: createBlockList([{ kind: 'certificate', issuer: 'CN=CA', serialNumber: '1', ...WHY }]),
};
const presented = { ...ACME, certificate: { issuer: 'CN=CA', serialNumber: '01' } };

describe('the authorisation status of a TPP', () => {
  const irish = record({ nca: { id: 'IE-CBI' }, country: 'IE' });
  it.each<[title: string, facts: Case, outcome: string]>([
    ['active and passported into the host country', {}, 'Acme SA'],
    ['of the host country', { options: { hostCountry: 'FR' } }, 'Acme SA'],
    ['passported elsewhere (PSD2 article 28)', { options: { hostCountry: 'DE' } }, 'ERR_TPP_NOT_PASSPORTED'],
    ['suspended', { records: [record({ status: 'suspended' })] }, 'ERR_TPP_NOT_AUTHORIZED'],
    ['unknown', { records: [] }, 'ERR_TPP_NOT_REGISTERED'],
    ['registered with another authority (G6)', { records: [irish] }, 'ERR_TPP_NCA_MISMATCH'],
    ['named without its authority', { tpp: { ...ACME, nca: undefined } }, 'Acme SA'],
    [
      'named without its authority, where two have given the number',
      { tpp: { ...ACME, nca: undefined }, records: [record(), irish] },
      'ERR_TPP_NOT_REGISTERED',
    ],
    ['blocked (PSD2 article 68)', { options: ofTpp() }, 'ERR_TPP_BLOCKED'],
    [
      'blocked under its authority, and named without it',
      { tpp: { ...ACME, nca: undefined }, options: ofTpp('FR-ACPR') },
      'ERR_TPP_BLOCKED',
    ],
    [
      'of the number of a TPP that is blocked under another authority',
      { options: ofTpp('IE-CBI') },
      'Acme SA',
    ],
    ['known by a blocked certificate (A5)', { tpp: presented, options: ofCertificate }, 'ERR_CERT_BLOCKED'],
    ['with a blocked certificate, and named without it', { options: ofCertificate }, 'Acme SA'],
  ])('that is %s', (_title, facts, outcome) => {
    expect(decided(facts)).toBe(outcome);
  });
});
