import { BlockList, isIP } from 'node:net';
import type { Certificate, GeneralName } from './certificate.ts';
import { namesEqual, parseName } from './distinguished-name.ts';

/** The five values by which RFC 8705 §2.1.2 names the subject of a client's certificate. */
export type SubjectProperty =
  | 'tls_client_auth_subject_dn'
  | 'tls_client_auth_san_dns'
  | 'tls_client_auth_san_uri'
  | 'tls_client_auth_san_ip'
  | 'tls_client_auth_san_email';

/**
 * Whether the certificate has the subject that a client registered. Names are compared by RFC 5280 §7.1, DNS names
 * without case, addresses by value, URIs and e-mail addresses to the letter. A wildcard matches only itself.
 *
 * @throws ERR_NAME_MALFORMED when the registered name cannot be read
 */
export function matchesSubject(
  certificate: Certificate,
  property: SubjectProperty,
  expected: string,
): boolean {
  const names = certificate.subjectAlternativeNames;
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return namesEqual(certificate.subject, parseName(expected));
    case 'tls_client_auth_san_dns':
      return texts(names, 'dns').some((name) => name.toLowerCase() === expected.toLowerCase());
    case 'tls_client_auth_san_uri':
      return texts(names, 'uri').includes(expected);
    case 'tls_client_auth_san_email':
      return texts(names, 'email').includes(expected);
    case 'tls_client_auth_san_ip':
      return names.some((name) => name.kind === 'ip' && isAddress(name.value, expected));
  }
}

function texts(names: readonly GeneralName[], kind: 'dns' | 'uri' | 'email'): string[] {
  return names.flatMap((name) => (name.kind === kind ? [name.value] : []));
}

function isAddress(octets: Buffer, expected: string): boolean {
  const family = isIP(expected);
  const text =
    octets.length === 4 ? [...octets].join('.') : (octets.toString('hex').match(/.{4}/g) ?? []).join(':');
  if (family === 0 || isIP(text) !== family) return false;
  const only = new BlockList();
  only.addAddress(text, family === 4 ? 'ipv4' : 'ipv6');
  return only.check(expected, family === 4 ? 'ipv4' : 'ipv6');
}
