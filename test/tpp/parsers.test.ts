import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { parseOrganizationIdentifier } from '../../src/tpp/organization-identifier.ts';
import { assertScopesAllowed, ROLE_OIDS, scopesAllowed } from '../../src/tpp/psp-role.ts';
import { parseQcStatements } from '../../src/tpp/qc-statements.ts';

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
  return undefined;
}

describe('organization identifiers (EN 319 412-1 cl. 5.1.4)', () => {
  it.each([
    ['PSDGB-FCA-123456', { scheme: 'PSD', country: 'GB', nca: 'GB-FCA', reference: '123456' }],
    ['PSDFI-FINFSA-0751699-0', { scheme: 'PSD', country: 'FI', nca: 'FI-FINFSA', reference: '0751699-0' }],
    ['PSDMT-MFSA-C 56251', { scheme: 'PSD', country: 'MT', nca: 'MT-MFSA', reference: 'C 56251' }],
    ['PSDBE-NBB-0404.055.577', { scheme: 'PSD', country: 'BE', nca: 'BE-NBB', reference: '0404.055.577' }],
    ['PSDGB-OB-Unknown0015800001HQQrZAAX', { scheme: 'PSD', country: 'GB', nca: 'GB-OB' }],
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
    `PSDGB-FCA-${'1'.repeat(200)}`,
  ])('%j is refused', (text) => {
    expect(codeOf(() => parseOrganizationIdentifier(text))).toBe('ERR_TPP_IDENTIFIER_INVALID');
  });

  it('throws nothing but its own refusal', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => void codeOf(() => parseOrganizationIdentifier(text)),
      ),
      { seed: 1 },
    );
  });
});

describe('roles (TS 119 495 cl. 5.2.2)', () => {
  it('have the object identifiers of the standard', () => {
    expect(ROLE_OIDS).toEqual({
      PSP_AS: '0.4.0.19495.1.1',
      PSP_PI: '0.4.0.19495.1.2',
      PSP_AI: '0.4.0.19495.1.3',
      PSP_IC: '0.4.0.19495.1.4',
    });
  });

  it.each([
    ['PSP_AI', 'accounts'],
    ['PSP_PI', 'payments'],
    ['PSP_IC', 'fundsconfirmations'],
  ] as const)('%s covers %s and nothing else (G1)', (role, own) => {
    const scopes = ['accounts', 'payments', 'fundsconfirmations'];
    expect(scopesAllowed(new Set([role]), scopes)).toEqual([own]);
    for (const scope of scopes) {
      const code = codeOf(() =>
        assertScopesAllowed({ authorizationNumber: 'x', roles: new Set([role]) }, [scope]),
      );
      expect(code).toBe(scope === own ? undefined : 'ERR_TPP_ROLE_MISSING');
    }
  });

  it('PSP_AS covers no scope of a TPP', () => {
    expect(scopesAllowed(new Set(['PSP_AS']), ['accounts', 'payments', 'fundsconfirmations'])).toEqual([]);
  });
});

describe('QCStatements', () => {
  it('throw nothing but their own refusal, whatever the bytes', () => {
    const bytes = fc
      .uint8Array({ maxLength: 80 })
      .map((tail) => Buffer.concat([Buffer.from([0x30, tail.length]), tail]));
    fc.assert(
      fc.property(bytes, (der) => void codeOf(() => parseQcStatements(der, 'CN=x'))),
      { seed: 1, numRuns: 2000 },
    );
  });

  const corpora =
    process.env.TALLYSTICK_CORPORA ?? new URL('../../../shared/corpora', import.meta.url).pathname;
  const folder = join(corpora, 'pkilint-psd2');
  const isThere = existsSync(folder);
  it.skipIf(!isThere)(
    `read the pkilint certificates without another error${isThere ? '' : ' [skipped: no corpora]'}`,
    async () => {
      const { parseCertificate, parsePem } = await import('../../src/x509/certificate.ts');
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
        /\.(crttest|pem|txt)$/.test(name),
      );
      const outcomes = names.map((name) => {
        const text = readFileSync(join(folder, name), 'utf8');
        return codeOf(() => {
          const [der] = parsePem(
            text.slice(text.indexOf('-----BEGIN'), text.indexOf('-----END CERTIFICATE-----') + 26),
          );
          const extension = parseCertificate(der ?? Buffer.alloc(0)).extensions.get('1.3.6.1.5.5.7.1.3');
          parseQcStatements(extension?.value ?? Buffer.alloc(0), name);
        });
      });
      expect(names.length).toBeGreaterThan(10);
      expect(
        outcomes.filter(
          (code) => code !== undefined && !/^ERR_(TPP_STATEMENT_INVALID|CERT_MALFORMED)$/.test(code),
        ),
      ).toEqual([]);
    },
  );
});
