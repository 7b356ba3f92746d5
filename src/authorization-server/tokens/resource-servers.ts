import { type Certificate, readableCertificates } from '../../x509/certificate/certificate.ts';
import { evaluatePath, TLS_CLIENT_POLICY } from '../../x509/path/path.ts';
import { matchesSubject, type SubjectProperty } from '../../x509/certificate/subject-property.ts';

/** One of the bank's own APIs, which may ask about tokens for itself and do nothing else: a resource server is no client. */
export interface RegisteredResourceServer {
  readonly client_id: string;
  /** Audience of the tokens that it may ask about. */
  readonly resource: string;
  /** The bank's own CA for these certificates; none that issues to TPPs is among them. */
  readonly anchors: readonly Certificate[];
  readonly subject: { readonly property: SubjectProperty; readonly value: string };
}

/**
 * The resource servers whose certificate this is, by a path to their own anchor and by their own subject; none for a
 * TPP's certificate.
 *
 * Does not check revocation: the bank takes the entry out of its configuration.
 */
export function identifyResourceServers(
  servers: readonly RegisteredResourceServer[],
  { der, intermediates }: { readonly der: Buffer; readonly intermediates: readonly Buffer[] },
  at: Date,
): readonly RegisteredResourceServer[] {
  if (servers.length === 0) return [];
  const [certificate, ...hints] = readableCertificates([der, ...intermediates]);
  if (certificate === undefined || !certificate.der.equals(der)) return [];
  return servers.filter(
    ({ anchors, subject }) =>
      matchesSubject(certificate, subject.property, subject.value) &&
      'path' in evaluatePath(certificate, { anchors, intermediates: hints, at, policy: TLS_CLIENT_POLICY }),
  );
}
