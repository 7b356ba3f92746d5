import { OpenBankingError } from '../../errors.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { RegistrationFacts } from '../clients/client-records.ts';

/** Media types of a registration: JSON, or a JWT in compact form under any of the names that are in use. */
export const JSON_TYPE = 'application/json';
export const JWT_TYPES: readonly string[] = ['application/jwt', 'application/jose'];

/** A request to register a client, or to change one. Its TPP is proven by the certificate; nothing of its body is. */
export interface RegistrationRequest {
  readonly tpp: Tpp;
  readonly mediaType: string;
  /** The whole body in UTF-8, of at most 64 kB. */
  readonly body: string;
  /** Of a change: the registration as it is. */
  readonly current?: { readonly clientId: string; readonly registration: RegistrationFacts } | undefined;
}

/**
 * A verified registration. The metadata are not judged yet: after the profile come the rules of every
 * registration (client-registration.ts), of every client (clients/client-schema.ts) and of its FAPI profile
 * (profiles/client-rules.ts).
 */
export interface ProvenStatement {
  /** Members in the names of RFC 7591, those of the statement in place of those beside the statement (§2.3). */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Names that the client may show to customers; the first is for a client that names none. */
  readonly names: readonly [string, ...string[]];
  /** The organisation on whose behalf the software acts, for customers. */
  readonly onBehalfOf?: string | undefined;
  /** Redirect URIs that the statement allows. Absent: every one that the rules allow. */
  readonly redirectUris?: readonly string[] | undefined;
  /** Scopes that the statement allows, beside `openid`. Absent: those that the roles of the TPP allow, which always hold. */
  readonly scopes?: readonly string[] | undefined;
  /** The software of the statement. A change must be of the same. */
  readonly softwareId?: string | undefined;
  /** A statement that registers one client only: its identifier is used up. */
  readonly singleUse?: { readonly id: string; readonly until: Date } | undefined;
  /** Members of the statement that every answer repeats, such as `software_statement`. At most 32 kB as JSON. */
  readonly repeated?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * One way to register: what is verified, against what, how it becomes metadata, and how its errors are worded. A profile is
 * one file of this folder, and its case in `configuration/registration/`.
 */
export interface StatementProfile {
  /** As the configuration names it. */
  readonly name: string;
  /** Members that neither the standards nor this server know: dropped (RFC 7591 §2), or refused. */
  readonly unknownMembers: 'drop' | 'refuse';
  /** Whether a client may have a self-signed certificate (RFC 8705 §2.2), where the bank accepts those at all. */
  readonly allowsSelfSigned: boolean;
  /** Whether the request is of this profile, by its form alone. The first profile of the configuration that says so verifies. */
  isMeant(request: RegistrationRequest): boolean;
  /**
   * Verifies the statement, of a change too. Nothing that the statement names may be fetched before its signature has
   * been verified.
   *
   * @throws what `statementRefusal`, `unapprovedRefusal` and `memberRefusal` return, ERR_REGISTRATION_REDIRECT_URI
   */
  verify(request: RegistrationRequest): Promise<ProvenStatement>;
}

/**
 * The names of a TPP in its register, as a client may have them. Registers have names with spaces at the ends, and in others
 * a character that no person sees: such a name would keep the TPP out.
 */
export function namesInRegister({
  authorizationNumber,
  legalName,
  tradingName = legalName,
}: Pick<Tpp, 'authorizationNumber' | 'legalName' | 'tradingName'>): readonly [string, ...string[]] {
  const seen = [tradingName, legalName].map((name) => name.replace(/[\p{C}\p{Z}]+/gu, ' ').trim());
  const [first = authorizationNumber, ...others] = new Set(seen.filter((name) => name !== ''));
  return [first, ...others];
}

/** The statement is not well formed, is not signed as it must be, or does not belong to this TPP. `rule` has its section. */
export function statementRefusal(rule: string, problem: string, cause?: unknown): OpenBankingError {
  return new OpenBankingError('ERR_REGISTRATION_STATEMENT', { rule, problem }, { cause });
}

/** The statement is good, and is not one that this server registers: other issuer, used up, or of no profile. */
export function unapprovedRefusal(rule: string, problem: string, cause?: unknown): OpenBankingError {
  return new OpenBankingError('ERR_REGISTRATION_UNAPPROVED', { rule, problem }, { cause });
}

/** A member of the metadata cannot be accepted. The problem is worded to follow the name of the member: "must be …". */
export function memberRefusal(member: string, problem: string, cause?: unknown): OpenBankingError {
  return member === 'redirect_uris'
    ? new OpenBankingError('ERR_REGISTRATION_REDIRECT_URI', { problem }, { cause })
    : new OpenBankingError('ERR_REGISTRATION_METADATA', { member, problem }, { cause });
}
