import {
  type Certificate,
  parseAnchor,
  parseCertificate,
  parsePem,
} from '../x509/certificate/certificate.ts';
import { type PathPolicy, TLS_CLIENT_POLICY } from '../x509/path/path.ts';
import type { OpenBankingError } from '../errors.ts';
import type { VerifiedPath } from '../x509/path/path.ts';
import type { RevocationPolicy } from '../x509/revocation/revocation.ts';
import type { Tolerance } from './qc-statements.ts';

export type TrustPreset = 'eu-qualified' | 'uk-directory' | 'own-ca';

/**
 * `client-auth`: id-kp-clientAuth must be stated. `client-or-server-auth`: id-kp-serverAuth will do, as in QWACs of
 * hierarchies that browsers trust, which are no longer issued for clients (Chrome Root Program, 2026).
 */
export type ExtendedKeyUsageRule = 'client-auth' | 'client-or-server-auth';

/**
 * The rules for certificates of some anchors. Each scheme has its own rules. Frozen.
 *
 * The key usage rule is the same for all: digitalSignature where the extension is there, and never a CA.
 */
export interface TrustProfile {
  readonly preset: TrustPreset;
  readonly anchors: readonly Certificate[];
  /** Issuing CAs that TPPs do not send along. */
  readonly intermediates: readonly Certificate[];
  /** The purposes of which a path must have one, tried in this order. */
  readonly paths: readonly [PathPolicy, ...PathPolicy[]];
  /** QcCompliance, without legislation of other countries: certificates of the UK directory have none. */
  readonly needsCompliance: boolean;
  /** Identifiers that name the directory in place of the competent authority (NCA), `PSDGB-OB-…`. */
  readonly allowsDirectoryIdentifier: boolean;
  /** Wrong encodings that are tolerated; each use is logged. */
  readonly tolerate: readonly Tolerance[];
  /** Absent: revocation is not checked. */
  readonly revocation?: RevocationPolicy | undefined;
  /** Whether an anchor may have issued a certificate, where that changes with time. Absent: it may. */
  readonly issuers?: IssuerRule | undefined;
}

/** The age of a trusted list. */
export interface ListAge {
  readonly territory: string;
  readonly fetchedAt: Date;
  readonly nextUpdate?: Date | undefined;
}

/** A rule about the issuers of certificates that is applied at every decision. */
export interface IssuerRule {
  refusalOf(path: VerifiedPath, at: Date): OpenBankingError | undefined;
  /** The trusted lists that decide, the list of the lists first. */
  readonly lists: readonly ListAge[];
  /** The evidence of the rule, for an explanation. */
  foundFor(path: VerifiedPath): string;
}

/** The rules of a profile, without its anchors. */
export interface TrustProfileRules {
  readonly preset: TrustPreset;
  /** Default: client-auth. */
  readonly extendedKeyUsage?: ExtendedKeyUsageRule;
  /** Certificate policies of which the path must have one, dotted. Default: no policy is required. */
  readonly policies?: readonly string[] | undefined;
  /** Default: none. */
  readonly tolerate?: readonly Tolerance[];
  /** Absent: revocation is not checked. */
  readonly revocation?: RevocationPolicy | undefined;
}

export interface TrustProfileOptions extends TrustProfileRules {
  readonly anchorsPem: string;
  readonly intermediatesPem?: string | undefined;
}

const RULES: Readonly<
  Record<TrustPreset, Pick<TrustProfile, 'needsCompliance' | 'allowsDirectoryIdentifier'>>
> = {
  'eu-qualified': { needsCompliance: true, allowsDirectoryIdentifier: false },
  'uk-directory': { needsCompliance: false, allowsDirectoryIdentifier: true },
  'own-ca': { needsCompliance: false, allowsDirectoryIdentifier: true },
};
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/**
 * A profile from PEM files. Every preset requires QcType web and the PSD2 statement.
 *
 * @throws ERR_CERT_MALFORMED
 */
export function createTrustProfile(options: TrustProfileOptions): TrustProfile {
  const { anchorsPem, intermediatesPem } = options;
  return profileOf(options, {
    anchors: parsePem(anchorsPem).map(parseAnchor),
    intermediates: intermediatesPem === undefined ? [] : parsePem(intermediatesPem).map(parseCertificate),
  });
}

/** A profile whose anchors are the issuers that trusted lists name. */
export function listedTrustProfile(
  rules: TrustProfileRules,
  issuers: IssuerRule & Pick<TrustProfile, 'anchors'>,
): TrustProfile {
  return profileOf(rules, { anchors: issuers.anchors, intermediates: [], issuers });
}

function profileOf(
  rules: TrustProfileRules,
  certificates: Pick<TrustProfile, 'anchors' | 'intermediates' | 'issuers'>,
): TrustProfile {
  const { preset, policies, tolerate = [], revocation } = rules;
  const client: PathPolicy = {
    ...TLS_CLIENT_POLICY,
    ...(policies === undefined ? {} : { acceptedPolicies: policies, requireExplicitPolicy: true }),
  };
  const server: PathPolicy = { ...client, keyPurpose: SERVER_AUTH };
  const paths: TrustProfile['paths'] =
    rules.extendedKeyUsage === 'client-or-server-auth' ? [client, server] : [client];
  return Object.freeze({ preset, ...certificates, paths, ...RULES[preset], tolerate, revocation });
}
