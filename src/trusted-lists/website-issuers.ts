import type { Certificate } from '../x509/certificate/certificate.ts';
import { holds, type Qualification } from './list/criteria.ts';
import type { ServiceState, TrustService } from './list/service.ts';

const SERVICE = 'http://uri.etsi.org/TrstSvc/Svctype/CA/QC';
const GRANTED = 'http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted';
const EXTENSION = 'http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/';
const FOR_WEBSITES = `${EXTENSION}ForWebSiteAuthentication`;
const QUALIFIER = Object.freeze({
  forWebsites: `${EXTENSION}QCForWSA`,
  forSeals: `${EXTENSION}QCForESeal`,
  forSignatures: `${EXTENSION}QCForESig`,
  notQualified: `${EXTENSION}NotQualified`,
});

/** Why a service may not have issued a certificate, or undefined where it may. */
export type IssuerProblem = string | undefined;

/** Whether a service has ever been granted for website authentication, so that its certificates may be anchors. */
export function issuesForWebsites({ states, certificates }: TrustService): boolean {
  return certificates.length > 0 && states.some(isForWebsites);
}

/** Whether a service is granted for website authentication at a time, for some certificate at least. */
export function isGrantedNow(service: TrustService, at: Date): boolean {
  const state = stateAt(service, at);
  return state !== undefined && isForWebsites(state);
}

function stateAt({ states }: TrustService, at: Date): ServiceState | undefined {
  return states.find(({ since }) => since.getTime() <= at.getTime());
}

function isForWebsites({ type, status, purposes, qualifications }: ServiceState): boolean {
  if (type !== SERVICE || status !== GRANTED) return false;
  return (
    purposes.includes(FOR_WEBSITES) ||
    qualifications.some((one) => one.qualifiers.includes(QUALIFIER.forWebsites))
  );
}

/**
 * Whether a service was granted to issue `certificate` for website authentication at a time (TS 119 615 §4.4). Ask for
 * the time when it was issued, and for now.
 */
export function issuerProblem(
  service: TrustService,
  { certificate, at }: { readonly certificate: Certificate; readonly at: Date },
): IssuerProblem {
  const day = at.toISOString().slice(0, 10);
  const state = stateAt(service, at);
  if (state === undefined) return `the service was not listed on ${day}`;
  if (state.type !== SERVICE) return `the service was no CA/QC on ${day}`;
  if (state.status !== GRANTED) return `the service was ${nameOf(state.status)} on ${day}`;
  if (state.unknownCritical !== undefined) return `the service has a critical ${state.unknownCritical}`;
  const applies = appliedQualifiers(state.qualifications, certificate);
  if (applies(QUALIFIER.notQualified, 'or-unknown')) return 'the list says that it is not qualified';
  if (applies(QUALIFIER.forWebsites)) return undefined;
  if (applies(QUALIFIER.forSeals) || applies(QUALIFIER.forSignatures)) {
    return 'the list says that it is for seals or signatures';
  }
  if (!state.purposes.includes(FOR_WEBSITES))
    return `the service was not granted for website authentication on ${day}`;
  return undefined;
}

/** A criterion that is not understood counts against the certificate, never for it. */
function appliedQualifiers(qualifications: readonly Qualification[], certificate: Certificate) {
  return (qualifier: string, when: 'certainly' | 'or-unknown' = 'certainly') =>
    qualifications
      .filter(({ qualifiers }) => qualifiers.includes(qualifier))
      .map(({ criterion }) => holds(criterion, certificate))
      .some((outcome) => outcome === true || (when === 'or-unknown' && outcome === 'unknown'));
}

function nameOf(uri: string): string {
  return uri.slice(uri.lastIndexOf('/') + 1);
}
