import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { behind, one, outcome, REFUSED, two } from './forwarded-request.ts';
import { pemOf, xfccOf } from './forwarders.ts';
import { thumbprintOf } from './thumbprint.ts';

describe('x-forwarded-client-cert (Envoy)', () => {
  const good = xfccOf(one);
  const hash = (der: Buffer) => createHash('sha256').update(der).digest('hex');
  const cert = (der: Buffer) => `Cert="${encodeURIComponent(pemOf(der))}"`;
  const both = (der: Buffer) => `Hash=${hash(der)};${cert(der)}`;

  it.each([
    ['two elements', `${both(one)},${both(two)}`],
    ['an element that a client sent before', `${both(two)},${good}`],
    ['a Hash of another certificate', `Hash=${hash(two)};${cert(one)}`],
    ['no Hash', cert(one)],
    ['no Cert', `Hash=${hash(one)};Subject="CN=one"`],
    ['a Chain only', `Hash=${hash(one)};Chain="${encodeURIComponent(pemOf(one))}"`],
    [
      'a Chain that begins with another certificate',
      `${both(one)};Chain="${encodeURIComponent(pemOf(two) + pemOf(one))}"`,
    ],
    ['two Certs', `${both(one)};${cert(two)}`],
    ['two Certs in different case', `${both(one)};${cert(two).toLowerCase()}`],
    ['two Hashes', `${both(one)};Hash=${hash(two)}`],
    ['a URI that writes pairs of its own', `By=x;${both(one)};URI=x;${both(two)}`],
    ['a URI that writes an element of its own', `By=x;${both(one)};URI=x,${both(two)}`],
    ['an open quote', `Subject="CN=x,${both(one)}`],
    ['an open quote that swallows the proxy’s element', `${both(two)};Subject=",${good}`],
    ['a quote that ends early', `Subject="a"b;${both(one)}`],
    ['a quote in a bare value', `URI=a"b;${both(one)}`],
    ['an unknown key', `${both(one)};Admin=true`],
    ['a semicolon at the end', `${both(one)};`],
    ['a comma at the end', `${both(one)},`],
    ['two certificates in Cert', `Hash=${hash(one)};Cert="${encodeURIComponent(pemOf(one) + pemOf(two))}"`],
    ['a Cert that is not escaped', `Hash=${hash(one)};Cert="${pemOf(one)}"`],
    [
      'a Cert that is escaped twice',
      `Hash=${hash(one)};Cert="${encodeURIComponent(encodeURIComponent(pemOf(one)))}"`,
    ],
    ['a subject of 20 kB', `${both(one)};Subject="${'a'.repeat(20_000)}"`],
    ['a Hash in base64', `Hash=${Buffer.from(hash(one), 'hex').toString('base64')};${cert(one)}`],
    ['spaces between pairs', `Hash=${hash(one)}; ${cert(one)}`],
  ])('is refused with %s (B7)', (_title, text) => {
    expect(outcome(behind('envoy'), ['x-forwarded-client-cert', text])).toBe(REFUSED);
  });

  it.each([
    ['quotes and separators in the subject', `${both(one)};Subject="CN=\\",Hash=${hash(two)};Cert=\\"x\\""`],
    ['an empty subject', `${both(one)};Subject=""`],
    ['several URIs and names', `By=a;By=b;${both(one)};URI=x;URI=y;DNS=a;DNS=b`],
    ['another order', `URI=x;${cert(one)};Hash=${hash(one)}`],
  ])('is read with %s', (_title, text) => {
    expect(outcome(behind('envoy'), ['x-forwarded-client-cert', text])).toBe(thumbprintOf(one));
  });

  it('never gives the certificate that names inside another one ask for (B7)', () => {
    const pairs = both(two).split(';');
    const piece = fc.oneof(
      fc.constantFrom(
        ';',
        ',',
        '=',
        '"',
        '\\"',
        '\\',
        both(two),
        ...pairs,
        'Cert=',
        'Hash=',
        'Chain=',
        'URI=',
        'Subject="',
      ),
      fc.string({ maxLength: 8 }),
    );
    const name = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(name, name, (subject, uri) => {
        const texts = [
          `By=x;${both(one)};Subject="${subject.replaceAll(/[\\"]/g, '\\$&')}";URI=${uri}`,
          `By=${uri};${both(one)};Subject="${subject}"`,
          `${both(one)};DNS=${uri};URI=${subject}`,
        ];
        for (const text of texts) {
          expect([thumbprintOf(one), REFUSED]).toContain(
            outcome(behind('envoy'), ['x-forwarded-client-cert', text]),
          );
        }
      }),
      { seed: 25, numRuns: 500 },
    );
    const escaped = `${both(one)};Subject="CN=\\",${both(two).replaceAll('"', '\\"')}"`;
    expect(outcome(behind('envoy'), ['x-forwarded-client-cert', escaped])).toBe(thumbprintOf(one));
  });
});
