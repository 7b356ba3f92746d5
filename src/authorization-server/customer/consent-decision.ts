import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import type { ConsentRecords } from '../../consent/consent.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { OPENID_SCOPES } from '../clients/registered-client.ts';
import type { AspspCalls } from './aspsp-calls.ts';
import type { AccountChoice } from './aspsp.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
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
}

const NO_ACCOUNT_CHOSEN = 'Please choose at least one account, or cancel.';

/** The consent prompt: the permissions that the TPP asks for, the accounts, and the customer's decision. */
export class ConsentDecision {
  readonly #options: ConsentOptions;
  readonly #parts: Parts;

  constructor(options: ConsentOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  async show(ctx: Context, open: OpenInteraction, problem?: string): Promise<void> {
    const { clock, consentSeconds } = this.#options;
    const { pages, forms } = this.#parts;
    const accounts = await this.#offeredAccounts(open);
    pages.consent(ctx, {
      tpp: requesterOf(open),
      csrf: forms.tokenOf(open),
      permissions: permissionsOf(open.scopes),
      until: new Date(clock.now().getTime() + consentSeconds * 1000),
      accounts,
      problem,
    });
  }

  /** Creates grant and consent for the chosen accounts. @throws ERR_PSU_INPUT for an account that was not offered */
  async approve(ctx: Context, open: OpenInteraction, form: URLSearchParams): Promise<void> {
    const { consents, consentSeconds, log } = this.#options;
    const psuId = psuOf(open);
    const offered = await this.#offeredAccounts(open);
    const chosen = form.getAll('account');
    if (!chosen.every((id) => offered.some((account) => account.accountId === id))) {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'an account that was not offered' });
    }
    if (offered.length > 0 && chosen.length === 0) return this.show(ctx, open, NO_ACCOUNT_CHOSEN);
    const grantId = await this.#grant(open, psuId);
    const consent = await consents.create(
      {
        grantId,
        clientId: open.client.clientId,
        authorizationNumber: open.tpp.authorizationNumber,
        psuId,
        accountIds: [...new Set(chosen)],
        scopes: open.scopes,
      },
      consentSeconds,
    );
    log.emit('consent.granted', { ...interactionFields(ctx, open), consentId: consent.consentId });
    return finishInteraction(ctx, open, { pages: this.#parts.pages, result: { consent: { grantId } } });
  }

  async #grant(open: OpenInteraction, psuId: string): Promise<string> {
    const { resource, consentSeconds } = this.#options;
    // `expiresIn` is missing from the published types of the constructor (reference: Grant outranks its tokens).
    const properties = { accountId: psuId, clientId: open.client.clientId, expiresIn: consentSeconds };
    const created = new this.#parts.provider.Grant(properties);
    const openid = open.scopes.filter((scope) => OPENID_SCOPES.includes(scope));
    const apis = open.scopes.filter((scope) => !OPENID_SCOPES.includes(scope));
    if (openid.length > 0) created.addOIDCScope(openid.join(' '));
    // `openid` is in the access token for the APIs as well, which then opens userinfo.
    const ofToken = open.scopes.filter((scope) => scope === 'openid' || apis.includes(scope));
    if (apis.length > 0) created.addResourceScope(resource, ofToken.join(' '));
    return created.save();
  }

  async #offeredAccounts(open: OpenInteraction): Promise<readonly AccountChoice[]> {
    const isForApis = open.scopes.some((scope) => !OPENID_SCOPES.includes(scope));
    return isForApis ? this.#parts.aspsp.listAccounts(psuOf(open), open.scopes) : [];
  }
}

function psuOf({ interaction }: OpenInteraction): string {
  const psuId = interaction.session?.accountId;
  if (psuId === undefined) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'nobody is logged in' });
  return psuId;
}
