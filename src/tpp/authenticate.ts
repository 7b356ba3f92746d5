import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import {
  canonicalNca,
  type PspRole,
  sameNca,
  type TppRecord,
  type TppRegistry,
} from '../../tpp-registry/index.ts';
import { type Certificate, EXTENSION, parseCertificate } from '../x509/certificate.ts';
import { ATTRIBUTE, findAttribute, formatName } from '../x509/distinguished-name.ts';
import { type VerifiedPath, verifyPath } from '../x509/path.ts';
import { parseOrganizationIdentifier } from './organization-identifier.ts';
import { type Psd2Statement, parseQcStatements } from './qc-statements.ts';
import type { TrustProfile } from './trust-profile.ts';

/** A third-party provider that has proved itself by its certificate, and may act now. Frozen. */
export interface Tpp {
  /** The organizationIdentifier (TS 119 495 cl. 5.2.1): with the authority, who the TPP is. */
  readonly authorizationNumber: string;
  readonly nca: { readonly id: string; readonly name: string };
  readonly country: string;
  readonly legalName: string;
  readonly tradingName?: string;
  /** Roles that the certificate and the registry both give. */
  readonly roles: ReadonlySet<PspRole>;
  readonly certificate: {
    readonly thumbprint: string;
    readonly serialNumber: string;
    /** RFC 4514 string. */
    readonly issuer: string;
    readonly notAfter: Date;
    readonly parsed: Certificate;
  };
}

/** A certificate as a peer presented it. */
export interface PresentedTpp {
  readonly der: Uint8Array;
  /** Hints from the handshake, believed only as far as their signatures lead to an anchor. */
  readonly intermediates?: readonly Uint8Array[];
}

export interface TppAuthenticator {
  /**
   * Proves a TPP, or says why not.
   *
   * @throws ERR_CERT_*, ERR_TPP_* except CLIENT_MISMATCH and ROLE_MISSING
   */
  authenticate(presented: PresentedTpp): Promise<Tpp>;
}

export interface TppAuthenticatorOptions {
  readonly trustProfiles: readonly TrustProfile[];
  readonly registry: TppRegistry;
  readonly clock: Clock;
  /** ISO 3166-1. When set, a TPP of another country must be passported into it. */
  readonly hostCountry?: string;
}

/** Verdicts that are remembered: more TPP certificates than Europe has. */
const MAX_REMEMBERED = 10_000;

/**
 * Makes the decision about TPP certificates: path to an anchor, QCStatements, organization identifier, authority,
 * registry. Does not check revocation.
 *
 * What a certificate says does not change, so its path and statements are remembered until the path's first
 * notAfter. Dates, status and roles of the registry are judged every time. Refusals are not remembered: they
 * would let strangers fill the memory, and a corrected trust store must help at once.
 */
export function createTppAuthenticator(options: TppAuthenticatorOptions): TppAuthenticator {
  const remembered = new Map<string, Credential>();
  return {
    authenticate: async (presented) => {
      const at = options.clock.now();
      const key = createHash('sha256').update(presented.der).digest('base64url');
      const known = remembered.get(key);
      const isStillGood = known !== undefined && at >= known.path.notBefore && at <= known.path.notAfter;
      const credential = isStillGood ? known : proveCredential(presented, options.trustProfiles, at);
      if (!isStillGood) remember(remembered, key, credential);
      return tppOf(credential, standingOf(credential, options));
    },
  };
}

/** What a certificate alone proves. */
interface Credential {
  readonly certificate: Certificate;
  readonly path: VerifiedPath;
  readonly authorizationNumber: string;
  readonly issuer: string;
  readonly statement: Psd2Statement;
}

function remember(remembered: Map<string, Credential>, key: string, credential: Credential): void {
  const oldest = remembered.keys().next().value;
  if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  remembered.set(key, credential);
}

/** Tries each trust profile. When all refuse, the first that knows the certificate's issuer tells the reason. */
function proveCredential(presented: PresentedTpp, profiles: readonly TrustProfile[], at: Date): Credential {
  const certificate = parseCertificate(presented.der);
  const hints = (presented.intermediates ?? []).flatMap(parsedHint);
  let refusal: OpenBankingError | undefined;
  for (const profile of profiles) {
    try {
      return credentialUnder(certificate, profile, { hints, at });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (refusal === undefined || isRefusal(refusal, 'ERR_CERT_UNTRUSTED')) refusal = error;
    }
  }
  const subject = formatName(certificate.subject);
  throw (
    refusal ?? new OpenBankingError('ERR_CERT_UNTRUSTED', { subject, issuer: formatName(certificate.issuer) })
  );
}

function credentialUnder(
  certificate: Certificate,
  profile: TrustProfile,
  { hints, at }: { readonly hints: readonly Certificate[]; readonly at: Date },
): Credential {
  const path = verifyPath(certificate, {
    anchors: profile.anchors,
    intermediates: [...profile.intermediates, ...hints],
    at,
    policy: profile.path,
  });
  const subject = formatName(certificate.subject);
  const missing = (statement: string) =>
    new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement });
  const extension = certificate.extensions.get(EXTENSION.qcStatements);
  if (extension === undefined) throw missing('qcStatements');
  const statements = parseQcStatements(extension.value, subject);
  if (statements.psd2 === undefined) throw missing('PSD2 (0.4.0.19495.2)');
  if (statements.type === undefined) throw missing('QcType (0.4.0.1862.1.6)');
  if (statements.type !== 'web') {
    throw new OpenBankingError('ERR_TPP_CERTIFICATE_TYPE', { subject, found: statements.type });
  }
  if (profile.needsCompliance && !statements.isQualified) throw missing('QcCompliance (0.4.0.1862.1.1)');
  return {
    certificate,
    path,
    authorizationNumber: identifierOf(certificate, statements.psd2, subject),
    issuer: formatName(certificate.issuer),
    statement: statements.psd2,
  };
}

/** Exactly one identifier, of the authority that the statement names (UK directory identifiers name the directory). */
function identifierOf(certificate: Certificate, statement: Psd2Statement, subject: string): string {
  const [text, more] = findAttribute(certificate.subject, ATTRIBUTE.organizationIdentifier);
  if (text === undefined || more !== undefined) {
    const problem = text === undefined ? 'there is none' : 'there are several';
    throw new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject, problem });
  }
  const { nca } = parseOrganizationIdentifier(text);
  const isDirectory = nca === 'GB-OB';
  if (nca !== undefined && !isDirectory && nca !== statement.nca.id && !sameNca(nca, statement.nca.id)) {
    throw new OpenBankingError('ERR_TPP_NCA_MISMATCH', {
      authorizationNumber: text,
      found: statement.nca.id,
      expected: nca,
    });
  }
  return text;
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

/** The registry's record, if the TPP may act here now. */
function standingOf(credential: Credential, { registry, hostCountry }: TppAuthenticatorOptions): TppRecord {
  const { authorizationNumber, statement } = credential;
  const nca = statement.nca.id;
  const record = registry.find(authorizationNumber, nca);
  if (record === undefined) {
    const elsewhere = registry.find(authorizationNumber);
    if (elsewhere === undefined)
      throw new OpenBankingError('ERR_TPP_NOT_REGISTERED', { authorizationNumber, nca });
    throw new OpenBankingError('ERR_TPP_NCA_MISMATCH', {
      authorizationNumber,
      found: nca,
      expected: canonicalNca(elsewhere.nca.id) ?? elsewhere.nca.id,
    });
  }
  if (record.status !== 'active') {
    const { status, statusSince: since } = record;
    throw new OpenBankingError('ERR_TPP_NOT_AUTHORIZED', { authorizationNumber, status, since });
  }
  const isHere =
    hostCountry === undefined ||
    record.country === hostCountry ||
    record.passportedCountries.includes(hostCountry);
  if (!isHere) {
    throw new OpenBankingError('ERR_TPP_NOT_PASSPORTED', { authorizationNumber, country: hostCountry });
  }
  return record;
}

function tppOf({ certificate, authorizationNumber, issuer, statement }: Credential, record: TppRecord): Tpp {
  return Object.freeze({
    authorizationNumber,
    nca: statement.nca,
    country: record.country,
    legalName: record.legalName,
    ...(record.tradingName === undefined ? {} : { tradingName: record.tradingName }),
    roles: new Set(statement.roles.filter((role) => record.roles.has(role))),
    certificate: Object.freeze({
      thumbprint: certificate.thumbprint,
      serialNumber: certificate.serialNumber,
      issuer,
      notAfter: certificate.notAfter,
      parsed: certificate,
    }),
  });
}
