import { LRUCache } from 'lru-cache';
import type { ClientCertificate, PresentedCertificate } from '../../mutual-tls/client-certificate.ts';
import { type Certificate, readableCertificates } from '../../x509/certificate/certificate.ts';
import { evaluatePath, TLS_CLIENT_POLICY } from '../../x509/path/path.ts';
import { matchesSubject, type SubjectProperty } from '../../x509/certificate/subject-property.ts';

/** One of the bank's own programs, which proves itself by a certificate of the bank's own CA. */
export interface OwnProgram {
  /** The bank's own CA for these certificates; none that issues to TPPs is among them. */
  readonly anchors: readonly Certificate[];
  readonly subject: { readonly property: SubjectProperty; readonly value: string };
}

/** One of the bank's own APIs, which may ask about tokens for itself and do nothing else: a resource server is no client. */
export interface RegisteredResourceServer extends OwnProgram {
  readonly client_id: string;
  /** Audience of the tokens that it may ask about. */
  readonly resource: string;
}

/** A path from a certificate to an anchor of a resource server, or of another program of the bank. */
interface ProvenServer<Program extends OwnProgram> {
  readonly server: Program;
  /** The anchors that the path was found with. */
  readonly anchors: readonly Certificate[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Certificates that are remembered: more than a bank has APIs. */
const MAX_PROVEN = 1000;
/** Certificates of TPPs and strangers that are remembered: more than Europe has TPPs. */
const MAX_OTHERS = 10_000;

/**
 * Names the resource servers, or the other programs of the bank, of a certificate: by a path to their own anchor and by their own subject. A path is proved
 * once for a certificate, and again when the anchors have changed or a date of the path has passed; without that, an
 * introspection takes three times as long (`npm run bench -- introspection`).
 *
 * Does not check revocation: the bank takes the entry out of its configuration.
 */
export class ResourceServerIdentification<Program extends OwnProgram = RegisteredResourceServer> {
  readonly #servers: readonly Program[];
  /** By the hash of the certificate. */
  readonly #proven = new LRUCache<string, readonly ProvenServer<Program>[]>({ max: MAX_PROVEN });
  /** Hashes of certificates without the subject of any resource server. */
  readonly #others = new LRUCache<string, true>({ max: MAX_OTHERS });

  constructor(servers: readonly Program[]) {
    this.#servers = servers;
  }

  /** The resource servers of a certificate at `at`; none for a TPP's. `hints` returns certificates for the path. */
  find(
    { der, thumbprint }: Pick<PresentedCertificate, 'der' | 'thumbprint'>,
    hints: () => ClientCertificate['intermediates'],
    at: Date,
  ): readonly Program[] {
    if (this.#servers.length === 0 || this.#others.has(thumbprint)) return [];
    const known = this.#proven.get(thumbprint);
    const proven = known?.every((one) => isStillProven(one, at))
      ? known
      : this.#prove(der, thumbprint, { hints, at });
    return proven.map(({ server }) => server);
  }

  #prove(
    der: Buffer,
    thumbprint: string,
    { hints, at }: { readonly hints: () => readonly Buffer[]; readonly at: Date },
  ): readonly ProvenServer<Program>[] {
    this.#proven.delete(thumbprint);
    const [certificate, ...intermediates] = readableCertificates([der, ...hints()]);
    const servers =
      certificate?.der.equals(der) === true
        ? this.#servers.filter(({ subject }) => matchesSubject(certificate, subject.property, subject.value))
        : [];
    if (certificate === undefined || servers.length === 0) {
      this.#others.set(thumbprint, true);
      return [];
    }
    const proven = servers.flatMap((server) => {
      const { anchors } = server;
      const options = { anchors, intermediates, at, policy: TLS_CLIENT_POLICY };
      const evaluation = evaluatePath(certificate, options);
      if (!('path' in evaluation)) return [];
      const { notBefore, notAfter } = evaluation.path;
      return [{ server, anchors, notBefore, notAfter }];
    });
    // A refusal is not kept: the next attempt may bring the intermediates, or find other anchors.
    if (proven.length === servers.length) this.#proven.set(thumbprint, proven);
    return proven;
  }
}

function isStillProven(
  { server, anchors, notBefore, notAfter }: ProvenServer<OwnProgram>,
  at: Date,
): boolean {
  return server.anchors === anchors && at >= notBefore && at <= notAfter;
}
