import { isRefusal, OpenBankingError } from '../errors.ts';
import {
  type Certificate,
  EXTENSION,
  parseCertificate,
  readableCertificates,
} from '../x509/certificate/certificate.ts';
import { formatName, shownName } from '../x509/certificate/distinguished-name.ts';
import { evaluatePath, type PathPolicy, type VerifiedPath } from '../x509/path/path.ts';
import { revocationKey } from '../x509/revocation/revocation-pointers.ts';
import { Trail } from './decision.ts';
import type { Psd2Statement } from './psd2-statement.ts';
import type { Tolerance } from './qc-statements.ts';
import { type CertificateUse, proveIdentity, proveStatements } from './statement-rules.ts';
import type { TrustProfile } from './trust-profile.ts';

/** A certificate as a peer presented it. */
export interface PresentedTpp {
  readonly der: Uint8Array;
  /** SHA-256 of `der`, base64url, where the caller has computed it already. */
  readonly thumbprint?: string;
  /** Hints from the handshake. They are used only where their signatures lead to an anchor. */
  readonly intermediates?: readonly Uint8Array[];
}

/** The facts that a certificate alone proves. They do not change while the path is valid. Frozen. */
export interface TppCredential {
  readonly certificate: Certificate;
  readonly path: VerifiedPath;
  /** The profile whose anchors and rules it passed. */
  readonly profile: TrustProfile;
  readonly authorizationNumber: string;
  /** RFC 4514 string. */
  readonly issuer: string;
  /** Hexadecimal SHA-256 of the issuer's SubjectPublicKeyInfo. */
  readonly issuerKeyHash: string;
  readonly statement: Psd2Statement;
  /** Wrong encodings that the profile tolerated. */
  readonly tolerated: readonly Tolerance[];
}

/** No standard asks seals for a purpose, and CAs write any of these; absent is usual. */
const SEAL_PURPOSES = [
  '1.3.6.1.5.5.7.3.36',
  '1.3.6.1.4.1.311.10.3.12',
  '1.3.6.1.5.5.7.3.4',
  '1.3.6.1.5.5.7.3.2',
] as const;
const CERTIFICATE_RULE = Object.freeze({ rule: 'certificate', clause: 'RFC 5280 §4.1' });

/**
 * Proves what a certificate alone can prove: form, path to an anchor, QCStatements, organization identifier. Tries
 * each trust profile. When all refuse, throws the refusal of the first profile that knows the certificate's issuer.
 *
 * Does not check revocation or the registry.
 *
 * @throws ERR_CERT_*, ERR_TPP_STATEMENT_*, ERR_TPP_CERTIFICATE_TYPE, ERR_TPP_SEAL_TYPE, ERR_TPP_IDENTIFIER_INVALID,
 * ERR_TPP_NCA_MISMATCH
 */
export function proveCredential(
  presented: PresentedTpp,
  context: {
    readonly profiles: readonly TrustProfile[];
    readonly at: Date;
    readonly trail: Trail;
    /** Default: website authentication. */
    readonly use?: CertificateUse;
  },
): TppCredential {
  const { profiles, at, trail, use } = context;
  const certificate = trail.check(CERTIFICATE_RULE, () => parseCertificate(presented.der));
  const hints = readableCertificates(presented.intermediates ?? []);
  let best: { readonly refusal: OpenBankingError; readonly trail: Trail } | undefined;
  for (const profile of profiles) {
    const own = new Trail();
    try {
      const credential = credentialUnder(certificate, profile, { hints, at, trail: own, use });
      trail.add(...own.steps);
      return credential;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (best === undefined || isRefusal(best.refusal, 'ERR_CERT_UNTRUSTED')) {
        best = { refusal: error, trail: own };
      }
    }
  }
  trail.add(...(best?.trail.steps ?? []));
  const [subject, issuer] = [shownName(certificate.subject), shownName(certificate.issuer)];
  throw best?.refusal ?? new OpenBankingError('ERR_CERT_UNTRUSTED', { subject, issuer });
}

interface Attempt {
  readonly hints: readonly Certificate[];
  readonly at: Date;
  readonly trail: Trail;
  readonly use: CertificateUse | undefined;
}

function credentialUnder(certificate: Certificate, profile: TrustProfile, attempt: Attempt): TppCredential {
  const { trail, use } = attempt;
  trail.add({ rule: 'trust profile', clause: 'configuration', found: profile.preset });
  const path = provePath(certificate, profile, attempt);
  const statements = proveStatements(certificate, profile, { trail, use });
  const { authorizationNumber, statement } = proveIdentity(certificate, { statements, profile, trail });
  return Object.freeze({
    certificate,
    path,
    profile,
    authorizationNumber,
    issuer: formatName(certificate.issuer),
    issuerKeyHash: revocationKey(certificate, path.certificates[1] ?? certificate).issuerKeyHash,
    statement,
    tolerated: statements.tolerated,
  });
}

/** Uses the first purpose that the extended key usages allow. Any other refusal is final. */
function provePath(certificate: Certificate, profile: TrustProfile, attempt: Attempt): VerifiedPath {
  const { hints, at, trail, use } = attempt;
  const evaluate = (policy: PathPolicy) =>
    evaluatePath(certificate, {
      anchors: profile.anchors,
      intermediates: [...profile.intermediates, ...hints],
      at,
      policy,
    });
  const [first, ...others] = use === 'eseal' ? [sealPolicy(certificate)] : profile.paths;
  let evaluation = evaluate(first);
  for (const policy of others) {
    if ('path' in evaluation || !isRefusal(evaluation.refusal, 'ERR_CERT_EXTENDED_KEY_USAGE')) break;
    evaluation = evaluate(policy);
  }
  trail.add(...evaluation.steps);
  if ('refusal' in evaluation) throw evaluation.refusal;
  return evaluation.path;
}

/** The policies of a profile are those of certificates for website authentication. */
function sealPolicy({ extendedKeyUsage }: Certificate): PathPolicy {
  const stated = SEAL_PURPOSES.find((purpose) => extendedKeyUsage?.includes(purpose));
  return {
    keyPurpose: stated ?? SEAL_PURPOSES[0],
    absentExtendedKeyUsage: 'allow',
    anchors: 'constraints',
    understoodExtensions: [EXTENSION.qcStatements],
  };
}
