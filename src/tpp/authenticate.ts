import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { isRefusal, type OpenBankingError } from '../errors.ts';
import { type Log, silentLog } from '../events.ts';
import type { PspRole, TppRecord } from '../../tpp-registry/index.ts';
import type { Certificate } from '../x509/certificate/certificate.ts';
import type { Revocation } from '../x509/revocation/revocation.ts';
import { type AuthorisationStatus, heldRoles } from './authorisation-status.ts';
import { type PresentedTpp, proveCredential, type TppCredential } from './credential.ts';
import { type DecisionStep, NO_TRAIL, type RuleLog, Trail } from './decision.ts';
import type { TrustProfile } from './trust-profile.ts';

export type { PresentedTpp } from './credential.ts';

/** A third-party provider that has proved itself by its certificate, and may act now. Frozen. */
export interface Tpp {
  /** The organizationIdentifier (TS 119 495 cl. 5.2.1). With the competent authority (NCA) it identifies the TPP. */
  readonly authorizationNumber: string;
  readonly nca: { readonly id: string; readonly name: string };
  readonly country: string;
  readonly legalName: string;
  readonly tradingName?: string | undefined;
  /** Roles that certificate and registry both grant. */
  readonly roles: ReadonlySet<PspRole>;
  /** The only client that the certificate proves, since it is self-signed (self-signed.ts). Absent: each client of the TPP. */
  readonly onlyClient?: string;
  readonly certificate: {
    readonly thumbprint: string;
    readonly serialNumber: string;
    /** RFC 4514 string. */
    readonly issuer: string;
    /** Hexadecimal SHA-256 of the issuer's SubjectPublicKeyInfo. With the serial number it names the certificate. */
    readonly issuerKeyHash: string;
    readonly notAfter: Date;
    readonly parsed: Certificate;
  };
}

/** A decision that can be explained: every rule that was applied, in order; the last is the one that refused. */
export type TppEvaluation =
  | { readonly tpp: Tpp; readonly steps: readonly DecisionStep[] }
  | { readonly refusal: OpenBankingError; readonly steps: readonly DecisionStep[] };

export interface TppAuthenticator {
  /**
   * Proves a TPP by its certificate, and that the TPP may act now.
   *
   * @throws ERR_CERT_*, ERR_TPP_* except CLIENT_MISMATCH and ROLE_MISSING
   */
  authenticate(presented: PresentedTpp): Promise<Tpp>;
  /**
   * The same decision about a certificate for electronic seals (QSealC): each rule but that of the type, and without
   * the certificate policies of the trust profile, which are of website authentication.
   *
   * @throws as `authenticate`, ERR_TPP_SEAL_TYPE
   */
  authenticateSeal(presented: PresentedTpp): Promise<TppCredential>;
  /** The same decision with its steps, for an explanation. Neither reads nor fills the cache. */
  evaluate(presented: PresentedTpp): Promise<TppEvaluation>;
}

export interface TppAuthenticatorOptions {
  /** Profiles that may follow files. A certificate is proved again when its profile has changed. */
  readonly trust: readonly { readonly current: TrustProfile }[];
  readonly authorisationStatus: AuthorisationStatus;
  readonly clock: Clock;
  /** Needed as soon as a trust profile has a revocation policy. */
  readonly revocation?: Pick<Revocation, 'check'>;
  /** Receives an event for each wrong encoding that a trust profile tolerated. Default: no log. */
  readonly log?: Log;
  /** Called with each certificate that `authenticate` accepts. Must not wait, nor throw. */
  readonly onAccepted?: (credential: TppCredential, record: TppRecord) => void;
}

const QUALIFIED_ISSUER = { rule: 'issuer qualified', clause: 'TS 119 615 §4.4' };
const NOT_REVOKED = { rule: 'not revoked', clause: 'RFC 5280 §6.3, RFC 6960 §3.2' };
/** Cached credentials: more TPP certificates than Europe has. */
const MAX_REMEMBERED = 10_000;

/**
 * Makes the decision about TPP certificates: path to an anchor, QCStatements, organization identifier,
 * competent authority (NCA), revocation, registry.
 *
 * The content of a certificate does not change, so its path and statements are cached until the path's first
 * notAfter, or until its trust profile changes. Dates, blocks, revocation, status and roles of the registry are decided
 * every time, from memory where possible. Refusals are not cached: strangers could fill the cache, and a corrected trust
 * store must take effect at once.
 */
export function createTppAuthenticator(options: TppAuthenticatorOptions): TppAuthenticator {
  const { clock, authorisationStatus, revocation, log = silentLog, onAccepted } = options;
  if (revocation === undefined && options.trust.some(({ current }) => current.revocation !== undefined)) {
    throw new TypeError('a trust profile asks for revocation, and nothing here can check it');
  }
  /** By the hash of the certificate. */
  const credentials = new LRUCache<string, TppCredential>({ max: MAX_REMEMBERED });
  const profiles = () => options.trust.map(({ current }) => current);
  const isCurrent = (profile: TrustProfile) => options.trust.some(({ current }) => current === profile);
  const credentialOf = (presented: PresentedTpp): TppCredential => {
    const key = thumbprintOf(presented);
    const at = clock.now();
    const known = credentials.get(key);
    if (known !== undefined && isStillGood(known, at) && isCurrent(known.profile)) return known;
    const proven = proveCredential(presented, { profiles: profiles(), at, trail: new Trail() });
    if (proven.tolerated.length > 0) noteTolerated(proven, log);
    credentials.set(key, proven);
    return proven;
  };
  /** Decides what can change, on every request. */
  const decide = async (credential: TppCredential, trail: RuleLog): Promise<TppRecord> => {
    const tpp = namedTpp(credential);
    verifyIssuer(credential, clock.now(), trail);
    authorisationStatus.verifyNotBlocked(tpp, trail);
    const unsettled = verifyNotRevoked(credential, revocation, trail);
    if (unsettled !== undefined) await unsettled;
    return authorisationStatus.verifyRegistration(tpp, trail);
  };
  /** Credential and record are frozen, so the TPP is valid as long as they are. */
  const known = new WeakMap<TppCredential, { readonly record: TppRecord; readonly tpp: Tpp }>();
  return {
    authenticate: async (presented) => {
      const credential = credentialOf(presented);
      const record = await decide(credential, NO_TRAIL);
      onAccepted?.(credential, record);
      const same = known.get(credential);
      if (same?.record === record) return same.tpp;
      const tpp = tppOf(credential, record, NO_TRAIL);
      known.set(credential, { record, tpp });
      return tpp;
    },
    authenticateSeal: async (presented) => {
      const context = { profiles: profiles(), at: clock.now(), trail: new Trail(), use: 'eseal' } as const;
      const credential = proveCredential(presented, context);
      await decide(credential, NO_TRAIL);
      return credential;
    },
    evaluate: async (presented) => {
      const trail = new Trail();
      try {
        const credential = proveCredential(presented, { profiles: profiles(), at: clock.now(), trail });
        const record = await decide(credential, trail);
        return { tpp: tppOf(credential, record, trail), steps: trail.steps };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return { refusal: error, steps: trail.steps };
      }
    },
  };
}

/**
 * Proves that the anchor was, and is, allowed to issue the certificate, where the profile has a rule for that.
 *
 * @throws ERR_CERT_ISSUER_NOT_QUALIFIED, ERR_TRUSTED_LIST_OVERDUE
 */
function verifyIssuer({ path, profile: { issuers } }: TppCredential, at: Date, trail: RuleLog): void {
  if (issuers === undefined) return;
  const refusal = issuers.refusalOf(path, at);
  trail.note(() => ({
    ...QUALIFIED_ISSUER,
    found: issuers.foundFor(path),
    ...(refusal === undefined ? {} : { refusal }),
  }));
  if (refusal !== undefined) throw refusal;
}

/**
 * Proves that no certificate of the path is revoked, by the policy of its trust profile. Returns undefined when
 * all answers are in memory: then there is nothing to await.
 *
 * @throws ERR_CERT_REVOKED, ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
 */
function verifyNotRevoked(
  { path, profile }: TppCredential,
  revocation: Pick<Revocation, 'check'> | undefined,
  trail: RuleLog,
): Promise<void> | undefined {
  const policy = profile.revocation;
  if (policy === undefined || revocation === undefined) return undefined;
  const refuse = (error: unknown): never => {
    if (isRefusal(error)) trail.note(() => ({ ...NOT_REVOKED, refusal: error }));
    throw error;
  };
  const pass = (): void =>
    trail.note(() => ({ ...NOT_REVOKED, found: policy.mode === 'none' ? 'not checked' : policy.mode }));
  try {
    const unsettled = revocation.check(path, policy);
    if (unsettled !== undefined) return unsettled.then(pass, refuse);
    pass();
    return undefined;
  } catch (error) {
    return refuse(error);
  }
}

function noteTolerated(
  { authorizationNumber, certificate, issuer, tolerated }: TppCredential,
  log: Log,
): void {
  log.emit('tpp.encoding.tolerated', {
    authorizationNumber,
    certificateSerial: certificate.serialNumber,
    issuer,
    problems: tolerated.map((message) => ({ path: 'qcStatements', message })),
  });
}

function isStillGood({ path }: TppCredential, at: Date): boolean {
  return at >= path.notBefore && at <= path.notAfter;
}

function namedTpp({ authorizationNumber, statement, issuer, certificate: { serialNumber } }: TppCredential) {
  return { authorizationNumber, nca: statement.nca.id, certificate: { issuer, serialNumber } };
}

function thumbprintOf({ der, thumbprint }: PresentedTpp): string {
  return thumbprint ?? createHash('sha256').update(der).digest('base64url');
}

function tppOf(credential: TppCredential, record: TppRecord, trail: RuleLog): Tpp {
  const { certificate, authorizationNumber, issuer, issuerKeyHash, statement } = credential;
  return Object.freeze({
    authorizationNumber,
    nca: statement.nca,
    country: record.country,
    legalName: record.legalName,
    tradingName: record.tradingName,
    roles: heldRoles(statement.roles, record, trail),
    certificate: Object.freeze({
      thumbprint: certificate.thumbprint,
      serialNumber: certificate.serialNumber,
      issuer,
      issuerKeyHash,
      notAfter: certificate.notAfter,
      parsed: certificate,
    }),
  });
}
