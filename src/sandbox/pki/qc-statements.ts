import { ROLE_OIDS } from '../../tpp/psp-role.ts';
import { ia5String, oid, printableString, sequence, utf8String } from './der-writer.ts';
import type { IssueOptions, Nca, QcStatementsFault, RoleEntry } from './issue-options.ts';

const QC_TYPE_OIDS = { eseal: '0.4.0.1862.1.6.2', web: '0.4.0.1862.1.6.3' };
const DISCLOSURE_URL = 'https://pki.example/pds-en.pdf';

/**
 * Writes the value of the qcStatements extension, right or with the deviations that are asked for.
 *
 *     QCStatements ::= SEQUENCE OF SEQUENCE { statementId OBJECT IDENTIFIER, statementInfo ANY OPTIONAL }
 *     PSD2QcType   ::= SEQUENCE { rolesOfPSP RolesOfPSP, nCAName UTF8String, nCAId UTF8String }
 *     RolesOfPSP   ::= SEQUENCE OF SEQUENCE { roleOfPspOid OBJECT IDENTIFIER, roleOfPspName UTF8String }
 *
 * @see EN 319 412-5 cl. 4, TS 119 495 Annex A
 */
export function encodeQcStatements({ profile, roles = [], nca, deviation = {} }: IssueOptions): Buffer {
  const { omit = [], qcFault: fault, qcType = profile === 'qwac' ? 'web' : 'eseal' } = deviation;
  const entries = deviation.roleEntries ?? roles.map((name) => ({ oid: ROLE_OIDS[name], name }));
  const authority = deviation.statementNca ?? nca;
  const isPsd2 = authority !== undefined && !omit.includes('psd2');
  const psd2 = isPsd2 ? [psd2Statement(entries, authority, fault)] : [];
  const disclosure = sequence(ia5String(DISCLOSURE_URL), printableString('en'));
  if (fault === 'missing-outer-sequence') return Buffer.concat(psd2);
  return sequence(
    ...(omit.includes('qcCompliance') ? [] : [sequence(oid('0.4.0.1862.1.1'))]),
    ...(omit.includes('qcType') ? [] : [statement('0.4.0.1862.1.6', oid(QC_TYPE_OIDS[qcType]))]),
    statement('0.4.0.1862.1.5', disclosure),
    ...psd2,
    ...(fault === 'two-psd2-statements' ? psd2 : []),
  );
}

function statement(id: string, ...info: readonly Buffer[]): Buffer {
  return sequence(oid(id), sequence(...info));
}

function psd2Statement(roles: readonly RoleEntry[], nca: Nca, fault?: QcStatementsFault): Buffer {
  const name = fault === 'printable-nca-name' ? printableString(nca.name) : utf8String(nca.name);
  return statement('0.4.0.19495.2', encodeRoles(roles, fault), name, utf8String(nca.id));
}

function encodeRoles(roles: readonly RoleEntry[], fault?: QcStatementsFault): Buffer {
  const pairs = roles.map((role) => [oid(role.oid), utf8String(role.name)]);
  if (fault === 'flat-roles') return sequence(sequence(...pairs.flat()));
  return sequence(...pairs.map((pair) => sequence(...pair)));
}
