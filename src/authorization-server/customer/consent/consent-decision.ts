import type { Context } from 'koa';
import {
  type Consent,
  type ConsentAuthentication,
  newConsentId,
  newGrantId,
} from '../../../consent/consent.ts';
import { isRefusal, OpenBankingError } from '../../../errors.ts';
import { psuField } from '../../../consent/psu-name.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type { AccountChoice } from '../bank/aspsp.ts';
import { choosesOne, consentIdOfAsked, contentOf } from './asked-access.ts';
import { addedContent } from './earlier-grant.ts';
import type { AllowedAccess, Decision, Decisions } from './decisions.ts';
import { type GrantedConsents, isOfApi } from './granted-consent.ts';
import {
  finishInteraction,
  interactionFields,
  type AuthorisedInteraction,
  type OpenInteraction,
  refuseInteraction,
  requesterOf,
  stopInteraction,
} from '../open-interaction.ts';
import { requesterOfAccess, serviceOf } from './requester.ts';
import type { OwnForms } from '../own-forms.ts';
import type { Pages } from '../pages/pages.ts';
import type { PageText } from '../pages/words/words.ts';
import { claimNames, claimsOf } from '../../request/authorization-request/claims-parameter.ts';
import type { CustomerClaimRules } from '../claims/requested-claims.ts';

interface ConsentDecisionOptions extends CustomerClaimRules {
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

interface Parts {
  readonly granted: GrantedConsents;
  readonly aspsp: AspspCalls;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly decisions: Pick<Decisions, 'settle'>;
}

/** The errors for the TPP when the customer cancels, or leaves a bank that does not answer (RFC 6749 §4.1.2.1). */
const ENDS = {
  cancel: { error: 'access_denied', description: 'the customer cancelled' },
  leave: {
    error: 'temporarily_unavailable',
    description: 'the systems of the bank do not answer at present',
  },
} as const;

/**
 * The consent prompt: the permissions that the TPP asks for, the accounts, and the customer's decision.
 *
 * A decision is stored before anything is made of it, and the first one stays. Many approvals at once, or an approval
 * after a crash, carry out the same decision: one grant and one consent.
 */
export class ConsentDecision {
  readonly #options: ConsentDecisionOptions;
  readonly #parts: Parts;

  constructor(options: ConsentDecisionOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async show(ctx: Context, open: OpenInteraction, problem?: PageText): Promise<void> {
    const { pages, forms } = this.#parts;
    const { asked } = open;
    const { earlier } = asked;
    const accounts = await this.#offeredAccounts(open);
    if (accounts?.length === 0) return this.#stopWithoutAccounts(ctx, open);
    pages.consent(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      asked: contentView(earlier === undefined ? asked : addedContent(asked, earlier)),
      earlier: earlier && { action: earlier.action, content: contentView(earlier.consent) },
      until: asked.expiresAt,
      isRenewal: asked.isRenewal,
      accounts: accounts && {
        choice: choosesOne(asked) ? 'one' : 'many',
        offered: accounts,
        chosen: earlier?.consent.accountIds,
      },
      problem,
    });
  }

  /**
   * Allows access to the chosen accounts. The approval is of what the customer saw at each step of the login: when it is
   * another one now, the request ends (RTS article 5(1)(c), K3).
   *
   * @throws ERR_PSU_INPUT for an account that was not offered
   */
  async approve(ctx: Context, open: OpenInteraction, form: URLSearchParams): Promise<void> {
    const { asked } = open;
    if (hasChanged(open)) return this.#stopChanged(ctx, open);
    const offered = await this.#offeredAccounts(open);
    const chosen = form.getAll('account');
    if (!chosen.every((id) => offered?.some((account) => account.accountId === id))) {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'an account that was not offered' });
    }
    if (offered !== undefined && chosen.length === 0) {
      return this.show(ctx, open, {
        sentence: choosesOne(asked) ? 'problem.one-account' : 'problem.no-account',
      });
    }
    if (choosesOne(asked) && chosen.length > 1) {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'several accounts for one payment' });
    }
    return this.allow(ctx, open, chosen);
  }

  /** Allows access to accounts that are known to be the customer's, as `approve`. */
  async allow(ctx: Context, open: OpenInteraction, accountIds: readonly string[]): Promise<void> {
    if (hasChanged(open)) return this.#stopChanged(ctx, open);
    const { asked, interaction } = open;
    const { decision } = await this.#parts.decisions.settle(interaction.uid, {
      answer: 'allowed',
      grantId: newGrantId(consentIdOfAsked(asked) ?? newConsentId()),
      accountIds: [...new Set(accountIds)],
      asked: contentOf(asked),
      service: serviceOf(open),
      until: asked.expiresAt.toISOString(),
    });
    return this.carryOut(ctx, open, decision);
  }

  #stopChanged(ctx: Context, open: OpenInteraction): Promise<void> {
    const { pages } = this.#parts;
    const error = new OpenBankingError('ERR_CONSENT_CHANGED', {
      consentId: consentIdOfAsked(open.asked) ?? '',
    });
    return refuseInteraction(ctx, open, { pages, error, reason: 'changed' });
  }

  /** Ends the request at the customer's wish, at either prompt. A consent that waited is rejected. */
  async end(ctx: Context, open: OpenInteraction, reason: keyof typeof ENDS): Promise<void> {
    const { consent } = open.asked;
    const rejects = reason === 'cancel' && consent?.status === 'awaiting-authorisation';
    const ended = {
      answer: 'ended',
      service: serviceOf(open),
      ...ENDS[reason],
      ...(rejects ? { rejects: consent.consentId } : {}),
    } as const;
    const { decision, isFirst } = await this.#parts.decisions.settle(open.interaction.uid, ended);
    if (isFirst) {
      const { log, secret } = this.#options;
      // At the login the session of the browser may be that of another customer.
      const psuId = open.prompt === 'consent' ? open.interaction.session?.accountId : undefined;
      const psu = psuField(secret, psuId);
      log.emit('consent.denied', { ...interactionFields(ctx, open), ...psu });
    }
    return this.carryOut(ctx, open, decision);
  }

  /** The decision as it stands: an approval that came after another one, or after the end of the consent, has allowed nothing. */
  async standing(decision: Decision): Promise<Decision> {
    if (decision.answer === 'ended' || (await this.#parts.granted.hasMade(decision.grantId))) return decision;
    const { service } = decision;
    return { answer: 'ended', service, error: 'invalid_request', description: 'the consent has changed' };
  }

  /** Makes grant and consent of a decision, or ends the request; repeating it changes nothing. */
  async carryOut(ctx: Context, open: AuthorisedInteraction, decision: Decision): Promise<void> {
    const { pages, granted } = this.#parts;
    if (decision.answer === 'ended') {
      if (decision.rejects !== undefined) await granted.reject(decision.rejects);
      const result = { error: decision.error, error_description: decision.description };
      return finishInteraction(ctx, open, { pages, result });
    }
    try {
      await this.#allow(ctx, open, decision);
    } catch (error) {
      // Another authorization of the same consent, or its end, came first.
      if (!isOfConsent(error)) throw error;
      return refuseInteraction(ctx, open, { pages, error, reason: 'changed' });
    }
    return finishInteraction(ctx, open, { pages, result: { consent: { grantId: decision.grantId } } });
  }

  async #allow(
    ctx: Context,
    open: AuthorisedInteraction,
    { grantId, accountIds, asked }: AllowedAccess,
  ): Promise<void> {
    const { client, tpp } = open;
    const { authorizationNumber } = tpp;
    const access = {
      ...{ grantId, accountIds, asked, authorizationNumber },
      clientId: client.clientId,
      psuId: psuOf(open),
      requester: requesterOfAccess({ client, tpp, details: asked.details }),
      authentication: authenticationOf(open),
    };
    const created = await this.#parts.granted.make(access, claimNames(claimsOf(open.interaction.params)));
    if (created === undefined) return;
    this.#options.log.emit('consent.granted', {
      ...interactionFields(ctx, open),
      ...psuField(this.#options.secret, access.psuId),
      consentId: created.consentId,
    });
  }

  #stopWithoutAccounts(ctx: Context, open: OpenInteraction): Promise<void> {
    const result = { error: 'access_denied', error_description: 'there is no account that can be shared' };
    const { pages } = this.#parts;
    return stopInteraction(ctx, open, { pages, reason: 'no-accounts', status: 200, result });
  }

  /** Undefined for a request that opens no API: the customer chooses no accounts for it. */
  async #offeredAccounts(open: OpenInteraction): Promise<readonly AccountChoice[] | undefined> {
    const { scopes, details } = open.asked;
    return scopes.some(isOfApi) ? this.#parts.aspsp.listAccounts(psuOf(open), scopes, details) : undefined;
  }
}

/** A content for the page, which names each claim once. */
function contentView({ details, scopes, claims }: Pick<Consent, 'details' | 'scopes' | 'claims'>) {
  return { details, scopes, claims: [...new Set([...(claims?.idToken ?? []), ...(claims?.userinfo ?? [])])] };
}

/** Whether the access is another one than the steps of the login were linked to. */
function hasChanged({ interaction: { lastSubmission }, asked }: OpenInteraction): boolean {
  const sca = lastSubmission?.sca as { readonly linkHash?: unknown } | undefined;
  return sca?.linkHash !== asked.linkHash;
}

function isOfConsent(error: unknown): error is OpenBankingError {
  const codes = [
    'ERR_CONSENT_STATUS',
    'ERR_CONSENT_CHANGED',
    'ERR_CONSENT_CUSTOMER',
    'ERR_CONSENT_UNKNOWN',
  ] as const;
  return codes.some((code) => isRefusal(error, code));
}

function psuOf({ interaction }: AuthorisedInteraction): string {
  const psuId = interaction.session?.accountId;
  if (psuId === undefined) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'nobody is logged in' });
  return psuId;
}

/** How the customer has logged in, from the result of the login prompt. */
function authenticationOf({ interaction }: AuthorisedInteraction): ConsentAuthentication | undefined {
  const { login } = interaction.lastSubmission ?? {};
  if (login === undefined) return undefined;
  const {
    amr = [],
    acr,
    ts: authTime = interaction.iat,
  } = login as {
    readonly amr?: readonly string[];
    readonly acr?: string;
    readonly ts?: number;
  };
  return { amr, acr, authTime };
}
