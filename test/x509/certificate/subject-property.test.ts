import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { matchesSubject, type SubjectProperty } from '../../../src/x509/certificate/subject-property.ts';
import { extension, general, issue, name, subjectAltName, writeCertificate } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const subject = name(
  [['2.5.4.6', der.printable('GB')]],
  [['2.5.4.97', der.teletex('PSDGB-FCA-123')]],
  [['2.5.4.3', der.utf8('cn.example')]],
);
const certificate = parseCertificate(
  writeCertificate({
    subject,
    extensions: [
      subjectAltName(
        general.dns('TPP.example'),
        general.dns('*.wild.example'),
        general.dns('xn--bcher-kva.example'),
        general.uri('https://tpp.example/id'),
        general.uri('dns:uri-only.example'),
        general.email('Ops@TPP.example'),
        general.ip(192, 0, 2, 1),
        general.ip(...Buffer.from('20010db8000000000000000000000001', 'hex')),
      ),
    ],
  }),
);
const ca = issue('authority', 'ca');
const bare = parseCertificate(writeCertificate({ subject }));

describe('the registered subject of a client (RFC 8705 section 2.1.2)', () => {
  const rows: readonly (readonly [id: string, SubjectProperty, expected: string, matches: boolean])[] = [
    ['E6', 'tls_client_auth_subject_dn', 'CN=cn.example,2.5.4.97=PSDGB-FCA-123,C=GB', true],
    ['E6', 'tls_client_auth_subject_dn', 'CN=cn.example,2.5.4.97=#140d50534447422d4643412d313233,C=GB', true],
    ['E4', 'tls_client_auth_subject_dn', 'C=GB,2.5.4.97=PSDGB-FCA-123,CN=cn.example', false],
    ['E4', 'tls_client_auth_subject_dn', 'CN=cn.example,C=GB', false],
    ['E4', 'tls_client_auth_subject_dn', '', false],
    ['E10', 'tls_client_auth_san_dns', 'tpp.EXAMPLE', true],
    ['E10', 'tls_client_auth_san_dns', 'tpp.example.', false],
    ['E10', 'tls_client_auth_san_dns', 'a.wild.example', false],
    ['E10', 'tls_client_auth_san_dns', 'xn--bcher-kva.example', true],
    ['E10', 'tls_client_auth_san_dns', 'bücher.example', false],
    ['E7', 'tls_client_auth_san_dns', 'cn.example', false],
    ['E7', 'tls_client_auth_san_dns', 'https://tpp.example/id', false],
    ['E7', 'tls_client_auth_san_dns', 'uri-only.example', false],
    ['E7', 'tls_client_auth_san_dns', '192.0.2.1', false],
    ['E7', 'tls_client_auth_san_uri', 'TPP.example', false],
    ['E10', 'tls_client_auth_san_uri', 'https://tpp.example/id', true],
    ['E10', 'tls_client_auth_san_uri', 'https://TPP.example/id', false],
    ['E10', 'tls_client_auth_san_uri', 'https://tpp.example/id/', false],
    ['E10', 'tls_client_auth_san_email', 'Ops@tpp.example', true],
    ['E10', 'tls_client_auth_san_email', 'ops@tpp.example', false],
    ['E10', 'tls_client_auth_san_email', 'tpp.example', false],
    ['E10', 'tls_client_auth_san_ip', '192.0.2.1', true],
    ['E10', 'tls_client_auth_san_ip', '192.0.2.01', false],
    ['E10', 'tls_client_auth_san_ip', '::ffff:192.0.2.1', false],
    ['E10', 'tls_client_auth_san_ip', '2001:db8::1', true],
    ['E10', 'tls_client_auth_san_ip', '2001:0DB8:0:0:0:0:0:1', true],
    ['E10', 'tls_client_auth_san_ip', '2001:db8::0.0.0.1', true],
    ['E10', 'tls_client_auth_san_ip', '2001:db8::1%eth0', false],
    ['E10', 'tls_client_auth_san_ip', '2001:db8::2', false],
    ['E10', 'tls_client_auth_san_ip', '', false],
  ];

  it.each(rows)('%s: %s %s: %s', (_id, property, expected, matches) => {
    expect(matchesSubject(certificate, property, expected)).toBe(matches);
    if (property !== 'tls_client_auth_subject_dn') {
      expect(matchesSubject(bare, property, expected)).toBe(false);
    }
  });

  it('E4: the empty name is no subject, even of a certificate without one', () => {
    const names = extension('2.5.29.17', der.sequence(general.dns('a.example')), true);
    const nameless = parseCertificate(
      writeCertificate({ subject: der.sequence(), issuer: ca, extensions: [names] }),
    );
    expect(matchesSubject(nameless, 'tls_client_auth_subject_dn', '')).toBe(false);
    expect(matchesSubject(nameless, 'tls_client_auth_san_dns', 'a.example')).toBe(true);
  });

  it('E1: is refused, not compared, when the registered name does not parse', () => {
    expect(
      outcomeOf(() => matchesSubject(certificate, 'tls_client_auth_subject_dn', 'CN="cn.example"')),
    ).toBe('ERR_NAME_MALFORMED');
  });
});
