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

type NamesByType = Readonly<Record<string, readonly string[]>>;

/**
 * The table of RFC 4514 §3: only these may be written by name in the strict form. The first name of a type is the one
 * that is written; all are read, in any case.
 */
const STANDARD: NamesByType = {
  [ATTRIBUTE.commonName]: ['CN', 'commonName'],
  [ATTRIBUTE.localityName]: ['L', 'localityName'],
  '2.5.4.8': ['ST', 'stateOrProvinceName', 'S'],
  [ATTRIBUTE.organizationName]: ['O', 'organizationName'],
  [ATTRIBUTE.organizationalUnitName]: ['OU', 'organizationalUnitName'],
  [ATTRIBUTE.countryName]: ['C', 'countryName'],
  '2.5.4.9': ['STREET', 'streetAddress'],
  [ATTRIBUTE.domainComponent]: ['DC', 'domainComponent'],
  '0.9.2342.19200300.100.1.1': ['UID', 'userId'],
};
const OTHERS: NamesByType = {
  [ATTRIBUTE.organizationIdentifier]: ['organizationIdentifier'],
  [ATTRIBUTE.serialNumber]: ['serialNumber'],
  [ATTRIBUTE.emailAddress]: ['emailAddress', 'E', 'email'],
  '2.5.4.4': ['SN', 'surname'],
  '2.5.4.12': ['title', 'T'],
  '2.5.4.15': ['businessCategory'],
  '2.5.4.17': ['postalCode'],
  '2.5.4.18': ['postOfficeBox'],
  '2.5.4.42': ['GN', 'givenName', 'G'],
  '2.5.4.43': ['initials'],
  '2.5.4.44': ['generationQualifier'],
  '2.5.4.45': ['x500UniqueIdentifier'],
  '2.5.4.46': ['dnQualifier'],
  '2.5.4.65': ['pseudonym'],
  '1.3.6.1.4.1.311.60.2.1.1': ['jurisdictionL', 'jurisdictionLocalityName'],
  '1.3.6.1.4.1.311.60.2.1.2': ['jurisdictionST', 'jurisdictionStateOrProvinceName'],
  '1.3.6.1.4.1.311.60.2.1.3': ['jurisdictionC', 'jurisdictionCountryName'],
};

const NAMES: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({ ...STANDARD, ...OTHERS }));
const BY_NAME: ReadonlyMap<string, string> = new Map(
  [...NAMES].flatMap(([oid, names]) => names.map((name) => [name.toLowerCase(), oid] as const)),
);

const DOTTED = /^(?:oid\.)?((?:[01]\.(?:[1-3]?\d)|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*)$/i;

/** The dotted form of a short, long, dotted or `OID.` type; undefined when it is none of them. */
export function findAttributeType(text: string): string | undefined {
  return DOTTED.exec(text)?.[1] ?? BY_NAME.get(text.toLowerCase());
}

/** How a type is written; undefined when it must be written dotted, with the value in hexadecimal digits. */
export function attributeTypeName(oid: string, form: 'readable' | 'strict'): string | undefined {
  return form === 'readable' || Object.hasOwn(STANDARD, oid) ? NAMES.get(oid)?.[0] : undefined;
}
