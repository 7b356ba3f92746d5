import { isIPv4, isIPv6 } from 'node:net';
import { isRefusal } from '../../errors.ts';
import type { Certificate } from './certificate.ts';
import { namesEqual, parseName, withoutStringTypes } from './distinguished-name.ts';
import { addressText, findMailHost, isAbsoluteUri, isDnsName, isHostName } from './general-name.ts';

/** The five values by which RFC 8705 §2.1.2 names the subject of a client's certificate. */
export const SUBJECT_PROPERTIES = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const;
export type SubjectProperty = (typeof SUBJECT_PROPERTIES)[number];

/**
 * Whether the certificate has the subject that a client registered. Distinguished names are compared by RFC 5280 §7.1
 * in order, host names without case (a wildcard is only itself, a trailing dot or a U-label matches nothing), addresses
 * by their octets, URIs to the letter, mailboxes with the case of the local part. A common name is never a host name.
 *
 * @throws ERR_NAME_MALFORMED when the registered distinguished name cannot be read
 * @see RFC 8705 §2.1.2, RFC 5280 §7
 */
export function matchesSubject(
  certificate: Certificate,
  property: SubjectProperty,
  expected: string,
): boolean {
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return hasSubject(certificate, expected);
    case 'tls_client_auth_san_dns':
      return namesOf(certificate, 'dns').some(
        (name) => isDnsName(name) && name.toLowerCase() === expected.toLowerCase(),
      );
    case 'tls_client_auth_san_uri':
      return namesOf(certificate, 'uri').includes(expected);
    case 'tls_client_auth_san_email':
      return namesOf(certificate, 'email').some((name) => isSameMailbox(name, expected));
    case 'tls_client_auth_san_ip': {
      const address = findAddress(expected);
      return certificate.subjectAlternativeNames.some(
        (name) => name.kind === 'ip' && addressText(name.value) === address,
      );
    }
  }
}

/** Why no certificate can ever have this subject: the value is not of the form that its property asks for. */
export function findSubjectProblem(property: SubjectProperty, expected: string): string | undefined {
  switch (property) {
    case 'tls_client_auth_subject_dn':
      return findNameProblem(expected);
    case 'tls_client_auth_san_dns':
      return isHostName(expected.replace(/^\*\./, '')) ? undefined : 'is no host name';
    case 'tls_client_auth_san_uri':
      return isAbsoluteUri(expected) ? undefined : 'is no absolute URI';
    case 'tls_client_auth_san_email':
      return findMailHost(expected) === undefined ? 'is no mailbox' : undefined;
    case 'tls_client_auth_san_ip':
      return findAddress(expected) === undefined ? 'is no IP address' : undefined;
  }
}

function findNameProblem(text: string): string | undefined {
  try {
    return parseName(text).rdns.length === 0 ? 'is an empty name' : undefined;
  } catch (error) {
    if (isRefusal(error, 'ERR_NAME_MALFORMED')) return `is no name of RFC 4514: ${error.details.problem}`;
    throw error;
  }
}

/** A TeletexString of plain ASCII, which equals only itself octet by octet, is also found by its text. */
function hasSubject({ subject }: Certificate, expected: string): boolean {
  const name = parseName(expected);
  if (name.rdns.length === 0) return false;
  return namesEqual(subject, name) || namesEqual(withoutStringTypes(subject), name);
}

function namesOf(certificate: Certificate, kind: 'dns' | 'uri' | 'email'): string[] {
  return certificate.subjectAlternativeNames.flatMap((name) => (name.kind === kind ? [name.value] : []));
}

function isSameMailbox(a: string, b: string): boolean {
  const [hostOfA, hostOfB] = [findMailHost(a), findMailHost(b)];
  if (hostOfA === undefined || hostOfB === undefined) return false;
  const isSameHost = hostOfA.toLowerCase() === hostOfB.toLowerCase();
  return isSameHost && a.slice(0, -hostOfA.length) === b.slice(0, -hostOfB.length);
}

/** An address as `addressText` writes it; undefined for a text that is no address or has a zone. */
function findAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  return isIPv6(text) && !text.includes('%') ? new URL(`http://[${text}]`).hostname.slice(1, -1) : undefined;
}
