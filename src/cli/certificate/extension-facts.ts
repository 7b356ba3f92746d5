import { shownName, shownText } from '../../x509/certificate/distinguished-name.ts';
import { EXTENSION, type KnownExtensions, readKnownExtensions } from '../../x509/certificate/extensions.ts';
import type { GeneralName } from '../../x509/certificate/general-name.ts';
import { oidText } from './object-identifiers.ts';

/** The contents of an extension, one text for each fact. */
type Describe = (known: KnownExtensions) => readonly string[];

const hex = (bytes: Buffer | undefined): string => bytes?.toString('hex') ?? '';

const DESCRIPTIONS: Readonly<Record<string, Describe>> = {
  [EXTENSION.basicConstraints]: ({ basicConstraints }) => {
    if (basicConstraints?.isCa !== true) return ['no certification authority'];
    const { pathLength } = basicConstraints;
    return [`certification authority, path length ${pathLength ?? 'unlimited'}`];
  },
  [EXTENSION.keyUsage]: ({ keyUsage }) => [...(keyUsage ?? [])],
  [EXTENSION.extendedKeyUsage]: ({ extendedKeyUsage }) => (extendedKeyUsage ?? []).map(oidText),
  [EXTENSION.subjectAlternativeName]: ({ subjectAlternativeNames }) =>
    subjectAlternativeNames.map(generalNameText),
  [EXTENSION.subjectKeyIdentifier]: ({ subjectKeyIdentifier }) => [hex(subjectKeyIdentifier)],
  [EXTENSION.authorityKeyIdentifier]: ({ authorityKeyIdentifier: key }) => [
    hex(key?.keyIdentifier),
    ...(key?.issuer ?? []).map((name) => `issuer ${generalNameText(name)}`),
    ...(key?.serialNumber === undefined ? [] : [`serial number ${key.serialNumber}`]),
  ],
  [EXTENSION.nameConstraints]: ({ nameConstraints }) => [
    ...(nameConstraints?.permitted ?? []).map((name) => `permitted ${generalNameText(name)}`),
    ...(nameConstraints?.excluded ?? []).map((name) => `excluded ${generalNameText(name)}`),
  ],
  [EXTENSION.certificatePolicies]: ({ certificatePolicies }) => (certificatePolicies ?? []).map(oidText),
  [EXTENSION.policyMappings]: ({ policyMappings }) =>
    (policyMappings ?? []).map(({ issuer, subject }) => `${oidText(issuer)} = ${oidText(subject)}`),
  [EXTENSION.policyConstraints]: ({ policyConstraints: constraints }) => [
    `requireExplicitPolicy ${constraints?.requireExplicitPolicy ?? 'absent'}`,
    `inhibitPolicyMapping ${constraints?.inhibitPolicyMapping ?? 'absent'}`,
  ],
  [EXTENSION.inhibitAnyPolicy]: ({ inhibitAnyPolicy }) => [`after ${inhibitAnyPolicy} certificates`],
  [EXTENSION.authorityInformationAccess]: ({ authorityInformationAccess }) =>
    authorityInformationAccess.map(
      ({ method, location }) => `${oidText(method)} ${generalNameText(location)}`,
    ),
  [EXTENSION.crlDistributionPoints]: ({ crlDistributionPoints }) =>
    crlDistributionPoints.flatMap(({ fullName, crlIssuer, reasons }) => [
      ...fullName.map(generalNameText),
      ...crlIssuer.map((name) => `CRL issuer ${generalNameText(name)}`),
      ...(reasons === undefined ? [] : [`reasons ${reasons.join(', ')}`]),
    ]),
};

/** Bytes of an unknown value that are shown; all of it is in the certificate. */
const MAX_SHOWN_BYTES = 48;
const MAX_SHOWN_CHARACTERS = 1024;

/**
 * The value of one extension in words; of one that nothing here knows, its first octets.
 *
 * @throws DerError
 */
export function describeExtension(oid: string, value: Buffer): readonly string[] {
  const describe = DESCRIPTIONS[oid];
  if (describe === undefined) {
    return [hexText(value)];
  }
  return describe(readKnownExtensions(new Map([[oid, { critical: false, value }]])));
}

function hexText(value: Buffer): string {
  const more = value.length > MAX_SHOWN_BYTES ? `… (${value.length} octets)` : '';
  return `${value.subarray(0, MAX_SHOWN_BYTES).toString('hex')}${more}`;
}

function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
    case 'email':
    case 'uri':
      return `${name.kind} ${shownText(name.value, MAX_SHOWN_CHARACTERS)}`;
    case 'registeredId':
      return `registeredId ${oidText(name.value)}`;
    case 'ip':
      return `ip ${addressText(name.value)}`;
    case 'directoryName':
      return `directoryName ${shownName(name.value)}`;
    case 'other':
      return `otherName ${oidText(name.type)} ${hexText(name.value)}`;
    case 'x400':
    case 'ediParty':
      return `${name.kind} ${hexText(name.value)}`;
  }
}

/** IPv4 and IPv6 as people write them; with a mask, as in name constraints, in octets. */
function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  if (octets.length === 8) return `${octets.subarray(0, 4).join('.')}/${octets.subarray(4).join('.')}`;
  if (octets.length !== 16) return octets.toString('hex');
  const groups = octets.toString('hex').replace(/.{4}(?!$)/g, '$&:');
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}
