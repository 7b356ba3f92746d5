import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import type { ConsentRecords } from '../../consent/consent.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { OPENID_SCOPES } from '../clients/registered-client.ts';
import type { AspspCalls } from './aspsp-calls.ts';
import type { AccountChoice } from './aspsp.ts';
import type { AllowedAccess, Decision, Decisions } from './decisions.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
  serviceOf,
  stopInteraction,
} from './open-interaction.ts';
import type { OwnForms } from './own-forms.ts';
import type { Pages } from './pages/pages.ts';
import { permissionsOf } from './pages/permissions.ts';

export interface ConsentOptions {
  readonly consents: Pick<ConsentRecords, 'create'>;
  readonly resource: string;
  readonly consentSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Parts {
  readonly provider: Provider;
  readonly aspsp: AspspCalls;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly decisions: Pick<Decisions, 'settle'>;
}

const GRANT_ID_BYTES = 32;
const NO_ACCOUNT_CHOSEN = 'Please choose at least one account, or cancel.';
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
  readonly #options: ConsentOptions;
  readonly #parts: Parts;

  constructor(options: ConsentOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async show(ctx: Context, open: OpenInteraction, problem?: string): Promise<void> {
    const { pages, forms } = this.#parts;
    const accounts = await this.#offeredAccounts(open);
    if (accounts?.length === 0) return this.#stopWithoutAccounts(ctx, open);
    pages.consent(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      permissions: permissionsOf(open.scopes),
      until: this.#until(),
      accounts: accounts ?? [],
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
    const { decision } = await this.#parts.decisions.settle(open.interaction.uid, {
      answer: 'allowed',
      grantId: randomBytes(GRANT_ID_BYTES).toString('base64url'),
      accountIds: [...new Set(chosen)],
      service: serviceOf(open),
      until: this.#until().toISOString(),
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
    const { consents, consentSeconds, log } = this.#options;
    const psuId = psuOf(open);
    await this.#grant(open, { grantId, psuId });
    const { clientId } = open.client;
    const { authorizationNumber } = open.tpp;
    const consent = { grantId, clientId, authorizationNumber, psuId, accountIds, scopes: open.scopes };
    const created = await consents.create(consent, consentSeconds);
    if (created === undefined) return;
    log.emit('consent.granted', { ...interactionFields(ctx, open), consentId: created.consentId });
  }

  async #grant(
    open: OpenInteraction,
    { grantId, psuId }: { readonly grantId: string; readonly psuId: string },
  ): Promise<void> {
    const { resource, consentSeconds } = this.#options;
    // `jti` and `expiresIn` are missing from the published types (reference: Grant outranks its tokens).
    const made = { jti: grantId, expiresIn: consentSeconds };
    const properties = { accountId: psuId, clientId: open.client.clientId, ...made };
    const created = new this.#parts.provider.Grant(properties);
    const openid = open.scopes.filter((scope) => OPENID_SCOPES.includes(scope));
    const apis = open.scopes.filter((scope) => !OPENID_SCOPES.includes(scope));
    if (openid.length > 0) created.addOIDCScope(openid.join(' '));
    // `openid` is in the access token for the APIs as well, which then opens userinfo.
    const ofToken = open.scopes.filter((scope) => scope === 'openid' || apis.includes(scope));
    if (apis.length > 0) created.addResourceScope(resource, ofToken.join(' '));
    await created.save();
  }

  #stopWithoutAccounts(ctx: Context, open: OpenInteraction): Promise<void> {
    const result = { error: 'access_denied', error_description: 'there is no account that can be shared' };
    const { pages } = this.#parts;
    return stopInteraction(ctx, open, { pages, reason: 'no-accounts', status: 200, result });
  }

  /** Undefined for a request that opens no API: the customer chooses no accounts for it. */
  async #offeredAccounts(open: OpenInteraction): Promise<readonly AccountChoice[] | undefined> {
    const isForApis = open.scopes.some((scope) => !OPENID_SCOPES.includes(scope));
    return isForApis ? this.#parts.aspsp.listAccounts(psuOf(open), open.scopes) : undefined;
  }

  #until(): Date {
    const { clock, consentSeconds } = this.#options;
    return new Date(clock.now().getTime() + consentSeconds * 1000);
  }
}

function psuOf({ interaction }: OpenInteraction): string {
  const psuId = interaction.session?.accountId;
  if (psuId === undefined) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'nobody is logged in' });
  return psuId;
}
