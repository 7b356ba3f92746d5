import { type Certificate, parseCertificate, parsePem } from '../x509/certificate.ts';
export interface TrustProfile {
  readonly preset: string;
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly needsQualified: boolean;
}
export function createTrustProfile(o: {
  readonly preset: 'eu-qualified' | 'uk-directory' | 'own-ca';
  readonly anchorsPem: string;
  readonly intermediatesPem?: string;
}): TrustProfile {
  return {
    preset: o.preset,
    anchors: parsePem(o.anchorsPem).map(parseCertificate),
    intermediates: o.intermediatesPem ? parsePem(o.intermediatesPem).map(parseCertificate) : [],
    needsQualified: o.preset === 'eu-qualified',
  };
}
