import type { BackchannelAuthenticationRequest, Client, Provider } from 'oidc-provider';
import { z } from 'zod';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Log } from '../../events.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { profileOf } from '../profiles/profiles.ts';
import { tppOf } from '../clients/registered-client.ts';
import type { AspspCalls } from '../customer/bank/aspsp-calls.ts';
import { assertMet, requirementsOf } from '../customer/authentication/authentication-requirements.ts';
import type { Decision, Decisions } from '../customer/consent/decisions.ts';
import type {
  Approval,
  ApprovalRequest,
  Approvals,
  StandingDecision,
} from '../customer/bank/decoupled-approval.ts';
import { type GrantedConsents, isOfApi, tokenDetails } from '../customer/consent/granted-consent.ts';
import {
  type AskedAccess,
  type AskedAccesses,
  choosesOne,
  consentIdOfAsked,
  contentOf,
} from '../customer/consent/asked-access.ts';
import { newGrantId } from '../../consent/consent.ts';
import { claimNames, claimsOf } from '../request/authorization-request/claims-parameter.ts';
import { requesterOfAccess, serviceOf } from '../customer/consent/requester.ts';
import type { ApprovalRecords } from './approval-records.ts';
import { type ApprovalRules, approvalView, type AskedRecord } from './approval-view.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Notifications } from './notifications.ts';
import { textOf } from './request-rules.ts';

interface CustomerApprovalsOptions extends ApprovalRules {
  readonly authorisationStatus: AuthorisationStatus;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

interface Parts {
  readonly provider: Provider;
  readonly records: ApprovalRecords;
  readonly decisions: Decisions;
  readonly granted: GrantedConsents;
  readonly calls: Pick<AspspCalls, 'listAccounts' | 'acrOf'>;
  readonly accesses: Pick<AskedAccesses, 'of'>;
  readonly open: Pick<OpenRequests, 'free'>;
  readonly notifications: Pick<Notifications, 'send'>;
}

/** For the clock of a bank's core system. */
const CLOCK_TOLERANCE_SECONDS = 60;
const REJECTED = 'the customer rejected the request';
const NOT_ASKED = 'the bank could not ask the customer';

const approvalSchema = z
  .strictObject({
    accountIds: z.array(z.string().min(1).max(128)).max(1000),
    linkHash: z.string().max(100).optional(),
    amr: z.array(z.string().min(1).max(40)).min(1).max(10),
    acr: z.string().min(1).max(200).optional(),
    authTime: z.date().optional(),
  })
  .readonly();

/**
 * The answers of customers who were asked on a device. An answer is stored before anything is made of it, and the first
 * one stays: many answers at once, or one that is repeated after a crash, carry out the same decision.
 */
export class CustomerApprovals implements Approvals {
  readonly #options: CustomerApprovalsOptions;
  readonly #parts: Parts;

  constructor(options: CustomerApprovalsOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  idOf(authReqId: string): string {
    return this.#parts.records.idOf(authReqId);
  }

  async find(approvalId: string): Promise<ApprovalRequest | undefined> {
    const record = await this.#parts.records.find(approvalId);
    return record !== undefined && isAsked(record) ? this.#waiting(record) : undefined;
  }

  async waitingFor(psuId: string): Promise<readonly ApprovalRequest[]> {
    const records = (await this.#parts.records.listOpen(psuId)).filter(isAsked);
    const shown = await Promise.all(records.map((record) => this.#waiting(record)));
    return shown.filter((one) => one !== undefined);
  }

  approve(approvalId: string, approval: Approval): Promise<StandingDecision> {
    return this.#settle(approvalId, (record) => this.#allowed(record, approval));
  }

  reject(approvalId: string): Promise<StandingDecision> {
    return this.#settle(approvalId, (record) => this.#ended(record, REJECTED));
  }

  /** Ends a request about which the bank could not ask. */
  async fail(approvalId: string): Promise<void> {
    await this.#settle(approvalId, (record) => this.#ended(record, NOT_ASKED));
  }

  /** The question, while it waits and its TPP may ask. */
  async #waiting(record: AskedRecord): Promise<ApprovalRequest | undefined> {
    const { clock, authorisationStatus } = this.#options;
    const { provider, decisions, accesses } = this.#parts;
    if (record.expiresAt <= clock.now()) return undefined;
    const [client, decision] = await Promise.all([
      provider.Client.find(record.clientId),
      decisions.find(record.approvalId),
    ]);
    if (client === undefined || decision !== undefined) return undefined;
    try {
      const tpp = authorisationStatus.verify(tppOf(client));
      const asked = await accesses.of({ params: record.params, client });
      return approvalView(record, { client, tpp, asked, rules: this.#options });
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  async #settle(
    approvalId: string,
    decide: (record: AskedRecord) => Promise<Decision>,
  ): Promise<StandingDecision> {
    const { records, decisions } = this.#parts;
    const record = await records.find(approvalId);
    if (record === undefined || !isAsked(record)) throw over('there is no such request');
    const standing = await decisions.find(approvalId);
    if (standing !== undefined) {
      await this.#carryOut(record, standing);
      return { decision: nameOf(standing), isFirst: false };
    }
    if (record.expiresAt <= this.#options.clock.now()) throw over('the request has expired');
    const { decision, isFirst } = await decisions.settle(approvalId, await decide(record));
    await this.#carryOut(record, decision);
    return { decision: nameOf(decision), isFirst };
  }

  /** @throws ERR_APPROVAL_INVALID, ERR_ASPSP_UNAVAILABLE, and the code by which the TPP is refused */
  async #allowed(record: AskedRecord, approval: Approval): Promise<Decision> {
    const { accesses, calls } = this.#parts;
    const { clock, authorisationStatus } = this.#options;
    const client = await this.#clientOf(record);
    const tpp = authorisationStatus.verify(tppOf(client));
    const { data, error } = approvalSchema.safeParse(approval);
    // Never the value.
    if (data === undefined) throw invalid(`${error.issues[0]?.path.join('.') ?? ''} is not of the contract`);
    const { accountIds, amr, authTime = clock.now() } = data;
    const acr = calls.acrOf('approve', data);
    const { market } = profileOf(client, this.#options.profiles);
    assertMet(requirementsOf(record.params, market), { psuId: record.psuId, acr, authTime }, clock.now());
    const asked = await accesses.of({ params: record.params, client });
    assertLinked(asked, { ...data, psuId: record.psuId });
    const { scopes, details } = asked;
    if (authTime.getTime() > clock.now().getTime() + CLOCK_TOLERANCE_SECONDS * 1000) {
      throw invalid('authTime is in the future');
    }
    if (scopes.some(isOfApi)) {
      if (accountIds.length === 0) throw invalid('accountIds is empty, and the request needs accounts');
      const offered = await calls.listAccounts(record.psuId, scopes, details);
      const isOffered = (id: string) => offered.some(({ accountId }) => accountId === id);
      if (!accountIds.every(isOffered)) throw invalid('accountIds has one that listAccounts does not have');
    } else if (accountIds.length > 0) {
      throw invalid('accountIds must be empty: the request needs no accounts');
    }
    return {
      answer: 'allowed',
      grantId: newGrantId(consentIdOfAsked(asked)),
      asked: contentOf(asked),
      accountIds: [...new Set(accountIds)],
      service: serviceOf({ client, tpp }),
      until: asked.expiresAt.toISOString(),
      login: { amr, acr, authTime: epochSeconds(authTime) },
    };
  }

  async #ended(record: AskedRecord, description: string): Promise<Decision> {
    const client = await this.#clientOf(record);
    return { answer: 'ended', service: serviceOf({ client }), error: 'access_denied', description };
  }

  async #clientOf({ clientId }: AskedRecord): Promise<Client> {
    const client = await this.#parts.provider.Client.find(clientId);
    if (client === undefined) throw over('the client of the request has ended');
    return client;
  }

  /** Makes grant and consent of an approval, and lets the polls of the TPP find the decision. Repeating changes nothing. */
  async #carryOut(record: AskedRecord, decision: Decision): Promise<void> {
    const { provider, notifications, open } = this.#parts;
    const { authReqId } = record;
    const request = await provider.BackchannelAuthenticationRequest.find(authReqId, {
      ignoreExpiration: true,
    });
    // Used already, or carried out by an earlier call.
    if (request === undefined || request.grantId !== undefined || request.error !== undefined) return;
    if (request.isExpired) throw over('the request expired before its decision could be carried out');
    const client = await this.#clientOf(record);
    if (decision.answer === 'ended') this.#end(record, request, decision);
    else await this.#allow(record, request, decision);
    await request.save();
    await open.free(record.place);
    const endpoint = textOf(client.backchannelClientNotificationEndpoint);
    const token = textOf(request.params?.client_notification_token);
    if (client.backchannelTokenDeliveryMode !== 'ping' || endpoint === undefined || token === undefined)
      return;
    notifications.send({ clientId: record.clientId, endpoint, token, authReqId });
  }

  #end(
    record: AskedRecord,
    request: BackchannelAuthenticationRequest,
    { error, description }: Extract<Decision, { answer: 'ended' }>,
  ): void {
    Object.assign(request, { error, errorDescription: description });
    const { log, secret } = this.#options;
    log.emit('consent.denied', { ...eventFields(record), ...psuField(secret, record.psuId) });
  }

  async #allow(
    record: AskedRecord,
    request: BackchannelAuthenticationRequest,
    { grantId, accountIds, asked, login }: Extract<Decision, { answer: 'allowed' }>,
  ): Promise<void> {
    const { clientId, psuId, params } = record;
    const client = await this.#clientOf(record);
    const tpp = this.#options.authorisationStatus.verify(tppOf(client));
    const { authorizationNumber } = tpp;
    const requester = requesterOfAccess({ client, tpp, details: asked.details });
    const access = {
      ...{ grantId, clientId, authorizationNumber, psuId, accountIds, asked, requester },
      authentication: login,
    };
    const created = await this.#parts.granted.make(access, claimNames(claimsOf(params)));
    if (created !== undefined) {
      const { consentId } = created;
      this.#options.log.emit('consent.granted', {
        ...{ ...eventFields(record), authorizationNumber, consentId },
        ...psuField(this.#options.secret, psuId),
      });
    }
    const { amr = [], acr, authTime } = login ?? {};
    Object.assign(request, { grantId, amr: [...amr], acr, authTime, rar: tokenDetails(asked, accountIds) });
  }
}

/** @throws ERR_APPROVAL_INVALID for an approval of something else than what is asked now */
function assertLinked(
  asked: AskedAccess,
  { psuId, linkHash, accountIds }: Approval & { readonly psuId: string },
): void {
  const isShown = linkHash === asked.linkHash || (linkHash === undefined && !asked.isPayment);
  if (!isShown) throw invalid('linkHash is not the one of the request');
  if (asked.customer !== undefined && asked.customer !== psuId)
    throw invalid('the consent is of another customer');
  if (choosesOne(asked) && accountIds.length > 1)
    throw invalid('accountIds has several accounts for one payment');
}

function isAsked(record: { readonly psuId: string | undefined }): record is AskedRecord {
  return record.psuId !== undefined;
}

function nameOf({ answer }: Decision): StandingDecision['decision'] {
  return answer === 'allowed' ? 'approved' : 'rejected';
}

function eventFields({ clientId, params }: AskedRecord) {
  return { clientId, scope: params.scope ?? '' };
}

function over(problem: string): OpenBankingError<'ERR_APPROVAL_OVER'> {
  return new OpenBankingError('ERR_APPROVAL_OVER', { problem });
}

function invalid(problem: string): OpenBankingError<'ERR_APPROVAL_INVALID'> {
  return new OpenBankingError('ERR_APPROVAL_INVALID', { problem });
}
