import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { canonicalNca } from '../../tpp-registry/index.ts';
import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import { type Certificate, parseCertificate } from '../x509/certificate/certificate.ts';
import { formatName, shownName } from '../x509/certificate/distinguished-name.ts';
import { isSignedBy } from '../x509/certificate/signature.ts';
import { isSelfIssued } from '../x509/path/issuance-rules.ts';
import { assertValidAt, findKeyRefusal } from '../x509/path/path-rules.ts';
import { revocationKey } from '../x509/revocation/revocation-pointers.ts';
import type { Tpp, TppEvaluation } from './authenticate.ts';
import { type AuthorisationStatus, heldRoles, type NamedTpp } from './authorisation-status.ts';
import type { PresentedTpp } from './credential.ts';
import { NO_TRAIL, type RuleLog, Trail } from './decision.ts';

/** The client that a request names, with the certificates of its keys and the TPP of its registration. */
export interface CertificateOwner {
  readonly clientId: string;
  readonly tpp: Pick<NamedTpp, 'authorizationNumber' | 'nca'>;
  /** `x5t#S256` of each certificate by which the client may authenticate. */
  readonly thumbprints: readonly string[];
}

export interface SelfSignedOptions {
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
}

const RULE = Object.freeze({
  certificate: { rule: 'certificate', clause: 'RFC 5280 §4.1' },
  selfSigned: { rule: 'self-signed', clause: 'RFC 8705 §2.2' },
  registered: { rule: 'registered certificate', clause: 'RFC 8705 §2.2.2' },
  key: { rule: 'key strength', clause: 'FAPI 2.0 §5.4.1' },
  validity: { rule: 'validity', clause: 'RFC 5280 §4.1.2.5' },
});
const MAX_REMEMBERED = 1000;

/**
 * The decision about a self-signed certificate (RFC 8705 §2.2): exactly one of those that the client has registered, valid now,
 * with a strong key, not blocked, and of a client whose TPP may act now. The names and statements of the certificate are
 * never read (§7.2), nor is there a path or a revocation list: the TPP is that of the registration, with the roles of the
 * registry. The proof is good for this one client (`Tpp.onlyClient`).
 */
export class SelfSignedCertificates {
  readonly #options: SelfSignedOptions;
  /** Parsed certificates that clients have registered, by thumbprint. */
  readonly #known = new LRUCache<string, Certificate>({ max: MAX_REMEMBERED });

  constructor(options: SelfSignedOptions) {
    this.#options = options;
  }

  /**
   * An absent owner: the request names no client that may have such a certificate.
   *
   * @throws ERR_CERT_SELF_SIGNED, ERR_CERT_MALFORMED, ERR_CERT_WEAK_KEY, ERR_CERT_KEY_UNSUPPORTED, ERR_CERT_EXPIRED,
   * ERR_CERT_NOT_YET_VALID, and as `AuthorisationStatus.verify`
   */
  authenticate(presented: PresentedTpp, owner: CertificateOwner | undefined): Tpp {
    return this.#decided(presented, owner, NO_TRAIL);
  }

  /** The same decision with its steps. */
  evaluate(presented: PresentedTpp, owner: CertificateOwner | undefined): TppEvaluation {
    const trail = new Trail();
    try {
      return { tpp: this.#decided(presented, owner, trail), steps: trail.steps };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return { refusal: error, steps: trail.steps };
    }
  }

  #decided(presented: PresentedTpp, owner: CertificateOwner | undefined, trail: RuleLog): Tpp {
    const { authorisationStatus, clock } = this.#options;
    const found = thumbprintOf(presented);
    // First: a stranger's certificate is not even parsed.
    const mine = trail.check(
      RULE.registered,
      () => ownerOf(found, owner),
      ({ clientId }) => clientId,
    );
    const certificate = this.#proven(presented, found, trail);
    trail.check(RULE.validity, () => assertValidAt(certificate, clock.now()));
    const issuer = formatName(certificate.issuer);
    const { serialNumber, notAfter, thumbprint } = certificate;
    const record = authorisationStatus.verifyRegistration(mine.tpp, trail);
    const id = canonicalNca(record.nca.id) ?? record.nca.id;
    const { authorizationNumber, legalName, tradingName, country } = record;
    authorisationStatus.verifyNotBlocked(
      { authorizationNumber, nca: id, certificate: { issuer, serialNumber } },
      trail,
    );
    const { issuerKeyHash } = revocationKey(certificate, certificate);
    return Object.freeze({
      authorizationNumber,
      nca: { id, name: record.nca.name ?? id },
      country,
      legalName,
      tradingName,
      roles: heldRoles([...record.roles], record, trail),
      onlyClient: mine.clientId,
      certificate: Object.freeze({
        thumbprint,
        serialNumber,
        issuer,
        issuerKeyHash,
        notAfter,
        parsed: certificate,
      }),
    });
  }

  /** The facts that the certificate alone proves, once for each certificate. */
  #proven(presented: PresentedTpp, thumbprint: string, trail: RuleLog): Certificate {
    const certificate = trail.check(
      RULE.certificate,
      () => this.#known.get(thumbprint) ?? parseCertificate(presented.der),
    );
    trail.check(RULE.selfSigned, () => {
      if (!this.#known.has(thumbprint) && !isSelfSigned(certificate)) {
        throw refusal(`${shownName(certificate.subject)} has not signed it`);
      }
    });
    trail.check(RULE.key, () => {
      const weak = findKeyRefusal(certificate);
      if (weak !== undefined) throw weak;
    });
    this.#known.set(thumbprint, certificate);
    return certificate;
  }
}

function isSelfSigned(certificate: Certificate): boolean {
  return (
    isSelfIssued(certificate) &&
    certificate.signatureAlgorithm.scheme !== undefined &&
    certificate.keyProblem === undefined &&
    isSignedBy(certificate, certificate.publicKey)
  );
}

function ownerOf(thumbprint: string, owner: CertificateOwner | undefined): CertificateOwner {
  const isOwn = owner?.thumbprints.some((one) => isEqual(one, thumbprint)) === true;
  if (owner === undefined || !isOwn) {
    // The same for an unknown client, one that authenticates in another way, and one with other certificates.
    throw refusal('no client that the request names has registered this certificate');
  }
  return owner;
}

function isEqual(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function thumbprintOf({ der, thumbprint }: PresentedTpp): string {
  return thumbprint ?? createHash('sha256').update(der).digest('base64url');
}

function refusal(problem: string): OpenBankingError {
  return new OpenBankingError('ERR_CERT_SELF_SIGNED', { problem });
}
