import { type Certificate, parseCertificate, parsePem } from '../x509/certificate.ts';
import { type PathPolicy, TLS_CLIENT_POLICY } from '../x509/path.ts';

export type TrustPreset = 'eu-qualified' | 'uk-directory' | 'own-ca';

/** What certificates of some anchors must look like. Unlike schemes have unlike rules, so each has its own. */
export interface TrustProfile {
  readonly preset: TrustPreset;
  readonly anchors: readonly Certificate[];
  /** Issuing CAs that TPPs do not send along. */
  readonly intermediates: readonly Certificate[];
  readonly path: PathPolicy;
  /** QcCompliance: certificates of the UK directory have none (they are on no EU trusted list). */
  readonly needsCompliance: boolean;
}

const NEEDS_COMPLIANCE: Readonly<Record<TrustPreset, boolean>> = {
  'eu-qualified': true,
  'uk-directory': false,
  'own-ca': false,
};

/**
 * A profile from PEM files. Every preset asks for id-kp-clientAuth, QcType web and the PSD2 statement.
 *
 * @throws ERR_CERT_MALFORMED
 */
export function createTrustProfile(options: {
  readonly preset: TrustPreset;
  readonly anchorsPem: string;
  readonly intermediatesPem?: string;
}): TrustProfile {
  const { preset, anchorsPem, intermediatesPem } = options;
  return Object.freeze({
    preset,
    anchors: parsePem(anchorsPem).map(parseCertificate),
    intermediates: intermediatesPem === undefined ? [] : parsePem(intermediatesPem).map(parseCertificate),
    path: TLS_CLIENT_POLICY,
    needsCompliance: NEEDS_COMPLIANCE[preset],
  });
}
