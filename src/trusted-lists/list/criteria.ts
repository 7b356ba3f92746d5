import type { Certificate } from '../../x509/certificate/certificate.ts';
import type { KeyUsage } from '../../x509/certificate/extensions.ts';
import type { ListElement } from '../xml/elements.ts';

/** A criterion of a list, as a value that JSON keeps. `unknown` is of a kind that is not understood. */
export type Criterion =
  | { readonly kind: 'all' | 'atLeastOne' | 'none'; readonly of: readonly Criterion[] }
  | {
      readonly kind: 'keyUsage';
      readonly bits: readonly { readonly name: string; readonly isSet: boolean }[];
    }
  | { readonly kind: 'policies' | 'purposes'; readonly identifiers: readonly string[] }
  | { readonly kind: 'unknown' };

/** Which certificates a list's statement is about, and what it says of them (TS 119 612 §5.5.9.2). */
export interface Qualification {
  /** URIs such as `…/SvcInfoExt/NotQualified`. */
  readonly qualifiers: readonly string[];
  readonly criterion: Criterion;
}

type Outcome = boolean | 'unknown';

const UNKNOWN: Criterion = Object.freeze({ kind: 'unknown' });
const DOTTED = /^[0-2](\.\d+)+$/;

/** @throws ERR_TRUSTED_LIST_MALFORMED */
export function readQualifications(extension: ListElement): Qualification[] {
  return extension.children('QualificationElement', 'qualifications').map((element) => ({
    qualifiers: element
      .listed('Qualifiers', 'Qualifier', 'qualifications')
      .map((one) => one.attribute('uri')?.trim() ?? ''),
    criterion: criteriaList(element.only('CriteriaList', 'qualifications')),
  }));
}

function criteriaList(list: ListElement): Criterion {
  const kind = list.attribute('assert') ?? 'all';
  if (kind !== 'all' && kind !== 'atLeastOne' && kind !== 'none') {
    throw list.malformed(`a CriteriaList asserts ${kind.slice(0, 40)}`);
  }
  const of = list
    .children()
    .filter((child) => !child.is('Description', 'qualifications'))
    .map(criterionOf);
  return of.length === 0 ? UNKNOWN : { kind, of };
}

function criterionOf(element: ListElement): Criterion {
  if (element.is('CriteriaList', 'qualifications')) return criteriaList(element);
  if (element.is('KeyUsage', 'qualifications')) return keyUsage(element);
  if (element.is('PolicySet', 'qualifications')) {
    return identifiers('policies', element.children('PolicyIdentifier', 'qualifications'));
  }
  if (element.is('otherCriteriaList', 'qualifications')) {
    return { kind: 'all', of: element.children().map(otherCriterion) };
  }
  return UNKNOWN;
}

function keyUsage(element: ListElement): Criterion {
  const bits = element.children('KeyUsageBit', 'qualifications').map((bit) => ({
    name: bit.attribute('name') ?? '',
    isSet: ['true', '1'].includes(bit.text),
  }));
  return { kind: 'keyUsage', bits };
}

function otherCriterion(element: ListElement): Criterion {
  if (!element.is('ExtendedKeyUsage', 'listExtra')) return UNKNOWN;
  return identifiers('purposes', element.children('KeyPurposeId', 'listExtra'));
}

function identifiers(kind: 'policies' | 'purposes', elements: readonly ListElement[]): Criterion {
  // XAdES identifiers are dotted, or `urn:oid:` and dotted.
  const found = elements.map((element) => element.only('Identifier', 'xades').text.replace(/^urn:oid:/i, ''));
  return found.length > 0 && found.every((one) => DOTTED.test(one)) ? { kind, identifiers: found } : UNKNOWN;
}

/** Whether a criterion holds for a certificate; `unknown` where that cannot be decided. */
export function holds(criterion: Criterion, certificate: Certificate): Outcome {
  switch (criterion.kind) {
    case 'all':
      return all(criterion.of.map((one) => holds(one, certificate)));
    case 'atLeastOne':
      return negated(all(criterion.of.map((one) => negated(holds(one, certificate)))));
    case 'none':
      return all(criterion.of.map((one) => negated(holds(one, certificate))));
    case 'keyUsage': {
      // §5.5.9.2.2.1: each named bit is as stated.
      const { keyUsage: stated } = certificate;
      return (
        stated !== undefined &&
        criterion.bits.every(({ name, isSet }) => stated.has(keyUsageName(name)) === isSet)
      );
    }
    case 'policies':
      // §5.5.9.2.2.2: the certificate has every policy of the set.
      return criterion.identifiers.every((one) => certificate.certificatePolicies?.includes(one) ?? false);
    case 'purposes':
      return criterion.identifiers.every((one) => certificate.extendedKeyUsage?.includes(one) ?? false);
    case 'unknown':
      return 'unknown';
  }
}

function all(outcomes: readonly Outcome[]): Outcome {
  if (outcomes.includes(false)) return false;
  return outcomes.includes('unknown') ? 'unknown' : true;
}

function negated(outcome: Outcome): Outcome {
  return outcome === 'unknown' ? outcome : !outcome;
}

/** The lists write `crlSign`; RFC 5280 `cRLSign`. */
function keyUsageName(name: string): KeyUsage {
  return (name === 'crlSign' ? 'cRLSign' : name) as KeyUsage;
}
