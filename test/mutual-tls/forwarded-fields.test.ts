import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findForwardedField } from '../../src/mutual-tls/forwarded-fields.ts';
import { PROXY_FORMATS } from '../../src/mutual-tls/proxy-formats.ts';

const NAMES = [
  ...Object.values(PROXY_FORMATS).flatMap((format) => [
    format.header,
    ...('chainHeader' in format ? [format.chainHeader] : []),
  ]),
  'x-client-cert-chain',
  'x-ssl-cert',
  'x-ssl-client-certificate',
  'x-client-certificate',
];
const USUAL = [
  'Host',
  'api',
  'User-Agent',
  'x',
  'Cache-Control',
  'no-cache',
  'Content-Type',
  'a/b',
  'X-Cert',
  'x',
];

describe('a field that would forward a certificate (B1, RFC 9440 §4)', () => {
  it('is found under each known name in any case, with anything for its hyphens (property)', () => {
    const separator = fc.constantFrom('-', '_', '.', '~', '!');
    const spelled = fc
      .tuple(fc.constantFrom(...NAMES), fc.infiniteStream(fc.tuple(fc.boolean(), separator)))
      .map(([name, changes]) =>
        [...name]
          .map((one) => {
            const [isUpper, put] = changes.next().value;
            if (one === '-') return put;
            return isUpper ? one.toUpperCase() : one;
          })
          .join(''),
      );
    fc.assert(
      fc.property(spelled, (name) => {
        expect(findForwardedField([...USUAL, name, 'value'])).toBe(name);
        expect(findForwardedField([name, 'value', ...USUAL])).toBe(name);
      }),
      { numRuns: 2000, seed: 4 },
    );
    for (const name of NAMES) expect(findForwardedField([name.toUpperCase(), ''])).toBe(name.toUpperCase());
  });

  it('is not found where no name is one, also when a value is', () => {
    expect(findForwardedField([])).toBeUndefined();
    expect(findForwardedField(['', 'x', ...USUAL])).toBeUndefined();
    for (const name of NAMES) {
      expect(findForwardedField(['Accept', name, name.slice(1), 'x', `${name}s`, 'x'])).toBeUndefined();
    }
  });
});
