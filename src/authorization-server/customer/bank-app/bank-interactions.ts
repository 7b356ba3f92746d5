import type { Client, Interaction, Provider } from 'oidc-provider';
import type { TppRecord } from '../../../../tpp-registry/index.ts';
import type { Clock } from '../../../clock.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { AuthorisationStatus } from '../../../tpp/authorisation-status.ts';
import { tppOf } from '../../clients/registered-client.ts';
import { profileOf, type Profiles } from '../../profiles/profiles.ts';
import {
  type AuthenticationRequirements,
  requirementsOf,
} from '../authentication/authentication-requirements.ts';
import type { LoginAttempts } from '../authentication/login-attempts.ts';
import { type AskedAccess, type AskedAccesses, choosesOne } from '../consent/asked-access.ts';
import { isOfApi } from '../consent/granted-consent.ts';
import { isFinished } from '../open-interaction.ts';
import { latenessOf } from '../visits.ts';
import { assertLinked, type ReportedLogin, type ReportedLogins } from './reported-login.ts';
import type { BankVisit, BankVisits, ReadVisit } from './bank-visits.ts';
import { RETURN_PARAMETER } from './bank-app.ts';

/** An authorization that is in the hands of the application of the bank. */
export interface BankInteraction {
  readonly interactionId: string;
  readonly stage: Exclude<BankVisit['stage'], 'sent'>;
  readonly client: Client;
  readonly tpp: TppRecord;
  readonly asked: AskedAccess;
  readonly needsAccounts: 'none' | 'one' | 'many';
  readonly requirements: AuthenticationRequirements;
  readonly params: Readonly<Record<string, unknown>>;
  readonly expiresAt: Date;
}

interface BankInteractionsOptions {
  readonly authorisationStatus: AuthorisationStatus;
  readonly profiles: Profiles;
  readonly clock: Clock;
}

interface Parts {
  readonly provider: Provider;
  readonly visits: BankVisits;
  readonly accesses: Pick<AskedAccesses, 'of'>;
  readonly attempts: LoginAttempts;
  readonly logins: ReportedLogins;
}

/** An open visit, and the authorization that it is for. */
interface OpenVisit extends ReadVisit {
  readonly found: BankInteraction;
}

const BLOCK_SECONDS = 15 * 60;

/**
 * Authorizations for which a customer logs in and decides in the application of the bank: the part that the application
 * calls. Each step is made by one of any number of callers. Every call judges anew: time, TPP, client, consent, and the
 * hash of what is shown.
 */
export class BankInteractions {
  readonly #options: BankInteractionsOptions;
  readonly #parts: Parts;

  constructor(options: BankInteractionsOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Exchanges a handle for the interaction: once. @throws ERR_BANK_HANDLE, ERR_BANK_INTERACTION_OVER, and why the TPP is refused */
  async open(handle: string): Promise<BankInteraction> {
    const { visits } = this.#parts;
    const read = await visits.findByHandle(handle);
    if (read === undefined || read.visit.stage !== 'sent') throw new OpenBankingError('ERR_BANK_HANDLE', {});
    if (!(await visits.change(read, { stage: 'opened' }))) throw new OpenBankingError('ERR_BANK_HANDLE', {});
    return this.#judged({ ...read.visit, stage: 'opened' });
  }

  /** @throws ERR_BANK_INTERACTION_OVER, and why the TPP is refused */
  async find(interactionId: string): Promise<BankInteraction> {
    return (await this.#opened(interactionId)).found;
  }

  /**
   * Counts an attempt of the customer to authenticate, before the bank judges it. A successful `authenticate` takes the
   * count back.
   *
   * @throws ERR_BANK_ATTEMPTS after five that failed, of this customer or in this interaction
   */
  async beginAttempt(interactionId: string, customerName: string): Promise<{ readonly isLast: boolean }> {
    const { attempts, visits } = this.#parts;
    const { visit, record } = await this.#openedAt(interactionId, 'opened');
    const ofInteraction = await attempts.begin('interaction', visit.uid);
    if (ofInteraction === undefined) throw blocked();
    const ofCustomer = await attempts.begin('customer', customerName);
    if (ofCustomer === undefined) throw blocked();
    const begun = [...visit.attempts, ofInteraction.id];
    if (!(await visits.change({ visit, record }, { attempts: begun, customerName })))
      throw step('another attempt began');
    return { isLast: ofInteraction.isLast || ofCustomer.isLast };
  }

  /** @throws ERR_BANK_INTERACTION_STEP, ERR_CONSENT_CHANGED, ERR_CONSENT_CUSTOMER, ERR_AUTHENTICATION_UNMET, ERR_ASPSP_ANSWER */
  async authenticate(interactionId: string, reported: ReportedLogin): Promise<BankInteraction> {
    const { visits, logins, attempts } = this.#parts;
    const { visit, record, found } = await this.#openedAt(interactionId, 'opened');
    if (visit.attempts.length === 0) throw step('no attempt to authenticate was announced');
    const request = { ...found, clientId: found.client.clientId };
    const login = await logins.judged(reported, request);
    const change = { stage: 'authenticated', attempts: [], login } as const;
    if (!(await visits.change({ visit, record }, change)))
      throw step('the customer is authenticated already');
    await attempts.takeBack(visit.attempts.map((id) => ({ id, isLast: false })));
    await attempts.forget([{ subject: 'customer', name: visit.customerName }]);
    await logins.remember(login, request);
    return { ...found, stage: 'authenticated' };
  }

  /** The customer allows the access. The first decision stays. @throws as `authenticate` */
  async approve(
    interactionId: string,
    { accountIds, linkHash }: { readonly accountIds: readonly string[]; readonly linkHash: string },
  ): Promise<{ readonly returnUrl: string }> {
    const { visit, record, found } = await this.#opened(interactionId);
    if (visit.stage === 'approved') return this.#wayBack(visit);
    if (visit.stage !== 'authenticated') throw step(`the interaction is ${visit.stage}`);
    assertLinked(found.asked, linkHash);
    assertLinked(found.asked, visit.login?.linkHash);
    const chosen = [...new Set(accountIds)];
    assertChoice(found, chosen);
    const change = { stage: 'approved', accountIds: chosen } as const;
    if (!(await this.#parts.visits.change({ visit, record }, change)))
      throw step('another decision was faster');
    return this.#wayBack(visit);
  }

  /** The customer rejects the request, at any step. */
  async reject(interactionId: string): Promise<{ readonly returnUrl: string }> {
    const read = await this.#parts.visits.findByInteractionId(interactionId);
    if (read === undefined) throw new OpenBankingError('ERR_BANK_INTERACTION_OVER', {});
    const { visit } = read;
    if (visit.stage === 'rejected') return this.#wayBack(visit);
    if (visit.stage === 'approved') throw step('the customer has approved');
    if (!(await this.#parts.visits.change(read, { stage: 'rejected' })))
      throw step('another decision was faster');
    return this.#wayBack(visit);
  }

  async #openedAt(interactionId: string, stage: BankVisit['stage']): Promise<OpenVisit> {
    const opened = await this.#opened(interactionId);
    if (opened.visit.stage !== stage) throw step(`the interaction is ${opened.visit.stage}`);
    return opened;
  }

  async #opened(interactionId: string): Promise<OpenVisit> {
    const read = await this.#parts.visits.findByInteractionId(interactionId);
    if (read === undefined || read.visit.stage === 'sent')
      throw new OpenBankingError('ERR_BANK_INTERACTION_OVER', {});
    return { ...read, found: await this.#judged(read.visit) };
  }

  async #judged(visit: BankVisit): Promise<BankInteraction> {
    const { provider, visits, accesses } = this.#parts;
    const { authorisationStatus, profiles } = this.#options;
    const interaction = await this.#liveInteraction(visit);
    const client = await provider.Client.find(String(interaction.params.client_id));
    if (client === undefined) throw new OpenBankingError('ERR_BANK_INTERACTION_OVER', {});
    const tpp = authorisationStatus.verify(tppOf(client));
    const { params } = interaction;
    const access = await accesses.of({ params, client });
    return {
      interactionId: visits.interactionIdOf(visit),
      stage: visit.stage === 'sent' ? 'opened' : visit.stage,
      client,
      tpp,
      asked: access,
      needsAccounts: neededAccounts(access),
      requirements: requirementsOf(params, profileOf(client, profiles).market),
      params,
      expiresAt: new Date(visit.expiresAt),
    };
  }

  async #liveInteraction({ uid, seenAt }: BankVisit): Promise<Interaction> {
    const interaction = await this.#parts.provider.Interaction.find(uid);
    const isLive =
      interaction !== undefined &&
      interaction.prompt.name === 'login' &&
      !isFinished({ interaction }) &&
      latenessOf(interaction, { now: this.#options.clock.now(), seenAt }) === undefined;
    if (!isLive) throw new OpenBankingError('ERR_BANK_INTERACTION_OVER', {});
    return interaction;
  }

  #wayBack(visit: BankVisit): { readonly returnUrl: string } {
    const { provider, visits } = this.#parts;
    const url = new URL(`/interaction/${visit.uid}`, provider.issuer);
    url.searchParams.set(RETURN_PARAMETER, visits.returnCodeOf(visit));
    return { returnUrl: url.href };
  }
}

function neededAccounts(asked: AskedAccess): BankInteraction['needsAccounts'] {
  if (!asked.scopes.some(isOfApi)) return 'none';
  return choosesOne(asked) ? 'one' : 'many';
}

/** @throws ERR_BANK_REQUEST */
function assertChoice({ needsAccounts }: BankInteraction, { length }: readonly string[]): void {
  const isRight = { none: length === 0, one: length === 1, many: length > 0 }[needsAccounts];
  if (isRight) return;
  const problem = { none: 'must be empty', one: 'must name one account', many: 'must name an account' }[
    needsAccounts
  ];
  throw new OpenBankingError('ERR_BANK_REQUEST', { member: 'body.accountIds', problem });
}

function step(problem: string): OpenBankingError<'ERR_BANK_INTERACTION_STEP'> {
  return new OpenBankingError('ERR_BANK_INTERACTION_STEP', { problem });
}

function blocked(): OpenBankingError<'ERR_BANK_ATTEMPTS'> {
  return new OpenBankingError('ERR_BANK_ATTEMPTS', { seconds: BLOCK_SECONDS });
}
