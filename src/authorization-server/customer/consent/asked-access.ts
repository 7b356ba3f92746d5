import type { Client } from 'oidc-provider';
import type { Clock } from '../../../clock.ts';
import { contentHashOf } from '../../../consent/consent-changes.ts';
import type { Consent } from '../../../consent/consent.ts';
import type { ConsentRecords } from '../../../consent/consent-records.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import { canonicalHash } from '../../../consent/details/canonical-hash.ts';
import type { ConsentReference } from '../../../consent/details/consent-reference.ts';
import { type DetailType, type DetailTypes, validUntilOf } from '../../../consent/details/detail-types.ts';
import { findChoiceProblem } from '../../../consent/details/narrowing.ts';
import { OpenBankingError } from '../../../errors.ts';
import { type NamedAccess, namedAccessOf } from '../../request/authorization-request/named-access.ts';
import { allowedClaims, type CustomerClaimRules } from '../claims/requested-claims.ts';
import { assertChangeable, changedAccess, type EarlierGrant, findEarlierGrant } from './earlier-grant.ts';

/** The access that a request asks for, in one form, whichever way the request names it. */
export interface AskedAccess {
  /** The consent that the request names, as the bank keeps it. */
  readonly consent?: Consent | undefined;
  /** The access that the request changes. */
  readonly earlier?: EarlierGrant | undefined;
  readonly reference: ConsentReference;
  /** Empty where the request has scopes only. */
  readonly details: readonly AuthorizationDetail[];
  /** Those of the request, with those that `details` open. */
  readonly scopes: readonly string[];
  /** The claims about the customer, by the place where the TPP asks for them. */
  readonly claims: { readonly idToken: readonly string[]; readonly userinfo: readonly string[] };
  /** Of client and details: the one that the consent has, or will have. */
  readonly contentHash: string;
  /** Of everything that the customer sees and approves: client, consent, details, scopes, claims. Each factor is linked to it. */
  readonly linkHash: string;
  /** The end of the access if it is allowed now. */
  readonly expiresAt: Date;
  readonly isPayment: boolean;
  /** The access is in use, and the customer is asked to go on with it. */
  readonly isRenewal: boolean;
  /** The only customer who may approve. */
  readonly customer?: string | undefined;
}

/** An access that is allowed to be asked for. */
type JudgedAccess = Omit<AskedAccess, 'contentHash' | 'linkHash'>;

/** An access as it is approved: the part that a decision keeps, as JSON. */
export interface AskedContent
  extends Pick<AskedAccess, 'reference' | 'details' | 'scopes' | 'claims' | 'contentHash'> {
  /** Whether the request named a consent, or an earlier grant. */
  readonly isNamed: boolean;
  /** The content of the earlier grant that this one takes the place of. */
  readonly replaces?: { readonly contentHash: string } | undefined;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** Whether the customer chooses one account, which a payment or a question for its funds is about. */
export function choosesOne({ details }: Pick<AskedAccess, 'details'>): boolean {
  return details.some(({ type }) => type === 'payment_initiation' || type === 'funds_confirmation');
}

/** The id of the consent that an approval authorises; undefined where it makes a new one. */
export function consentIdOfAsked({ consent, earlier }: AskedAccess): string | undefined {
  return (consent ?? earlier?.consent)?.consentId;
}

/** The part of an access that a decision keeps. */
export function contentOf(asked: AskedAccess): AskedContent {
  const { reference, details, scopes, claims, contentHash, consent, earlier, expiresAt } = asked;
  const replaces = earlier && { contentHash: earlier.consent.contentHash };
  const isNamed = consent !== undefined || earlier !== undefined;
  return {
    ...{ reference, details, scopes, claims, contentHash, isNamed, replaces },
    expiresAt: expiresAt.toISOString(),
  };
}

/** A request, as far as it names an access. */
export interface AskingRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly client: Client;
}

export interface AskedAccessOptions extends CustomerClaimRules {
  readonly consents: Pick<ConsentRecords, 'find'>;
  readonly detailTypes: DetailTypes;
  readonly clock: Clock;
  readonly consentSeconds: number;
  /** Whether a scope alone can ask for payments. */
  readonly allowsPaymentsByScope: boolean;
  /** Identifier of the bank's APIs, which `locations` must name. */
  readonly resource: string;
}

/** The scope whose requests are payments, also without details. */
const PAYMENT_SCOPE = 'payments';

/** Finds and judges what requests ask for: when a request comes in, and again before an approval counts. */
export class AskedAccesses {
  readonly #options: AskedAccessOptions;

  constructor(options: AskedAccessOptions) {
    this.#options = options;
  }

  /** The access that a request asks for, with the hashes by which an approval recognises it. @throws as `judge` */
  async of(request: AskingRequest): Promise<AskedAccess> {
    const judged = await this.judge(request);
    const { clientId } = request.client;
    const { consent, earlier, details, scopes, claims } = judged;
    const contentHash = consent?.contentHash ?? contentHashOf({ clientId, details });
    const consentId = consent?.consentId;
    const changes = earlier && [earlier.action, earlier.consent.consentId, earlier.consent.contentHash];
    const linkHash = canonicalHash({ clientId, consentId, changes, details, contentHash, scopes, claims });
    return Object.freeze({ ...judged, contentHash, linkHash });
  }

  /**
   * The access that a request asks for. A consent of another client is refused like one that does not exist (K1). No
   * customer sees it yet, so it has no hashes: they were 4 % of the profile of a pushed request.
   *
   * Does not check the roles of the TPP, nor whether the client has the scopes.
   *
   * @throws ERR_AUTHORIZATION_DETAILS, ERR_GRANT_ACTION, ERR_GRANT_ID, ERR_CONSENT_REFERENCE, ERR_CONSENT_UNKNOWN, ERR_CONSENT_STATUS, ERR_CLAIMS_INVALID
   */
  async judge({ params, client }: AskingRequest): Promise<JudgedAccess> {
    const named = namedAccessOf(params);
    assertRegistered(named, client);
    const consent = 'consentId' in named ? await this.#consentOf(named, client) : undefined;
    const { consents, detailTypes } = this.#options;
    const earlier = await findEarlierGrant({ params, client, named }, (id) => consents.find(id));
    const asked = consent?.details ?? this.#detailsOf(named);
    const { details, scopes, claims } = changedAccess(
      {
        details: asked,
        scopes: withImplied(scopesOf(params), detailTypes.of(asked)),
        claims: allowedClaims(params, this.#options),
      },
      earlier,
    );
    // A union may have more objects than a request.
    if (earlier !== undefined && details.length > 0) detailTypes.parse(details);
    const types = detailTypes.of(details);
    const isPayment = types.some(({ kind }) => kind === 'payment') || scopes.includes(PAYMENT_SCOPE);
    assertChangeable(earlier, isPayment);
    assertFitting(named, types);
    const problem = findChoiceProblem(details);
    if (problem !== undefined) throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem });
    if (isPayment && details.length === 0 && !this.#options.allowsPaymentsByScope) throw unnamedPayment();
    const isRenewal = consent?.status === 'authorised';
    if (consent !== undefined) assertOpen(consent, types);
    return {
      consent,
      earlier,
      reference: named.reference,
      details,
      scopes,
      claims,
      expiresAt: this.#endOf(details),
      isPayment,
      isRenewal,
      customer: (consent ?? earlier?.consent)?.psuId,
    };
  }

  async #consentOf(
    { consentId }: Extract<NamedAccess, { readonly consentId: string }>,
    { clientId }: Client,
  ): Promise<Consent> {
    const consent = await this.#options.consents.find(consentId);
    if (consent !== undefined && consent.clientId === clientId) return consent;
    throw new OpenBankingError('ERR_CONSENT_UNKNOWN', { consentId });
  }

  #detailsOf(named: NamedAccess): readonly AuthorizationDetail[] {
    if (named.reference !== 'authorization_details') return [];
    const details = this.#options.detailTypes.parse(parsedJson(named.text));
    assertLocations(details, this.#options.resource);
    return details;
  }

  /** @throws ERR_AUTHORIZATION_DETAILS for an access that would be over */
  #endOf(details: readonly AuthorizationDetail[]): Date {
    const now = this.#options.clock.now();
    const longest = new Date(now.getTime() + this.#options.consentSeconds * 1000);
    const wished = validUntilOf(details) ?? longest;
    if (wished <= now) {
      throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', {
        problem: 'the access would be over already',
      });
    }
    return wished < longest ? wished : longest;
  }
}

/** @throws ERR_CONSENT_REFERENCE for a way of naming that the client does not have */
function assertRegistered({ reference }: NamedAccess, { consent_references: own }: Client): void {
  if (Array.isArray(own) && own.includes(reference)) return;
  const ways = Array.isArray(own) ? own.join(', ') : 'none';
  const problem = `the request names it by ${reference}, and the client is registered for ${ways}`;
  throw new OpenBankingError('ERR_CONSENT_REFERENCE', { problem });
}

/** @throws ERR_AUTHORIZATION_DETAILS for an access that the APIs of this bank do not have */
function assertLocations(details: readonly AuthorizationDetail[], resource: string): void {
  const elsewhere = details.findIndex(
    ({ locations }) => Array.isArray(locations) && !locations.includes(resource),
  );
  if (elsewhere === -1) return;
  const problem = `[${elsewhere}] locations must name ${resource}`;
  throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem });
}

/** @throws ERR_CONSENT_STATUS for a consent that waits no longer, and cannot be renewed */
function assertOpen({ consentId, status }: Consent, types: readonly DetailType[]): void {
  if (status === 'awaiting-authorisation') return;
  const isAccountAccess = types.length > 0 && types.every(({ kind }) => kind === 'account-access');
  if (status === 'authorised' && isAccountAccess) return;
  throw new OpenBankingError('ERR_CONSENT_STATUS', { consentId, status });
}

/** The customer would approve payments without amount and payee (RTS article 5). */
function unnamedPayment(): OpenBankingError<'ERR_CONSENT_REFERENCE'> {
  const problem = `a payment has to be named with amount and payee: ${PAYMENT_SCOPE} alone asks for any`;
  return new OpenBankingError('ERR_CONSENT_REFERENCE', { problem });
}

/** @throws ERR_CONSENT_REFERENCE for a consent of another service than the one that the request names */
function assertFitting(named: NamedAccess, types: readonly DetailType[]): void {
  if (!('scope' in named) || named.scope === undefined) return;
  if (types.length > 0 && types.every(({ scope }) => scope === named.scope)) return;
  const problem = `the consent does not open ${named.scope}`;
  throw new OpenBankingError('ERR_CONSENT_REFERENCE', { problem });
}

function withImplied(scopes: readonly string[], types: readonly DetailType[]): readonly string[] {
  return [...new Set([...scopes, ...types.map(({ scope }) => scope)])];
}

function scopesOf({ scope }: AskingRequest['params']): readonly string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
}

/** @throws ERR_AUTHORIZATION_DETAILS */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem: 'it is not JSON' }, { cause });
  }
}
