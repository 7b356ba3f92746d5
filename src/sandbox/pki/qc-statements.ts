import {
  AsnArray,
  AsnConvert,
  AsnIA5StringConverter,
  AsnObjectIdentifierConverter,
  AsnPrintableStringConverter,
  AsnPropTypes,
  AsnType,
  AsnTypeTypes,
  AsnUtf8StringConverter,
} from '@peculiar/asn1-schema';

export type QcType = 'esign' | 'eseal' | 'web';

/** One entry of RolesOfPSP as it is to be written: the object identifier and the name may disagree. */
export interface RoleEntry {
  readonly oid: string;
  readonly name: string;
}

/** Encodings of the PSD2 statement and its extension that real certificates have got wrong. */
export type QcStatementsFault =
  | 'flat-roles'
  | 'flat-roles-without-sequence'
  | 'missing-outer-sequence'
  | 'printable-nca-name'
  | 'two-psd2-statements';

export interface QcStatementsOptions {
  /** QcCompliance: default true. */
  readonly compliance?: boolean;
  /** QcType; `undefined` leaves the statement out. */
  readonly type: QcType | undefined;
  /** QcPDS: URL of the disclosure statement, in English; `undefined` leaves the statement out. */
  readonly disclosureUrl?: string;
  /** The PSD2 statement; `undefined` leaves it out. */
  readonly psd2: { readonly roles: readonly RoleEntry[]; readonly nca: Nca } | undefined;
  readonly fault?: QcStatementsFault;
}

interface Nca {
  readonly id: string;
  readonly name: string;
}

const QC_TYPE_OIDS: Readonly<Record<QcType, string>> = {
  esign: '0.4.0.1862.1.6.1',
  eseal: '0.4.0.1862.1.6.2',
  web: '0.4.0.1862.1.6.3',
};

class Sequence extends AsnArray<ArrayBuffer> {}
AsnType({ type: AsnTypeTypes.Sequence, itemType: AsnPropTypes.Any })(Sequence);

const sequence = (parts: readonly ArrayBuffer[]): ArrayBuffer =>
  AsnConvert.serialize(new Sequence([...parts]));
const oid = (text: string): ArrayBuffer => AsnObjectIdentifierConverter.toASN(text).toBER();
const utf8 = (text: string): ArrayBuffer => AsnUtf8StringConverter.toASN(text).toBER();
const printable = (text: string): ArrayBuffer => AsnPrintableStringConverter.toASN(text).toBER();
const ia5 = (text: string): ArrayBuffer => AsnIA5StringConverter.toASN(text).toBER();

/**
 * Writes the value of the qcStatements extension, right or with one named fault.
 *
 *     QCStatements ::= SEQUENCE OF SEQUENCE { statementId OBJECT IDENTIFIER, statementInfo ANY OPTIONAL }
 *     PSD2QcType   ::= SEQUENCE { rolesOfPSP RolesOfPSP, nCAName UTF8String, nCAId UTF8String }
 *     RolesOfPSP   ::= SEQUENCE OF SEQUENCE { roleOfPspOid OBJECT IDENTIFIER, roleOfPspName UTF8String }
 *
 * @see EN 319 412-5 cl. 4, TS 119 495 Annex A
 */
export function encodeQcStatements(options: QcStatementsOptions): ArrayBuffer {
  const { fault } = options;
  const psd2 = options.psd2 === undefined ? [] : [psd2Statement(options.psd2.roles, options.psd2.nca, fault)];
  const [first] = psd2;
  if (fault === 'missing-outer-sequence' && first !== undefined) return first;
  const url = options.disclosureUrl;
  return sequence([
    ...(options.compliance === false ? [] : [sequence([oid('0.4.0.1862.1.1')])]),
    ...(options.type === undefined ? [] : [statement('0.4.0.1862.1.6', [oid(QC_TYPE_OIDS[options.type])])]),
    ...(url === undefined ? [] : [statement('0.4.0.1862.1.5', [sequence([ia5(url), printable('en')])])]),
    ...psd2,
    ...(fault === 'two-psd2-statements' ? psd2 : []),
  ]);
}

function statement(id: string, info: readonly ArrayBuffer[]): ArrayBuffer {
  return sequence([oid(id), sequence(info)]);
}

function psd2Statement(roles: readonly RoleEntry[], nca: Nca, fault?: QcStatementsFault): ArrayBuffer {
  const name = fault === 'printable-nca-name' ? printable(nca.name) : utf8(nca.name);
  return statement('0.4.0.19495.2', [encodeRoles(roles, fault), name, utf8(nca.id)]);
}

function encodeRoles(roles: readonly RoleEntry[], fault?: QcStatementsFault): ArrayBuffer {
  const pairs = roles.map((role) => [oid(role.oid), utf8(role.name)]);
  if (fault === 'flat-roles') return sequence([sequence(pairs.flat())]);
  if (fault === 'flat-roles-without-sequence') return sequence(pairs.flat());
  return sequence(pairs.map((pair) => sequence(pair)));
}
