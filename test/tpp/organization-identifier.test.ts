import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOrganizationIdentifier } from '../../src/tpp/organization-identifier.ts';
import { outcomeOf } from '../x509/refusals.ts';

describe('organization identifiers (EN 319 412-1 cl. 5.1.4)', () => {
  it.each([
    ['PSDGB-FCA-123456', { scheme: 'PSD', country: 'GB', nca: 'GB-FCA', reference: '123456' }],
    ['PSDFI-FINFSA-0751699-0', { scheme: 'PSD', country: 'FI', nca: 'FI-FINFSA', reference: '0751699-0' }],
    ['PSDMT-MFSA-C 56251', { scheme: 'PSD', country: 'MT', nca: 'MT-MFSA', reference: 'C 56251' }],
    ['PSDBE-NBB-0404.055.577', { scheme: 'PSD', country: 'BE', nca: 'BE-NBB', reference: '0404.055.577' }],
    ['PSDGB-OB-Unknown0015800001HQQrZAAX', { scheme: 'PSD', country: 'GB', directory: 'GB-OB' }],
    ['NTRFR-552 120 222', { scheme: 'NTR', country: 'FR', reference: '552 120 222' }],
    ['VATXI-123456789', { scheme: 'VAT', country: 'XI' }],
    ['OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c', { scheme: 'OFB', country: 'BR' }],
    ['NTRGB-09215384', { scheme: 'NTR', country: 'GB', reference: '09215384' }],
    ['VATEL-094014201', { scheme: 'VAT', country: 'EL' }],
    ['LEIXG-529900T8BM49AURSDO55', { scheme: 'LEI', country: 'XG' }],
    ['XX:GR-18050', { scheme: 'national', country: 'GR', reference: '18050' }],
  ])('%s is understood', (text, parts) => {
    expect(parseOrganizationIdentifier(text)).toMatchObject({ text, ...parts });
  });

  it.each([
    '',
    'PSDGB',
    'PSDGB-FCA',
    'PSDGB-FCA-',
    'PADFR-ACPR-30748',
    'PSDFIN-FINFSA-1',
    'GR-BOG-800000005',
    '12345987',
    'psdgb-fca-123456',
    'PSDGB-FCA-12\n3',
    'PSDXX-DFSA-1',
    'PSDUK-FCA-1',
    'PSDEL-BOG-1',
    'NTREL-1',
    'NTRXX-1',
    'VATUS+PA-1',
    'LEIGB-529900T8BM49AURSDO55',
    'LEIXG-529900T8BM49AURSDO',
    'OFBGB-1',
    'XX:XX-18050',
    'X:GR-18050',
    'PSDGB-FCA-123\u202e456',
    ' PSDGB-FCA-123456',
    'ＰSDGB-FCA-123456',
    `PSDGB-FCA-${'1'.repeat(200)}`,
  ])('%j is refused', (text) => {
    expect(outcomeOf(() => parseOrganizationIdentifier(text))).toBe('ERR_TPP_IDENTIFIER_INVALID');
  });

  it('throws nothing but its own refusal', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => void outcomeOf(() => parseOrganizationIdentifier(text)),
      ),
      { seed: 1 },
    );
  });
});
