import { describe, expect, it } from 'vitest';
import { decodeName, namesEqual, parseName } from '../../../src/x509/certificate/distinguished-name.ts';
import { matchesSubject } from '../../../src/x509/certificate/subject-property.ts';
import { prepareText } from '../../../src/x509/certificate/string-preparation.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import { issue, name, NOW } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';

const ZERO_WIDTH = '\u200b';

describe('a text prepared for comparison (RFC 4518 section 2)', () => {
  it.each([
    ['case beyond ASCII', 'AÇÃO São Paulo ÉÜÑ', 'ação são paulo éüñ'],
    ['a composed and a decomposed letter', 'Sa\u0303o', 'são'],
    ['sharp s, small and capital', 'Straße STRAẞE', 'strasse strasse'],
    ['every sigma', 'ΟΔΟΣ οδος', 'οδοσ οδοσ'],
    ['Cyrillic and Greek', 'ПАО СБЕРБАНК Ωμέγα', 'пао сбербанк ωμέγα'],
    ['full-width letters, ligatures, the Kelvin sign', 'Ａｃｍｅ ﬁ \u212a', 'acme fi k'],
    ['every kind of space', '\u00a0 a\u2003\u3000b \u202f', 'a b'],
    ['no text', '', ''],
    ['spaces alone', '   ', ''],
  ])('%s', (_what, text, expected) => {
    expect(prepareText(text)).toBe(expected);
  });

  it.each([
    ['two letters that look alike', 'а', 'a'],
    ['dotless and dotted i', 'ı', 'i'],
    ['capital I with a dot, and i', 'İ', 'i'],
    ['with and without an accent', 'São', 'Sao'],
    ['hyphens', 'a\u2010b', 'a-b'],
    ['a space that carries an accent', '\u00b4a', 'a'],
    ['one space inside, and none', 'a b', 'ab'],
  ])('does not confuse %s', (_what, one, other) => {
    expect(prepareText(one)).not.toBe(prepareText(other));
  });

  it.each([
    ['a zero width space', `ac${ZERO_WIDTH}me`],
    ['a soft hyphen', 'ac\u00adme'],
    ['a control', 'acme\u0007'],
    ['a tab', 'ac\tme'],
    ['a direction mark', '\u202eacme'],
    ['a variation selector', 'acme\ufe0f'],
    ['a Hangul filler', 'acme\u3164'],
    ['a private character', 'acme\ue000'],
    ['an unassigned character', 'acme\u0378'],
    ['the replacement character', 'acme\ufffd'],
    ['more marks than a character has', `a${'\u0301'.repeat(31)}`],
  ])('leaves %s in the text, which equals only the same text', (_what, text) => {
    expect(prepareText(text)).toBeUndefined();
    const [hidden, same, plain] = [text, text, 'acme'].map((value) =>
      decodeName(name([['2.5.4.3', der.utf8(value)]])),
    );
    if (hidden === undefined || same === undefined || plain === undefined) throw new Error('three names');
    expect(namesEqual(hidden, same)).toBe(true);
    expect(namesEqual(hidden, plain)).toBe(false);
    expect(namesEqual(hidden, decodeName(name([['2.5.4.3', der.utf8(text.toUpperCase())]])))).toBe(
      text === text.toUpperCase(),
    );
  });

  it('is the same when it is prepared again', () => {
    for (const text of ['Straße ẞ', 'ΟΔΟΣ', 'İstanbul', 'ǰ ŉ ΐ', 'ﬃ ﷺ']) {
      const once = prepareText(text) ?? '';
      expect(prepareText(once)).toBe(once);
    }
  });
});

describe('names beyond ASCII', () => {
  const subjectOf = (city: string, organization: string) =>
    name(
      [['2.5.4.6', der.printable('BR')]],
      [['2.5.4.7', der.utf8(city)]],
      [['2.5.4.10', der.utf8(organization)]],
    );
  const root = issue('authority', 'root', { subject: subjectOf('São Paulo', 'Ação Certificadora') });

  it('a registered subject matches in other letters, and not without its accents (RFC 8705 section 2.1.2)', () => {
    const { certificate } = issue('end entity', 'tpp', { subject: subjectOf('SÃO PAULO', 'Instituição') });
    const matches = (text: string) => matchesSubject(certificate, 'tls_client_auth_subject_dn', text);
    expect(matches('O=INSTITUIÇÃO,L=São Paulo,C=BR')).toBe(true);
    expect(matches('O=instituic\u0327a\u0303o,L=sa\u0303o  paulo,C=br')).toBe(true);
    expect(matches('O=Instituicao,L=Sao Paulo,C=BR')).toBe(false);
    expect(matches(`O=Instituição${ZERO_WIDTH},L=São Paulo,C=BR`)).toBe(false);
    expect(parseName('L=SÃO PAULO').keys).toEqual(parseName('L=são paulo').keys);
  });

  it('an issuer leads to a subject in other letters (RFC 5280 section 7.1)', () => {
    const issuer = { keys: root.keys, name: subjectOf('SA\u0303O PAULO', 'AÇÃO CERTIFICADORA') };
    const options = { anchors: [root.certificate], intermediates: [], at: NOW, policy: TLS_CLIENT_POLICY };
    const leaf = issue('end entity', 'tpp', { issuer });
    expect(verifyPath(leaf.certificate, options).certificates).toHaveLength(2);
    const other = { keys: root.keys, name: subjectOf('Sao Paulo', 'Acao Certificadora') };
    const stranger = issue('end entity', 'tpp', { issuer: other });
    expect(() => verifyPath(stranger.certificate, options)).toThrow('ERR_CERT_UNTRUSTED');
  });
});
