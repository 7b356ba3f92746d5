import type { Context } from 'koa';
import type { ConsentAuthentication } from '../../../consent/consent.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type { AccountChoice } from '../bank/aspsp.ts';
import type { AllowedAccess, Decision, Decisions } from './decisions.ts';
import { type GrantedConsents, isOfApi } from './granted-consent.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
  serviceOf,
  stopInteraction,
} from '../open-interaction.ts';
import type { OwnForms } from '../own-forms.ts';
import type { Pages } from '../pages/pages.ts';
import type { PageText } from '../pages/words/words.ts';
import { claimNames, claimsOf } from '../../request/authorization-request/claims-parameter.ts';
import { allowedClaims, customerClaimsOf, type CustomerClaimRules } from '../claims/requested-claims.ts';

interface ConsentDecisionOptions extends CustomerClaimRules {
  readonly log: Log;
}

interface Parts {
  readonly granted: GrantedConsents;
  readonly aspsp: AspspCalls;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly decisions: Pick<Decisions, 'settle'>;
}

const NO_ACCOUNT_CHOSEN: PageText = { sentence: 'problem.no-account' };
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
    const { pages, forms, granted } = this.#parts;
    const accounts = await this.#offeredAccounts(open);
    if (accounts?.length === 0) return this.#stopWithoutAccounts(ctx, open);
    pages.consent(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      asked: {
        details: [],
        scopes: open.scopes,
        claims: customerClaimsOf(open.interaction.params, this.#options),
      },
      until: granted.until(),
      accounts: accounts && { choice: 'many', offered: accounts },
      problem,
    });
  }

  /** Allows access to the chosen accounts. @throws ERR_PSU_INPUT for an account that was not offered */
  async approve(ctx: Context, open: OpenInteraction, form: URLSearchParams): Promise<void> {
    const offered = await this.#offeredAccounts(open);
    const chosen = form.getAll('account');
    if (!chosen.every((id) => offered?.some((account) => account.accountId === id))) {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'an account that was not offered' });
    }
    if (offered !== undefined && chosen.length === 0) return this.show(ctx, open, NO_ACCOUNT_CHOSEN);
    const { decisions, granted } = this.#parts;
    const { decision } = await decisions.settle(open.interaction.uid, {
      answer: 'allowed',
      grantId: granted.newGrantId(),
      accountIds: [...new Set(chosen)],
      service: serviceOf(open),
      until: granted.until().toISOString(),
    });
    return this.carryOut(ctx, open, decision);
  }

  /** Ends the request at the customer's wish, at either prompt. */
  async end(ctx: Context, open: OpenInteraction, reason: keyof typeof ENDS): Promise<void> {
    const ended = { answer: 'ended', service: serviceOf(open), ...ENDS[reason] } as const;
    const { decision, isFirst } = await this.#parts.decisions.settle(open.interaction.uid, ended);
    if (isFirst) this.#options.log.emit('consent.denied', interactionFields(ctx, open));
    return this.carryOut(ctx, open, decision);
  }

  /** Makes grant and consent of a decision, or ends the request; repeating it changes nothing. */
  async carryOut(ctx: Context, open: OpenInteraction, decision: Decision): Promise<void> {
    const { pages } = this.#parts;
    if (decision.answer === 'ended') {
      const result = { error: decision.error, error_description: decision.description };
      return finishInteraction(ctx, open, { pages, result });
    }
    await this.#allow(ctx, open, decision);
    return finishInteraction(ctx, open, { pages, result: { consent: { grantId: decision.grantId } } });
  }

  async #allow(ctx: Context, open: OpenInteraction, { grantId, accountIds }: AllowedAccess): Promise<void> {
    const { clientId } = open.client;
    const { authorizationNumber } = open.tpp;
    const psuId = psuOf(open);
    const { scopes } = open;
    const claims = allowedClaims(open.interaction.params, this.#options);
    const { legalName } = open.tpp;
    const requester = { service: serviceOf(open), legalName };
    const authentication = authenticationOf(open);
    const access = {
      ...{ grantId, clientId, authorizationNumber, psuId, accountIds, scopes, claims },
      ...{ requester, authentication },
    };
    const created = await this.#parts.granted.make(access, claimNames(claimsOf(open.interaction.params)));
    if (created === undefined) return;
    this.#options.log.emit('consent.granted', {
      ...interactionFields(ctx, open),
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
    return open.scopes.some(isOfApi) ? this.#parts.aspsp.listAccounts(psuOf(open), open.scopes) : undefined;
  }
}

function psuOf({ interaction }: OpenInteraction): string {
  const psuId = interaction.session?.accountId;
  if (psuId === undefined) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'nobody is logged in' });
  return psuId;
}

/** How the customer has logged in, from the result of the login prompt. */
function authenticationOf({ interaction }: OpenInteraction): ConsentAuthentication | undefined {
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
