import { isRefusal, OpenBankingError } from '../errors.ts';
import { sameNca } from '../../tpp-registry/index.ts';
import { type Certificate, EXTENSION, parseCertificate } from '../x509/certificate.ts';
import { ATTRIBUTE, findAttribute, formatName } from '../x509/distinguished-name.ts';
import { evaluatePath, type VerifiedPath } from '../x509/path.ts';
import { Trail } from './decision.ts';
import { parseOrganizationIdentifier } from './organization-identifier.ts';
import { type Psd2Statement, parseQcStatements, type QcStatements } from './qc-statements.ts';
import type { TrustPreset, TrustProfile } from './trust-profile.ts';

/** A certificate as a peer presented it. */
export interface PresentedTpp {
  readonly der: Uint8Array;
  /** Hints from the handshake, believed only as far as their signatures lead to an anchor. */
  readonly intermediates?: readonly Uint8Array[];
}

/** What a certificate alone proves: none of it changes while the path is valid. Frozen. */
export interface TppCredential {
  readonly certificate: Certificate;
  readonly path: VerifiedPath;
  /** The profile whose anchors and rules it passed. */
  readonly profile: TrustProfile;
  readonly authorizationNumber: string;
  /** RFC 4514 string. */
  readonly issuer: string;
  readonly statement: Psd2Statement;
}

const RULE = Object.freeze({
  certificate: { rule: 'certificate', clause: 'RFC 5280 §4.1' },
  statements: { rule: 'QCStatements', clause: 'EN 319 412-5 cl. 4, RFC 3739 §3.2.6' },
  psd2: { rule: 'PSD2 statement', clause: 'TS 119 495 GEN-5.1-1' },
  type: { rule: 'QcType', clause: 'EN 319 412-5 cl. 4.2.3' },
  compliance: { rule: 'QcCompliance', clause: 'EN 319 412-5 cl. 4.2.1' },
  identifier: { rule: 'organizationIdentifier', clause: 'TS 119 495 cl. 5.2.1, EN 319 412-1 cl. 5.1.4' },
  authority: { rule: 'competent authority', clause: 'TS 119 495 cl. 5.2.3' },
});

/**
 * Proves what a certificate alone can prove: form, path to an anchor, QCStatements, organization identifier. Tries
 * each trust profile; when all refuse, the first that knows the certificate's issuer tells the reason.
 *
 * Knows neither revocation nor the registry.
 *
 * @throws ERR_CERT_*, ERR_TPP_STATEMENT_*, ERR_TPP_CERTIFICATE_TYPE, ERR_TPP_IDENTIFIER_INVALID, ERR_TPP_NCA_MISMATCH
 */
export function proveCredential(
  presented: PresentedTpp,
  context: { readonly profiles: readonly TrustProfile[]; readonly at: Date; readonly trail: Trail },
): TppCredential {
  const { profiles, at, trail } = context;
  const certificate = trail.check(RULE.certificate, () => parseCertificate(presented.der));
  const hints = (presented.intermediates ?? []).flatMap(parsedHint);
  let best: { readonly refusal: OpenBankingError; readonly trail: Trail } | undefined;
  for (const profile of profiles) {
    const own = new Trail();
    try {
      const credential = credentialUnder(certificate, profile, { hints, at, trail: own });
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
  const [subject, issuer] = [formatName(certificate.subject), formatName(certificate.issuer)];
  throw best?.refusal ?? new OpenBankingError('ERR_CERT_UNTRUSTED', { subject, issuer });
}

interface Attempt {
  readonly hints: readonly Certificate[];
  readonly at: Date;
  readonly trail: Trail;
}

function credentialUnder(
  certificate: Certificate,
  profile: TrustProfile,
  { hints, at, trail }: Attempt,
): TppCredential {
  trail.add(profileStep(profile.preset));
  const evaluation = evaluatePath(certificate, {
    anchors: profile.anchors,
    intermediates: [...profile.intermediates, ...hints],
    at,
    policy: profile.path,
  });
  trail.add(...evaluation.steps);
  if ('refusal' in evaluation) throw evaluation.refusal;
  const statement = proveStatements(certificate, profile, trail);
  return Object.freeze({
    certificate,
    path: evaluation.path,
    profile,
    authorizationNumber: proveIdentifier(certificate, statement, trail),
    issuer: formatName(certificate.issuer),
    statement,
  });
}

function profileStep(found: TrustPreset) {
  return { rule: 'trust profile', clause: 'configuration', found };
}

function proveStatements(certificate: Certificate, profile: TrustProfile, trail: Trail): Psd2Statement {
  const subject = formatName(certificate.subject);
  const missing = (statement: string) =>
    new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement });
  const statements: QcStatements = trail.check(RULE.statements, () => {
    const extension = certificate.extensions.get(EXTENSION.qcStatements);
    if (extension === undefined) throw missing('qcStatements');
    return parseQcStatements(extension.value, subject);
  });
  const psd2 = trail.check(
    RULE.psd2,
    () => {
      if (statements.psd2 === undefined) throw missing('PSD2 (0.4.0.19495.2)');
      return statements.psd2;
    },
    ({ roles, nca }) => `${nca.id}: ${roles.join(', ') || 'no role'}`,
  );
  trail.check(RULE.type, () => {
    if (statements.type === undefined) throw missing('QcType (0.4.0.1862.1.6)');
    if (statements.type === 'web') return;
    throw new OpenBankingError('ERR_TPP_CERTIFICATE_TYPE', { subject, found: statements.type });
  });
  if (profile.needsCompliance) {
    trail.check(RULE.compliance, () => {
      if (!statements.isQualified) throw missing('QcCompliance (0.4.0.1862.1.1)');
    });
  }
  return psd2;
}

/** Exactly one identifier, of the authority that the statement names (UK directory identifiers name the directory). */
function proveIdentifier(certificate: Certificate, statement: Psd2Statement, trail: Trail): string {
  const subject = formatName(certificate.subject);
  const identifier = trail.check(
    RULE.identifier,
    () => {
      const [text, more] = findAttribute(certificate.subject, ATTRIBUTE.organizationIdentifier);
      if (text === undefined || more !== undefined) {
        const problem = text === undefined ? 'there is none' : 'there are several';
        throw new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject, problem });
      }
      return parseOrganizationIdentifier(text);
    },
    ({ text }) => text,
  );
  const { text: authorizationNumber, nca: expected } = identifier;
  const found = statement.nca.id;
  trail.check(
    RULE.authority,
    () => {
      const agrees = expected === undefined || expected === found || sameNca(expected, found);
      if (agrees || expected === 'GB-OB') return;
      throw new OpenBankingError('ERR_TPP_NCA_MISMATCH', { authorizationNumber, found, expected });
    },
    () => found,
  );
  return authorizationNumber;
}

function parsedHint(der: Uint8Array): Certificate[] {
  try {
    return [parseCertificate(der)];
  } catch (error) {
    // An unreadable hint is no hint. Whatever is needed for the path is then missing, and that is told.
    if (isRefusal(error)) return [];
    throw error;
  }
}
