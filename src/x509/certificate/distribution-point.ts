import { contextTag, DerError, type DerReader, decodeNamedBits, TAG } from '../der/der.ts';
import {
  type DistinguishedName,
  nameBelow,
  type RelativeDistinguishedName,
  readRelativeName,
} from './distinguished-name.ts';
import { type GeneralName, generalNamesEqual, readGeneralName } from './general-name.ts';

/** The name of a list, or of a part of one. */
export interface DistributionPointName {
  readonly fullName: readonly GeneralName[];
  /** In place of a full name: the part below the name of the CRL issuer. */
  readonly relativeName?: RelativeDistinguishedName | undefined;
}

/** A place of a certificate's revocation list. */
export interface CrlDistributionPoint extends DistributionPointName {
  /** Bits of ReasonFlags; absent means all reasons. */
  readonly reasons?: readonly number[] | undefined;
  readonly crlIssuer: readonly GeneralName[];
}

/** Which certificates, and which reasons, a CRL is about. */
export interface IssuingDistributionPoint {
  readonly name: DistributionPointName | undefined;
  /** Absent: certificates of every kind. */
  readonly onlyContains: 'user' | 'CA' | 'attribute' | undefined;
  /** Bits of ReasonFlags; absent means all reasons. */
  readonly onlySomeReasons: readonly number[] | undefined;
  readonly isIndirect: boolean;
}

/**
 *     CRLDistributionPoints ::= SEQUENCE OF SEQUENCE { distributionPoint [0] DistributionPointName OPTIONAL,
 *       reasons [1] BIT STRING OPTIONAL, cRLIssuer [2] GeneralNames OPTIONAL }
 *
 * @throws DerError
 * @see RFC 5280 §4.2.1.13
 */
export function readDistributionPoints(reader: DerReader): CrlDistributionPoint[] {
  return reader.sequences(readDistributionPoint);
}

function readDistributionPoint(fields: DerReader): CrlDistributionPoint {
  const name = fields.optionalWithin(contextTag(0, 'constructed'), readPointName);
  const reasons = fields.optionalContent(contextTag(1, 'primitive'), decodeNamedBits);
  const crlIssuer = fields.optionalWithin(contextTag(2, 'constructed'), (names) =>
    names.all(readGeneralName),
  );
  if (name === undefined && crlIssuer === undefined) throw new DerError('distribution point names nothing');
  return { ...(name ?? { fullName: [] }), reasons, crlIssuer: crlIssuer ?? [] };
}

/** DistributionPointName ::= CHOICE { fullName [0] GeneralNames, nameRelativeToCRLIssuer [1] RDN } */
function readPointName(choice: DerReader): DistributionPointName {
  const fullName = choice.optionalWithin(contextTag(0, 'constructed'), (names) => names.all(readGeneralName));
  if (fullName !== undefined) return { fullName };
  return { fullName: [], relativeName: readRelativeName(choice.content(contextTag(1, 'constructed'))) };
}

/**
 *     IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0] DistributionPointName OPTIONAL,
 *       onlyContainsUserCerts [1] BOOLEAN DEFAULT FALSE, onlyContainsCACerts [2] BOOLEAN DEFAULT FALSE,
 *       onlySomeReasons [3] BIT STRING OPTIONAL, indirectCRL [4] BOOLEAN DEFAULT FALSE,
 *       onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
 *
 * @throws DerError
 * @see RFC 5280 §5.2.5
 */
export function readIssuingDistributionPoint(reader: DerReader): IssuingDistributionPoint {
  return reader.within(TAG.sequence, (fields) => {
    if (fields.isAtEnd) throw new DerError('issuingDistributionPoint is empty');
    const name = fields.optionalWithin(contextTag(0, 'constructed'), readPointName);
    const isUser = fields.flag(contextTag(1, 'primitive'), 'CRL');
    const isCa = fields.flag(contextTag(2, 'primitive'), 'CRL');
    const onlySomeReasons = fields.optionalContent(contextTag(3, 'primitive'), decodeNamedBits);
    const isIndirect = fields.flag(contextTag(4, 'primitive'), 'CRL');
    const isAttribute = fields.flag(contextTag(5, 'primitive'), 'CRL');
    if (Number(isUser) + Number(isCa) + Number(isAttribute) > 1) {
      throw new DerError('issuingDistributionPoint is for certificates of one kind only, and of another');
    }
    const onlyContains = isUser ? 'user' : isCa ? 'CA' : isAttribute ? 'attribute' : undefined;
    return { name, onlyContains, onlySomeReasons, isIndirect };
  });
}

/** Whether two distribution points share a name; `issuer` is the CRL issuer, to which relative names are added. */
export function sharesName(
  one: DistributionPointName,
  other: DistributionPointName,
  issuer: DistinguishedName,
): boolean {
  const names = namesOf(other, issuer);
  return namesOf(one, issuer).some((name) => names.some((candidate) => generalNamesEqual(name, candidate)));
}

function namesOf(
  { fullName, relativeName }: DistributionPointName,
  issuer: DistinguishedName,
): readonly GeneralName[] {
  if (relativeName === undefined) return fullName;
  return [{ kind: 'directoryName', value: nameBelow(issuer, relativeName) }];
}
