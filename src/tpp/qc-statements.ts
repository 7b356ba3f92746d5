import { OpenBankingError } from '../errors.ts';
import { canonicalNca, type PspRole } from '../../tpp-registry/index.ts';
import { DerError, DerReader, decodeOid, type Element, readAll, TAG } from '../x509/der.ts';
import { decodeText } from '../x509/der-text.ts';
import { findRole, isPspRole, UNSPECIFIED_ROLE } from './psp-role.ts';

/** The PSD2 statement (TS 119 495 cl. 5.1). */
export interface Psd2Statement {
  /** Roles that grant something; unknown ones and `Unspecified` are left out. */
  readonly roles: readonly PspRole[];
  readonly nca: { readonly id: string; readonly name: string };
}

/** What the QCStatements extension of a certificate says, as far as it matters here. */
export interface QcStatements {
  /** QcCompliance (EN 319 412-5 cl. 4.2.1): qualified in the sense of eIDAS. */
  readonly isQualified: boolean;
  /** QcType (cl. 4.2.3), when it is stated. */
  readonly type?: 'web' | 'eseal' | 'esign';
  readonly psd2?: Psd2Statement;
}

const STATEMENT = Object.freeze({
  compliance: '0.4.0.1862.1.1',
  type: '0.4.0.1862.1.6',
  psd2: '0.4.0.19495.2',
});
const TYPES: Readonly<Record<string, 'web' | 'eseal' | 'esign'>> = {
  '0.4.0.1862.1.6.1': 'esign',
  '0.4.0.1862.1.6.2': 'eseal',
  '0.4.0.1862.1.6.3': 'web',
};
/** SIZE (1..256) of the ASN.1 module. */
const MAX_TEXT = 256;
/** There are nine roles at most in TS 119 495 V1.8.1. */
const MAX_ROLES = 16;

/**
 * Parses the value of the QCStatements extension, strictly: two encodings that some real certificates have (roles
 * in one flat SEQUENCE, no outer SEQUENCE) are refused by name.
 *
 *     QCStatements ::= SEQUENCE OF SEQUENCE { statementId OBJECT IDENTIFIER, statementInfo ANY OPTIONAL }
 *     PSD2QcType   ::= SEQUENCE { rolesOfPSP, nCAName UTF8String, nCAId UTF8String }
 *     RolesOfPSP   ::= SEQUENCE OF SEQUENCE { roleOfPspOid OBJECT IDENTIFIER, roleOfPspName UTF8String }
 *
 * @throws ERR_TPP_STATEMENT_INVALID
 * @see RFC 3739 §3.2.6, EN 319 412-5, TS 119 495 Annex A
 */
export function parseQcStatements(der: Buffer, subject: string): QcStatements {
  try {
    return readAll(der, (reader) => readStatements(reader));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new OpenBankingError(
      'ERR_TPP_STATEMENT_INVALID',
      { subject, problem: error.message },
      { cause: error },
    );
  }
}

function readStatements(reader: DerReader): QcStatements {
  const list = reader.element(TAG.sequence);
  if (new DerReader(list.content).nextTag === TAG.oid) throw new DerError('the outer SEQUENCE is missing');
  const found = new Map<string, readonly Element[]>();
  readAll(list.content, (statements) =>
    statements.all((one) =>
      one.within(TAG.sequence, (statement) => {
        const id = statement.oid();
        if (found.has(id)) throw new DerError(`statement ${id} is there twice`);
        const info = statement.isAtEnd ? [] : [statement.any()];
        found.set(id, info);
      }),
    ),
  );
  const compliance = found.get(STATEMENT.compliance);
  if (compliance !== undefined && compliance.length > 0) throw new DerError('QcCompliance holds a value');
  const type = found.get(STATEMENT.type);
  const psd2 = found.get(STATEMENT.psd2);
  return Object.freeze({
    isQualified: compliance !== undefined,
    ...(type === undefined ? {} : { type: readType(infoOf(type, 'QcType')) }),
    ...(psd2 === undefined ? {} : { psd2: readPsd2(infoOf(psd2, 'the PSD2 statement')) }),
  });
}

function infoOf([info]: readonly Element[], name: string): Element {
  if (info?.tag !== TAG.sequence) throw new DerError(`${name} holds no SEQUENCE`);
  return info;
}

/** SEQUENCE OF, but exactly one: a certificate is for one use (EN 319 412-5 QCS-4.2.3-01). */
function readType({ content }: Element): 'web' | 'eseal' | 'esign' {
  const [oid, more] = readAll(content, (reader) => reader.all((one) => one.oid()));
  const type = TYPES[oid ?? ''];
  if (type === undefined || more !== undefined) throw new DerError('QcType is not exactly one known type');
  return type;
}

function readPsd2({ content }: Element): Psd2Statement {
  return readAll(content, (reader) => {
    const roles = readRoles(reader.element(TAG.sequence).content);
    const name = utf8String(reader, 'NCAName');
    const id = utf8String(reader, 'NCAId');
    if (!/^[A-Z]{2}-[A-Z]{2,8}$/.test(id) && canonicalNca(id) === undefined) {
      throw new DerError('NCAId is not a country, a hyphen and two to eight capital letters');
    }
    return Object.freeze({ roles, nca: Object.freeze({ id, name }) });
  });
}

function readRoles(content: Buffer): readonly PspRole[] {
  if (content[0] === TAG.oid) throw new DerError('the roles are in one flat SEQUENCE');
  const entries = readAll(content, (reader) =>
    reader.all((one) =>
      one.within(TAG.sequence, (role) => ({
        oid: decodeOid(role.content(TAG.oid)),
        name: utf8String(role, 'roleOfPspName'),
      })),
    ),
  );
  if (entries.length > MAX_ROLES) throw new DerError('there are too many roles');
  if (new Set(entries.map(({ oid }) => oid)).size !== entries.length)
    throw new DerError('a role is there twice');
  const isUnspecified = entries.some(({ oid }) => oid === UNSPECIFIED_ROLE.oid);
  if (isUnspecified && entries.length > 1) throw new DerError('Unspecified stands beside another role');
  return Object.freeze(entries.flatMap(grantedRole));
}

/** The identifier decides; a name that belongs to another identifier is a mistake that nobody may profit from. */
function grantedRole({ oid, name }: { readonly oid: string; readonly name: string }): PspRole[] {
  const role = findRole(oid);
  const isUnspecified = oid === UNSPECIFIED_ROLE.oid;
  const isRightName = role === undefined ? !isPspRole(name) : name === role;
  if (!isRightName || (isUnspecified && name !== UNSPECIFIED_ROLE.name)) {
    throw new DerError(`role ${oid} does not go by its name`);
  }
  return role === undefined ? [] : [role];
}

function utf8String(reader: DerReader, what: string): string {
  const { tag, content } = reader.any();
  if (tag !== TAG.utf8String) throw new DerError(`${what} is not a UTF8String`);
  const text = decodeText(tag, content);
  if (text === undefined || text === '' || [...text].length > MAX_TEXT) {
    throw new DerError(`${what} is not 1 to ${MAX_TEXT} characters`);
  }
  return text;
}
