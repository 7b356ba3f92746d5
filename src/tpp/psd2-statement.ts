import type { PspRole } from '../../tpp-registry/index.ts';
import { DerError, type DerReader, readAll, TAG } from '../x509/der/der.ts';
import { decodeText } from '../x509/der/der-text.ts';
import { isIsoCountry } from './organization-identifier.ts';
import { isPspRole, isRightRoleName } from './psp-role.ts';

/** The PSD2 statement (TS 119 495 cl. 5.1). Frozen. */
export interface Psd2Statement {
  /** Roles that grant something; all others are left out. */
  readonly roles: readonly PspRole[];
  /** Every role by its name in the certificate, also those that grant nothing. */
  readonly roleNames: readonly string[];
  readonly nca: { readonly id: string; readonly name: string };
}

/** Called for an encoding that is not the standard's. Throws unless the trust profile tolerates it. */
export type AskTolerance = (encoding: 'flat-roles', problem: string) => void;

interface Role {
  readonly oid: string;
  readonly name: string;
}

/** SIZE (1..256) of the ASN.1 module. */
const MAX_TEXT = 256;
/** TS 119 495 V1.8.1 knows nine roles; others may be registered nationally. */
const MAX_ROLES = 16;
/** Central banks and public authorities have no competent authority: both NCA fields hold this (GEN-5.2.3-1A, -5). */
const NOT_APPLICABLE = 'NA';
const WITHOUT_AUTHORITY: readonly string[] = ['PSP_CB', 'PSP_PA'];
/** GEN-5.2.3-1 asks for the Latin alphabet, which has `Banco de España`. */
const LATIN = /^[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]+$/u;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/**
 * Reads the statementInfo of the PSD2 statement.
 *
 *     PSD2QcType ::= SEQUENCE { rolesOfPSP RolesOfPSP, nCAName UTF8String, nCAId UTF8String }
 *     RolesOfPSP ::= SEQUENCE OF SEQUENCE { roleOfPspOid OBJECT IDENTIFIER, roleOfPspName UTF8String }
 *
 * @throws DerError
 * @see TS 119 495 cl. 5.2, Annex A
 */
export function readPsd2Statement(content: Buffer, ask: AskTolerance): Psd2Statement {
  return readAll(content, (reader) => {
    const roles = readRoles(reader.element(TAG.sequence).content, ask);
    const name = utf8String(reader, 'NCAName');
    const id = utf8String(reader, 'NCAId');
    checkRoles(roles);
    checkAuthority(roles, { id, name });
    const roleNames = roles.map((role) => role.name);
    return Object.freeze({
      roles: Object.freeze(roleNames.filter(isPspRole)),
      roleNames: Object.freeze(roleNames),
      nca: Object.freeze({ id, name }),
    });
  });
}

/** Certificates of the UK directory up to 2020 have all pairs in one SEQUENCE, with or without another around it. */
function readRoles(content: Buffer, ask: AskTolerance): readonly Role[] {
  if (content.length === 0) throw new DerError('the roles are empty');
  const flat = () => ask('flat-roles', 'the roles are in one flat SEQUENCE');
  if (content[0] === TAG.oid) {
    flat();
    return readAll(content, (pairs) => pairs.all(readRole));
  }
  return readAll(content, (list) =>
    list.all((one) =>
      one.within(TAG.sequence, (pairs) => {
        const role = readRole(pairs);
        if (pairs.isAtEnd) return [role];
        flat();
        return [role, ...pairs.all(readRole)];
      }),
    ),
  ).flat();
}

function readRole(reader: DerReader): Role {
  return { oid: reader.oid(), name: utf8String(reader, 'roleOfPspName') };
}

/** The identifier decides. A name that belongs to another identifier is refused, so that no mistake grants a role. */
function checkRoles(roles: readonly Role[]): void {
  if (roles.length > MAX_ROLES) throw new DerError('there are too many roles');
  if (new Set(roles.map(({ oid }) => oid)).size !== roles.length) throw new DerError('a role is there twice');
  const wrong = roles.find(({ oid, name }) => !isRightRoleName(oid, name));
  if (wrong !== undefined) throw new DerError(`role ${wrong.oid} does not go by its name`);
  if (roles.length > 1 && roles.some(({ name }) => name === 'Unspecified')) {
    throw new DerError('Unspecified stands beside another role');
  }
}

function checkAuthority(roles: readonly Role[], { id, name }: Psd2Statement['nca']): void {
  const needsNone = roles.map((role) => WITHOUT_AUTHORITY.includes(role.name));
  const isNone = id === NOT_APPLICABLE && name === NOT_APPLICABLE;
  if (isNone && needsNone.every(Boolean)) return;
  if (needsNone.some(Boolean))
    throw new DerError('NCAName and NCAId are not NA, or PSP_CB or PSP_PA is not alone');
  const country = /^([A-Z]{2})-[A-Z]{2,8}$/.exec(id)?.[1];
  if (country === undefined)
    throw new DerError('NCAId is not a country, a hyphen and 2 to 8 capital letters');
  if (!isIsoCountry(country)) throw new DerError(`NCAId names no country of ISO 3166-1: ${country}`);
  if (!LATIN.test(name) || INVISIBLE.test(name)) {
    throw new DerError('NCAName holds a character that is not of the Latin alphabet');
  }
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
