import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import { type Certificate, readableCertificates } from '../../x509/certificate/certificate.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../x509/path/path.ts';
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

export interface ResourceServers {
  /** The resource servers whose certificate this is; none for a TPP's. */
  identify(der: Buffer, intermediates: readonly Buffer[]): readonly RegisteredResourceServer[];
}

/**
 * Finds resource servers by their certificates: a path to their own anchor, and their own subject.
 *
 * Does not check revocation: the bank takes the entry out of its configuration.
 */
export function createResourceServers(
  servers: readonly RegisteredResourceServer[],
  clock: Clock,
): ResourceServers {
  const isVouchedFor = (
    certificate: Certificate,
    intermediates: Certificate[],
    anchors: readonly Certificate[],
  ) => {
    try {
      verifyPath(certificate, { anchors, intermediates, at: clock.now(), policy: TLS_CLIENT_POLICY });
      return true;
    } catch (error) {
      // No certificate of a resource server: the gate for TPPs decides.
      if (isRefusal(error)) return false;
      throw error;
    }
  };
  return {
    identify(der, intermediates) {
      if (servers.length === 0) return [];
      const [certificate, ...hints] = readableCertificates([der, ...intermediates]);
      if (certificate === undefined || !certificate.der.equals(der)) return [];
      return servers.filter(
        ({ anchors, subject }) =>
          matchesSubject(certificate, subject.property, subject.value) &&
          isVouchedFor(certificate, hints, anchors),
      );
    },
  };
}
