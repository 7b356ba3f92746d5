/**
 * Attribute types with their names. The first name of a row is the one that is written; all are read, in any
 * case. `isStandard` marks the table of RFC 4514 §3: only these may be written by name in the strict form.
 */
interface AttributeType {
  readonly oid: string;
  readonly names: readonly string[];
  readonly isStandard?: true;
}

/** The object identifiers that other modules name. */
export const ATTRIBUTE = Object.freeze({
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  countryName: '2.5.4.6',
  localityName: '2.5.4.7',
  organizationName: '2.5.4.10',
  organizationalUnitName: '2.5.4.11',
  organizationIdentifier: '2.5.4.97',
  domainComponent: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
});

const TYPES: readonly AttributeType[] = [
  { oid: ATTRIBUTE.commonName, names: ['CN', 'commonName'], isStandard: true },
  { oid: ATTRIBUTE.localityName, names: ['L', 'localityName'], isStandard: true },
  { oid: '2.5.4.8', names: ['ST', 'stateOrProvinceName', 'S'], isStandard: true },
  { oid: ATTRIBUTE.organizationName, names: ['O', 'organizationName'], isStandard: true },
  { oid: ATTRIBUTE.organizationalUnitName, names: ['OU', 'organizationalUnitName'], isStandard: true },
  { oid: ATTRIBUTE.countryName, names: ['C', 'countryName'], isStandard: true },
  { oid: '2.5.4.9', names: ['STREET', 'streetAddress'], isStandard: true },
  { oid: ATTRIBUTE.domainComponent, names: ['DC', 'domainComponent'], isStandard: true },
  { oid: '0.9.2342.19200300.100.1.1', names: ['UID', 'userId'], isStandard: true },
  { oid: ATTRIBUTE.organizationIdentifier, names: ['organizationIdentifier'] },
  { oid: ATTRIBUTE.serialNumber, names: ['serialNumber'] },
  { oid: ATTRIBUTE.emailAddress, names: ['emailAddress', 'E', 'email'] },
  { oid: '2.5.4.4', names: ['SN', 'surname'] },
  { oid: '2.5.4.12', names: ['title', 'T'] },
  { oid: '2.5.4.15', names: ['businessCategory'] },
  { oid: '2.5.4.17', names: ['postalCode'] },
  { oid: '2.5.4.18', names: ['postOfficeBox'] },
  { oid: '2.5.4.42', names: ['GN', 'givenName', 'G'] },
  { oid: '2.5.4.43', names: ['initials'] },
  { oid: '2.5.4.44', names: ['generationQualifier'] },
  { oid: '2.5.4.45', names: ['x500UniqueIdentifier'] },
  { oid: '2.5.4.46', names: ['dnQualifier'] },
  { oid: '2.5.4.65', names: ['pseudonym'] },
  { oid: '1.3.6.1.4.1.311.60.2.1.1', names: ['jurisdictionL', 'jurisdictionLocalityName'] },
  { oid: '1.3.6.1.4.1.311.60.2.1.2', names: ['jurisdictionST', 'jurisdictionStateOrProvinceName'] },
  { oid: '1.3.6.1.4.1.311.60.2.1.3', names: ['jurisdictionC', 'jurisdictionCountryName'] },
];

const BY_NAME: ReadonlyMap<string, string> = new Map(
  TYPES.flatMap(({ oid, names }) => names.map((name) => [name.toLowerCase(), oid] as const)),
);
const NAME_OF: ReadonlyMap<string, string> = new Map(TYPES.map(({ oid, names }) => [oid, names[0] ?? oid]));
const STANDARD: ReadonlySet<string> = new Set(TYPES.filter((type) => type.isStandard).map(({ oid }) => oid));

const DOTTED = /^(?:oid\.)?((?:[01]\.(?:[1-3]?\d)|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*)$/i;

/** The dotted form of a short, long, dotted or `OID.` type; undefined when it is none of them. */
export function findAttributeType(text: string): string | undefined {
  return DOTTED.exec(text)?.[1] ?? BY_NAME.get(text.toLowerCase());
}

/** How a type is written; undefined when it must be written dotted, with the value in hexadecimal digits. */
export function attributeTypeName(oid: string, form: 'readable' | 'strict'): string | undefined {
  return form === 'readable' || STANDARD.has(oid) ? NAME_OF.get(oid) : undefined;
}
