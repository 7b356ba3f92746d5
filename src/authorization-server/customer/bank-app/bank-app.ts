import type { Context } from 'koa';
import { OpenBankingError } from '../../../errors.ts';
import { psuField } from '../../../consent/psu-name.ts';
import type { Log } from '../../../events.ts';
import type { ConsentDecision } from '../consent/consent-decision.ts';
import {
  finishInteraction,
  interactionFields,
  type OpenInteraction,
  stopInteraction,
} from '../open-interaction.ts';
import type { Pages } from '../pages/pages.ts';
import { promptEnd } from '../visits.ts';
import type { BankVisits, VisitLogin } from './bank-visits.ts';

interface BankAppOptions {
  /** Address of the application. */
  readonly url: string;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

interface Parts {
  readonly visits: BankVisits;
  readonly consent: Pick<ConsentDecision, 'allow' | 'end'>;
  readonly pages: Pages;
}

/** Names the handle in the address of the application. */
const HANDLE_PARAMETER = 'interaction';
/** Names the return code in the address of the way back. */
export const RETURN_PARAMETER = 'result';

/**
 * Login and consent in the application of the bank, instead of our pages. The browser goes there with a one-time handle, and
 * comes back with the return code that the bank API returned for the decision.
 *
 * Two proofs are needed for the way back: the signed cookie of the interaction, which the browser has that began the
 * authorization, and the return code, which the browser has in which the customer decided. A customer who was sent to the
 * application by another browser thus decides nothing for that browser (K14).
 */
export class BankApp {
  readonly #options: BankAppOptions;
  readonly #parts: Parts;

  constructor(options: BankAppOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Either prompt: sends the browser to the application, or carries out the decision with which the browser is back. */
  show(ctx: Context, open: OpenInteraction): Promise<void> {
    if (open.prompt === 'consent') return this.#carryOut(ctx, open);
    const code = ctx.query[RETURN_PARAMETER];
    return code === undefined ? this.#send(ctx, open) : this.#receive(ctx, open, String(code));
  }

  async #send(ctx: Context, open: OpenInteraction): Promise<void> {
    const { visits, pages } = this.#parts;
    const visit = await visits.begin(open.interaction.uid, promptEnd(open.interaction));
    if (visit === undefined) {
      const result = {
        error: 'access_denied',
        error_description: 'too many visits to the application of the bank',
      };
      this.#options.log.emit('psu.login.stopped', interactionFields(ctx, open));
      return stopInteraction(ctx, open, { pages, reason: 'attempts', status: 403, result });
    }
    this.#options.log.emit('bank_app.sent', { ...interactionFields(ctx, open), count: visit.number });
    const url = new URL(this.#options.url);
    url.searchParams.set(HANDLE_PARAMETER, visits.handleOf(visit));
    ctx.set('cache-control', 'no-store');
    ctx.redirect(url.href);
    ctx.status = 303;
  }

  /** @throws ERR_BANK_RETURN */
  async #receive(ctx: Context, open: OpenInteraction, code: string): Promise<void> {
    const { visits, consent, pages } = this.#parts;
    const found = await visits.findByUid(open.interaction.uid);
    const visit = found?.visit;
    const isDecided = visit?.stage === 'approved' || visit?.stage === 'rejected';
    if (visit === undefined || !isDecided || !visits.isReturnCode(visit, code)) {
      throw new OpenBankingError('ERR_BANK_RETURN', {});
    }
    const { log, secret } = this.#options;
    const events = { ...interactionFields(ctx, open), ...psuField(secret, visit.login?.psuId) };
    log.emit('bank_app.returned', { ...events, outcome: visit.stage });
    if (visit.stage === 'rejected') return consent.end(ctx, open, 'cancel');
    const { login, accountIds } = visit;
    if (login === undefined) throw new OpenBankingError('ERR_BANK_RETURN', {});
    // The decision waits for the consent prompt, which is next.
    return finishInteraction(ctx, open, { pages, result: { ...loginResult(login), accountIds } });
  }

  /** The checks of our consent page are made here too: the request is the one that the login was linked to. */
  #carryOut(ctx: Context, open: OpenInteraction): Promise<void> {
    const { accountIds } = open.interaction.lastSubmission ?? {};
    if (!Array.isArray(accountIds)) throw new OpenBankingError('ERR_BANK_RETURN', {});
    return this.#parts.consent.allow(ctx, open, accountIds.map(String));
  }
}

/** As the login of our own pages. */
function loginResult({ psuId, amr, acr, authTime, linkHash, isStrong }: VisitLogin) {
  return {
    login: { accountId: psuId, remember: false, amr: [...amr], acr, ts: authTime },
    sca: { linkHash, at: authTime, isStrong },
  };
}
