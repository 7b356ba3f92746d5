import { importJWK, type JWK, type JWTPayload } from 'jose';
import type { PspRole } from '../../../../tpp-registry/index.ts';
import type { Clock } from '../../../clock.ts';
import type { Tpp } from '../../../tpp/authenticate.ts';
import { findAttribute } from '../../../x509/certificate/distinguished-name.ts';
import type { AddressedKeys } from '../../clients/keys-by-address.ts';
import { findKeysAddressProblem } from '../../clients/redirect-uri.ts';
import { algorithmOf } from '../../profiles/client-rules.ts';
import {
  assertTimes,
  readJwt,
  type StatementAlgorithm,
  type UnprovenJwt,
  verifyJwt,
} from '../signed-statement.ts';
import { type ProvenStatement, statementRefusal, unapprovedRefusal } from '../statement-profile.ts';

/** A directory that issues software statements (RFC 7591 §2.3). */
export interface DirectorySettings {
  /** `iss` of its statements. */
  readonly issuer: string;
  /** Where its public keys are. */
  readonly jwksUri: string;
  /** How long after its issue a statement may register. */
  readonly maxAgeSeconds: number;
}

export interface SoftwareStatementRules {
  /** The statement in refusals, with the section that defines it. */
  readonly rule: string;
  readonly algorithms: readonly StatementAlgorithm[];
  readonly needsExpiry?: boolean;
}

/** Reads public keys at an address. */
export interface KeysAt {
  at(address: string): AddressedKeys;
}

/** The claims of a verified software statement. */
export type StatementClaims = JWTPayload;

/**
 * Verifies the software statement (SSA) of a registration: form, issuer, times and the signature of the directory. Nothing
 * that the statement names is fetched here.
 *
 * @throws ERR_REGISTRATION_STATEMENT, ERR_REGISTRATION_UNAPPROVED for another issuer
 */
export async function verifySoftwareStatement(
  text: unknown,
  { rule, algorithms, needsExpiry = false }: SoftwareStatementRules,
  parts: { readonly directory: DirectorySettings; readonly keys: KeysAt; readonly clock: Clock },
): Promise<StatementClaims> {
  const { directory, keys, clock } = parts;
  if (typeof text !== 'string') throw statementRefusal(rule, 'is missing');
  const jwt = readJwt(text, rule, { algorithms });
  const claims = await verifyBySet(jwt, keys.at(directory.jwksUri), rule);
  if (claims.iss !== directory.issuer) {
    throw unapprovedRefusal(rule, `is of another directory: iss must be ${directory.issuer}`);
  }
  assertTimes(claims, rule, { clock, maxAgeSeconds: directory.maxAgeSeconds, needsExpiry });
  return claims;
}

/**
 * Verifies a JWT by the key of its `kid` in a set. A `kid` that is not there has the set read again.
 *
 * @throws ERR_REGISTRATION_STATEMENT
 */
export async function verifyBySet(jwt: UnprovenJwt, keys: AddressedKeys, rule: string): Promise<JWTPayload> {
  const { kid, alg } = jwt.header;
  if (kid === undefined) throw statementRefusal(rule, 'must have a kid (RFC 7515 section 4.1.4)');
  const isMeant = (key: JWK) => key.kid === kid && key.use !== 'enc' && algorithmOf({ ...key }) === alg;
  const known = (await keys.current()).find(isMeant);
  const key = known ?? (await keys.renew()).find(isMeant);
  if (key === undefined) throw statementRefusal(rule, 'is signed by a key that the key set does not have');
  const imported = await importJWK({ ...key }, alg);
  if (imported instanceof Uint8Array) throw statementRefusal(rule, 'is signed by a symmetric key');
  return verifyJwt(jwt, imported, rule);
}

/** The texts of the subject of a certificate by attribute type. */
export function subjectTexts({ certificate }: Tpp, ...types: readonly string[]): readonly string[] {
  return types.flatMap((type) => findAttribute(certificate.parsed.subject, type));
}

/** A claim that must be a text. @throws ERR_REGISTRATION_STATEMENT */
export function textClaim(claims: StatementClaims, name: string, rule: string): string {
  const value = claims[name];
  if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT) return value;
  throw statementRefusal(rule, `must have ${name} as a text of at most ${MAX_TEXT} characters`);
}

/** A claim that must be an https address of keys. @throws ERR_REGISTRATION_STATEMENT */
export function addressClaim(claims: StatementClaims, name: string, rule: string): string {
  const address = textClaim(claims, name, rule);
  const problem = findKeysAddressProblem(address);
  if (problem !== undefined) throw statementRefusal(rule, `has a ${name} that ${problem}`);
  return address;
}

/** A claim that must be a list of texts. @throws ERR_REGISTRATION_STATEMENT */
export function textsClaim(claims: StatementClaims, name: string, rule: string): readonly string[] {
  const value = claims[name];
  const isList = Array.isArray(value) && value.length <= MAX_LIST;
  if (isList && value.every((one) => typeof one === 'string')) return value;
  throw statementRefusal(rule, `must have ${name} as a list of at most ${MAX_LIST} texts`);
}

const MAX_TEXT = 512;
const MAX_LIST = 100;

/**
 * The identifier of a request, which registers one client only: `jti`, until `exp`, which must be close by.
 *
 * @throws ERR_REGISTRATION_STATEMENT
 */
export function singleUseOf(
  claims: JWTPayload,
  { rule, of, clock, maxAgeSeconds, maxLifeSeconds }: RequestRules,
): NonNullable<ProvenStatement['singleUse']> {
  const { jti, exp } = claims;
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI) {
    throw statementRefusal(rule, `must have a jti of 1 to ${MAX_JTI} characters`);
  }
  assertTimes(claims, rule, { clock, maxAgeSeconds, needsExpiry: true });
  const until = new Date(Number(exp) * 1000);
  if (until.getTime() > clock.now().getTime() + maxLifeSeconds * 1000) {
    throw statementRefusal(rule, `must have an exp within ${maxLifeSeconds} seconds`);
  }
  return { id: `${of} ${jti}`, until };
}

export interface RequestRules {
  readonly rule: string;
  /** The profile and the software, whose requests have identifiers of their own. */
  readonly of: string;
  readonly clock: Clock;
  readonly maxAgeSeconds: number;
  readonly maxLifeSeconds: number;
}

const MAX_JTI = 64;

/** Which roles of PSD2 the roles of a directory stand for. */
export function pspRoles(
  names: readonly unknown[],
  table: Readonly<Record<string, PspRole>>,
): ReadonlySet<PspRole> {
  return new Set(
    names.flatMap((name) => {
      const role = typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;
      return role === undefined ? [] : [role];
    }),
  );
}
