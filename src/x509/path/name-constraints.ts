import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import {
  ATTRIBUTE,
  findAttribute,
  isWithin,
  shownName,
  shownText,
} from '../certificate/distinguished-name.ts';
import type { NameConstraints } from '../certificate/extensions.ts';
import { findMailHost, type GeneralName, isDnsName, isHostName } from '../certificate/general-name.ts';
import { type CertificateKind, isTolerated } from '../der/tolerances.ts';
import type { PathBudget } from './path-budget.ts';

/**
 * The name constraints of the CAs of a path on the certificates below them. They only add up: a name must satisfy
 * each of them, which is the intersection of the permitted and the union of the excluded subtrees.
 *
 * @see RFC 5280 §4.2.1.10, §6.1.4 (g)
 */
export class ConstraintSet {
  readonly #constraints: NameConstraints[] = [];
  readonly #budget: PathBudget;

  constructor(budget: PathBudget) {
    this.#budget = budget;
  }

  /**
   * Adds the constraints of a CA.
   *
   * @throws ERR_CERT_NAME_CONSTRAINTS when a constraint cannot be read for certain
   */
  add(authority: Certificate, kind: CertificateKind = 'certificate'): void {
    const constraints = authority.nameConstraints;
    if (constraints === undefined) return;
    for (const base of [...constraints.permitted, ...constraints.excluded]) {
      if (!isWellFormed(base, kind)) throw refusal(authority, `malformed ${describe(base)}`);
    }
    this.#constraints.push(constraints);
  }

  /**
   * Proves that every name of a certificate, its subject and the e-mail addresses in it included, is allowed.
   *
   * @throws ERR_CERT_NAME_CONSTRAINTS, ERR_CERT_PATH_BUDGET
   */
  check(certificate: Certificate): void {
    if (this.#constraints.length === 0) return;
    for (const name of namesOf(certificate)) {
      for (const { permitted, excluded } of this.#constraints) {
        const hit = excluded.find((base) => this.#matches(name, base, 'excluded'));
        if (hit !== undefined) throw refusal(certificate, `excluded ${describe(hit)}`);
        if (
          !permitted.some((base) => this.#matches(name, base, 'permitted')) &&
          isConstrained(name, permitted)
        ) {
          throw refusal(certificate, `${describe(name)} is not permitted`);
        }
      }
    }
  }

  #matches(name: GeneralName, base: GeneralName, list: 'permitted' | 'excluded'): boolean {
    this.#budget.spend('comparisons');
    return name.kind === base.kind && isCovered(name, base, list);
  }
}

/** Permitted subtrees constrain only the kinds of names that they list. */
function isConstrained(name: GeneralName, permitted: readonly GeneralName[]): boolean {
  return permitted.some(({ kind }) => kind === name.kind);
}

function namesOf(certificate: Certificate): GeneralName[] {
  const { subject, subjectAlternativeNames } = certificate;
  const names = [...subjectAlternativeNames];
  if (subject.rdns.length > 0) names.push({ kind: 'directoryName', value: subject });
  for (const value of findAttribute(subject, ATTRIBUTE.emailAddress)) names.push({ kind: 'email', value });
  return names;
}

/** A name of a kind that cannot be compared is treated so that it is refused: excluded, and not permitted. */
function isCovered(name: GeneralName, base: GeneralName, list: 'permitted' | 'excluded'): boolean {
  const isExcluding = list === 'excluded';
  if (name.kind === 'dns' && base.kind === 'dns') {
    return isDnsName(name.value) ? isDnsCovered(name.value, base.value, isExcluding) : isExcluding;
  }
  if (name.kind === 'email' && base.kind === 'email') {
    return isMailCovered(name.value, base.value) ?? isExcluding;
  }
  if (name.kind === 'uri' && base.kind === 'uri') return isUriCovered(name.value, base.value) ?? isExcluding;
  if (name.kind === 'ip' && base.kind === 'ip') return isAddressCovered(name.value, base.value);
  if (name.kind === 'directoryName' && base.kind === 'directoryName') return isWithin(name.value, base.value);
  return isExcluding;
}

/** A wildcard is excluded as soon as one name under it is: `*.example.com` by `bar.example.com`. */
function isDnsCovered(name: string, base: string, isExcluding: boolean): boolean {
  const host = name.toLowerCase();
  const top = base.toLowerCase();
  if (top === '' || host === top || host.endsWith(top.startsWith('.') ? top : `.${top}`)) return true;
  return isExcluding && host.startsWith('*.') && top.slice(top.indexOf('.') + 1) === host.slice(2);
}

/** A base is a mailbox, a host (that host only) or `.domain` (hosts below it); undefined for other text. */
function isMailCovered(name: string, base: string): boolean | undefined {
  const host = findMailHost(name);
  if (host === undefined) return undefined;
  if (!base.includes('@')) return isHostCovered(host, base);
  const local = (text: string): string => text.slice(0, text.lastIndexOf('@'));
  return local(name) === local(base) && host.toLowerCase() === findMailHost(base)?.toLowerCase();
}

const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/;

/** Undefined for a URI without a host name in it, which a constraint on URIs must refuse. */
function isUriCovered(name: string, base: string): boolean | undefined {
  const host = AUTHORITY.exec(name)?.[1];
  return host === undefined || !isHostName(host) ? undefined : isHostCovered(host, base);
}

function isHostCovered(host: string, base: string): boolean {
  const [lower, top] = [host.toLowerCase(), base.toLowerCase()];
  return top.startsWith('.') ? lower.endsWith(top) : lower === top;
}

/** The base holds an address and a mask of the same length. */
function isAddressCovered(address: Buffer, base: Buffer): boolean {
  if (base.length !== address.length * 2) return false;
  const mask = base.subarray(address.length);
  return address.every((octet, index) => ((octet ^ (base[index] ?? 0)) & (mask[index] ?? 0xff)) === 0);
}

function isWellFormed(base: GeneralName, kind: CertificateKind): boolean {
  switch (base.kind) {
    case 'dns':
      return base.value === '' || isHostName(withoutPeriod(base.value, kind));
    case 'email':
      return base.value.includes('@')
        ? findMailHost(base.value) !== undefined
        : isHostName(base.value.replace(/^\./, ''));
    case 'uri':
      return isHostName(base.value.replace(/^\./, ''));
    case 'ip':
      return isSubnet(base.value);
    case 'directoryName':
    case 'registeredId':
    case 'other':
    case 'x400':
    case 'ediParty':
      return true;
  }
}

/** RFC 5280 §4.2.1.10 has a leading period for e-mail and URI only. */
function withoutPeriod(host: string, kind: CertificateKind): string {
  return isTolerated('leading-period', kind) ? host.replace(/^\./, '') : host;
}

/** RFC 4632: the set bits of the mask come first, in one piece. */
function isSubnet(base: Buffer): boolean {
  if (base.length !== 8 && base.length !== 32) return false;
  const mask = [...base.subarray(base.length / 2)]
    .map((octet) => octet.toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(mask);
}

function describe(name: GeneralName): string {
  if (name.kind === 'directoryName') return `directoryName ${shownName(name.value)}`;
  const text = typeof name.value === 'string' ? name.value : name.value.subarray(0, 64).toString('hex');
  return `${name.kind} ${shownText(text)}`;
}

function refusal(certificate: Certificate, constraint: string): OpenBankingError {
  const details = { subject: shownName(certificate.subject), constraint };
  return new OpenBankingError('ERR_CERT_NAME_CONSTRAINTS', details);
}
