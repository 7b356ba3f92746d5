import type { Context } from 'koa';
import { epochSeconds } from '../../../clock.ts';
import { psuField } from '../../../consent/psu-name.ts';
import type { OpenBankingError } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { profileOf, type Profiles } from '../../profiles/profiles.ts';
import { oauthAnswer } from '../../request/oauth-error.ts';
import type { AuthenticationContext } from '../bank/aspsp.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  requesterOf,
  stopInteraction,
} from '../open-interaction.ts';
import type { OwnForms } from '../own-forms.ts';
import type { Pages } from '../pages/pages.ts';
import { type AuthenticationRequirements, requirementsOf } from './authentication-requirements.ts';
import { loginHintOf, uiLocalesOf } from './hints.ts';
import { paymentsOf } from './linked-payments.ts';
import type { EndReason, Login, Occasion, Progress } from './occasion.ts';

interface InteractionOccasionsOptions {
  /** Authentication contexts that logins can reach. */
  readonly acrValues: readonly string[];
  readonly profiles: Profiles;
  readonly pages: Pages;
  readonly forms: OwnForms;
  readonly issuer: string;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

/** For the TPP: the page has the customer's words. */
const DESCRIPTIONS: Readonly<Record<EndReason, string>> = {
  attempts: 'too many failed attempts to log in',
  changed: 'the request has changed since the customer saw it',
  rejected: 'the customer rejected the request',
  'no-factor': 'the customer has no means of authentication that this request needs',
};
const EVENTS = {
  attempts: 'psu.login.stopped',
  changed: 'psu.login.changed',
  rejected: 'consent.denied',
  'no-factor': 'psu.login.impossible',
} as const satisfies Record<EndReason, string>;

/** The login prompt of an authorization, as an occasion to authenticate. */
export class InteractionOccasions {
  readonly #options: InteractionOccasionsOptions;

  constructor(options: InteractionOccasionsOptions) {
    this.#options = options;
  }

  of(ctx: Context, open: OpenInteraction): Occasion {
    const { pages, forms, log, secret } = this.#options;
    const { interaction, asked } = open;
    const requirements = this.#requirementsOf(open);
    const events = interactionFields(ctx, open);
    const progressOf = () => interaction.result?.authentication as Progress | undefined;
    return {
      id: interaction.uid,
      csrf: forms.tokenOf(open),
      requester: requesterOf(open),
      requirements,
      context: this.#contextOf(open, requirements),
      isPayment: asked.isPayment,
      events,
      progress: progressOf(),
      keep: (progress) => keep(open, progress),
      finish: (koa, login) => finishInteraction(koa, open, { pages, result: resultOf(login) }),
      end: (koa, reason) => {
        log.emit(EVENTS[reason], { ...events, ...psuField(secret, progressOf()?.proved?.psuId) });
        const result = { error: 'access_denied', error_description: DESCRIPTIONS[reason] };
        return stopInteraction(koa, open, { pages, reason, status: 403, result });
      },
      refuse: (koa, refusal: OpenBankingError) =>
        finishInteraction(koa, open, { pages, result: oauthAnswer(refusal).body }),
    };
  }

  /** A consent of a customer is for that customer only. */
  #requirementsOf({ interaction, client, asked }: OpenInteraction): AuthenticationRequirements {
    const { market } = profileOf(client, this.#options.profiles);
    const requirements = requirementsOf(interaction.params, market);
    return { ...requirements, customer: asked.customer };
  }

  #contextOf(open: OpenInteraction, requirements: AuthenticationRequirements): AuthenticationContext {
    const { issuer, acrValues } = this.#options;
    const { params, uid } = open.interaction;
    const { details, linkHash } = open.asked;
    return {
      clientId: open.client.clientId,
      tpp: { legalName: open.tpp.legalName, authorizationNumber: open.tpp.authorizationNumber },
      scopes: open.scopes,
      details,
      payments: paymentsOf(details),
      linkHash,
      acrValues: requirements.acrValues.filter((value) => acrValues.includes(value)),
      isAcrEssential: requirements.isAcrEssential,
      maxAgeSeconds: requirements.maxAgeSeconds,
      loginHint: loginHintOf(params),
      uiLocales: uiLocalesOf(params),
      returnUrl: new URL(`/interaction/${uid}`, issuer).href,
    };
  }
}

async function keep({ interaction }: OpenInteraction, progress: Progress): Promise<void> {
  interaction.result = { ...interaction.result, authentication: progress };
  await interaction.persist();
}

/** The result of the login prompt. `sca` binds the approval of the next prompt to what was shown. */
function resultOf({ psuId, amr, acr, authTime, linkHash, isStrong }: Login) {
  const ts = epochSeconds(authTime);
  return {
    login: { accountId: psuId, remember: false, amr: [...amr], ts, acr },
    sca: { linkHash, at: ts, isStrong },
  };
}
