import type { ListElement } from '../xml/elements.ts';
import { type Qualification, readQualifications } from './criteria.ts';

/** The state of a service from one instant to the next state (TS 119 612 §5.5.1 to §5.6). */
export interface ServiceState {
  readonly since: Date;
  readonly type: string;
  readonly status: string;
  /** URIs of AdditionalServiceInformation, such as `…/SvcInfoExt/ForWebSiteAuthentication`. */
  readonly purposes: readonly string[];
  readonly qualifications: readonly Qualification[];
  /** A critical extension that is not understood: the state allows nothing. */
  readonly unknownCritical?: string | undefined;
}

/** A service of a trusted list. */
export interface TrustService {
  readonly provider: string;
  readonly name: string;
  /** DER of the certificates of its digital identity. Several may have the same key. */
  readonly certificates: readonly Uint8Array[];
  /** The newest first. */
  readonly states: readonly ServiceState[];
}

/** Understood, and of no weight for who may issue certificates. */
const WITHOUT_WEIGHT = ['TakenOverBy', 'ExpiredCertsRevocationInfo'];

/**
 * The services of one TrustServiceProvider.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED
 */
export function readServices(provider: ListElement): TrustService[] {
  const name = englishName(provider.only('TSPInformation').only('TSPName'));
  return provider.listed('TSPServices', 'TSPService').map((service) => {
    const current = service.only('ServiceInformation');
    const former = service.listed('ServiceHistory', 'ServiceHistoryInstance');
    const states = [current, ...former].map(readState);
    return {
      provider: name,
      name: englishName(current.only('ServiceName')),
      certificates: readIdentities(current.only('ServiceDigitalIdentity')),
      states: states.toSorted((a, b) => b.since.getTime() - a.since.getTime()),
    };
  });
}

/** DER of the certificates of a ServiceDigitalIdentity (§5.5.3). */
export function readIdentities(identity: ListElement): Buffer[] {
  return identity
    .children('DigitalId')
    .flatMap((one) => one.children('X509Certificate'))
    .map((certificate) => certificate.bytes());
}

/** The English name, or the first. */
export function englishName(names: ListElement): string {
  const all = names.children('Name');
  return (all.find((name) => name.attribute('xml:lang') === 'en') ?? all[0])?.text ?? '';
}

function readState(instance: ListElement): ServiceState {
  const purposes: string[] = [];
  const qualifications: Qualification[] = [];
  let unknownCritical: string | undefined;
  for (const extension of instance.listed('ServiceInformationExtensions', 'Extension')) {
    const isCritical = ['true', '1'].includes(extension.attribute('Critical') ?? 'false');
    const [content] = extension.children();
    if (content?.is('AdditionalServiceInformation')) purposes.push(content.only('URI').text);
    else if (content?.is('Qualifications', 'qualifications')) {
      qualifications.push(...readQualifications(content));
    } else if (isCritical && !WITHOUT_WEIGHT.includes(content?.element.localName ?? '')) {
      unknownCritical ??= content?.element.localName ?? 'an empty extension';
    }
  }
  return {
    since: instance.only('StatusStartingTime').instant(),
    type: instance.only('ServiceTypeIdentifier').text,
    status: instance.only('ServiceStatus').text,
    purposes,
    qualifications,
    unknownCritical,
  };
}
