import { OpenBankingError } from '../errors.ts';
import { sameNca } from '../../tpp-registry/index.ts';
import { type Certificate, EXTENSION } from '../x509/certificate/certificate.ts';
import { ATTRIBUTE, shownName, shownText } from '../x509/certificate/distinguished-name.ts';
import type { Trail } from './decision.ts';
import { parseOrganizationIdentifier } from './organization-identifier.ts';
import type { Psd2Statement } from './psd2-statement.ts';
import { parseQcStatements, type QcStatements } from './qc-statements.ts';
import type { TrustProfile } from './trust-profile.ts';

const RULE = Object.freeze({
  statements: { rule: 'QCStatements', clause: 'EN 319 412-5 cl. 4, RFC 3739 §3.2.6' },
  psd2: { rule: 'PSD2 statement', clause: 'TS 119 495 GEN-5.1-1' },
  type: { rule: 'QcType', clause: 'EN 319 412-5 cl. 4.2.3' },
  compliance: { rule: 'QcCompliance', clause: 'EN 319 412-5 cl. 4.2.1' },
  device: { rule: 'no QcSSCD', clause: 'EN 319 412-5 QCS-5-01' },
  legislation: { rule: 'QcCClegislation', clause: 'EN 319 412-5 cl. 4.2.4' },
  identifier: { rule: 'organizationIdentifier', clause: 'TS 119 495 cl. 5.2.1, EN 319 412-1 cl. 5.1.4' },
  authority: { rule: 'competent authority', clause: 'TS 119 495 cl. 5.2.3' },
});

/** Statements that are there and fit the profile. */
export type ProvenStatements = QcStatements & { readonly psd2: Psd2Statement };

/** `web`: website authentication, as of every TLS connection. `eseal`: seals of documents. */
export type CertificateUse = 'web' | 'eseal';

/**
 * Proves that the QCStatements are well formed, and are those that the profile requires.
 *
 * @throws ERR_TPP_STATEMENT_MISSING, ERR_TPP_STATEMENT_INVALID, ERR_TPP_CERTIFICATE_TYPE, ERR_TPP_SEAL_TYPE
 */
export function proveStatements(
  certificate: Certificate,
  profile: TrustProfile,
  { trail, use = 'web' }: { readonly trail: Trail; readonly use?: CertificateUse | undefined },
): ProvenStatements {
  const subject = shownName(certificate.subject);
  const missing = (statement: string) =>
    new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement });
  const statements = trail.check(
    RULE.statements,
    () => {
      const extension = certificate.extensions.get(EXTENSION.qcStatements);
      if (extension === undefined) throw missing('qcStatements');
      return parseQcStatements(extension.value, subject, profile.tolerate);
    },
    ({ tolerated }) => (tolerated.length === 0 ? 'well formed' : `tolerated: ${tolerated.join(', ')}`),
  );
  const psd2 = trail.check(
    RULE.psd2,
    () => {
      if (statements.psd2 === undefined) throw missing('PSD2 (0.4.0.19495.2)');
      return statements.psd2;
    },
    ({ roleNames, nca }) => `${nca.id}: ${roleNames.join(', ')}`,
  );
  trail.check(
    RULE.type,
    () => (use === 'web' ? assertWebType(statements, subject) : assertSealType(statements, subject)),
    () => shownText(statements.types.join(', ')) || 'not stated',
  );
  if (profile.needsCompliance) {
    trail.check(RULE.compliance, () => {
      if (!statements.isQualified) throw missing('QcCompliance (0.4.0.1862.1.1)');
    });
    trail.check(RULE.device, () => {
      if (use === 'eseal' || !statements.hasSecureDevice) return;
      const problem = 'QcSSCD: a certificate for website authentication has no qualified device';
      throw new OpenBankingError('ERR_TPP_STATEMENT_INVALID', { subject, problem });
    });
    trail.check(RULE.legislation, () => {
      const [country] = statements.legislation;
      if (country === undefined) return;
      const problem = `QcCClegislation: qualified by the law of ${country}, not of the European Union`;
      throw new OpenBankingError('ERR_TPP_STATEMENT_INVALID', { subject, problem });
    });
  }
  return { ...statements, psd2 };
}

/** Exactly the one type (QCS-4.2.3-01). Without the outer SEQUENCE there is no place for a type. */
function assertWebType({ types, tolerated }: QcStatements, subject: string): void {
  const [type, ...others] = types;
  if (type === 'web' && others.length === 0) return;
  if (type !== undefined) {
    throw new OpenBankingError('ERR_TPP_CERTIFICATE_TYPE', { subject, found: shownText(types.join(', ')) });
  }
  if (tolerated.includes('missing-outer-sequence')) return;
  const statement = 'QcType (0.4.0.1862.1.6)';
  throw new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement });
}

/** Exactly the one type: a certificate of websites or of people seals nothing. */
function assertSealType({ types }: QcStatements, subject: string): void {
  const [type, ...others] = types;
  if (type === 'eseal' && others.length === 0) return;
  const found = shownText(types.join(', ')) || 'not stated';
  throw new OpenBankingError('ERR_TPP_SEAL_TYPE', { subject, found });
}

interface IdentityContext {
  readonly statements: ProvenStatements;
  readonly profile: TrustProfile;
  readonly trail: Trail;
}

/**
 * Proves that the subject has exactly one organization identifier, of the competent authority (NCA)
 * of the statement.
 *
 * @throws ERR_TPP_IDENTIFIER_INVALID, ERR_TPP_IDENTIFIER_AMBIGUOUS, ERR_TPP_NCA_MISMATCH
 */
export function proveIdentity(
  { subject: name }: Certificate,
  { statements, profile, trail }: IdentityContext,
): { readonly authorizationNumber: string; readonly statement: Psd2Statement } {
  const subject = shownName(name);
  const refuse = (problem: string) =>
    new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject, problem });
  const identifier = trail.check(
    RULE.identifier,
    () => {
      const found = name.rdns.flat().filter(({ type }) => type === ATTRIBUTE.organizationIdentifier);
      const [text] = found.map((attribute) => attribute.text);
      if (found.length > 1) {
        const texts = found.map((attribute) => attribute.text ?? 'no text').join(', ');
        const details = { subject, found: shownText(`${found.length}: ${texts}`) };
        throw new OpenBankingError('ERR_TPP_IDENTIFIER_AMBIGUOUS', details);
      }
      if (text === undefined) throw refuse('there is none that is a text');
      const parsed = parseOrganizationIdentifier(text);
      if (parsed.directory === undefined || profile.allowsDirectoryIdentifier) return parsed;
      throw refuse(`names the directory ${parsed.directory}, not an authority`);
    },
    ({ text }) => text,
  );
  const { text: authorizationNumber, nca: expected } = identifier;
  const { psd2: statement } = statements;
  const found = statement.nca.id;
  trail.check(
    RULE.authority,
    () => {
      if (expected === undefined || expected === found || sameNca(expected, found)) return;
      throw new OpenBankingError('ERR_TPP_NCA_MISMATCH', { authorizationNumber, found, expected });
    },
    () => found,
  );
  return { authorizationNumber, statement };
}
