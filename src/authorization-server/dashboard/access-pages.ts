import type { Context } from 'koa';
import type { Consents } from '../../consent/consents.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import { isRefusal } from '../../errors.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Log } from '../../events.ts';
import type { AccountChoice } from '../customer/bank/aspsp.ts';
import type { AspspCalls } from '../customer/bank/aspsp-calls.ts';
import { preparePage } from '../customer/pages/page-headers.ts';
import type { Pages } from '../customer/pages/pages.ts';
import { DASHBOARD_PATH } from '../request/routes.ts';
import {
  type Access,
  accessesOf,
  accessOf,
  addressOf,
  type ListPage,
  listPageOf,
  type ListQuery,
  listQueryOf,
} from './access-list.ts';
import { type AccessView, accessView } from './access-views.ts';
import { showNotice } from './notice.ts';

export interface AccessPagesOptions {
  readonly consents: Consents;
  readonly consentUses: Pick<ConsentUses, 'lastUseOf'>;
  readonly aspsp: Pick<AspspCalls, 'listAccounts'>;
  readonly pages: Pages;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
  /** Where the customer's passkeys are; absent where the server asks for none. */
  readonly passkeysPath: string | undefined;
}

/** A customer with a session. */
export interface Visitor {
  readonly psuId: string;
  /** The token of the forms of this session. */
  readonly csrf: string;
}

/** One access, or all of a TPP, as a form or an address names them. */
type Named = { readonly consentId: string } | { readonly tpp: string };

/** The list of what a customer has allowed, and the ways to end it. */
export class AccessPages {
  readonly #options: AccessPagesOptions;

  constructor(options: AccessPagesOptions) {
    this.#options = options;
  }

  async list(ctx: Context, { psuId, csrf }: Visitor): Promise<void> {
    const { pages, passkeysPath } = this.#options;
    const accesses = await this.#allOf(psuId);
    const query = new URLSearchParams(ctx.querystring);
    const page = listPageOf(accesses, listQueryOf(query));
    const accounts = await this.#accountNames(psuId, page.matching);
    const shown = page.tpps.flatMap((tpp) => tpp.accesses);
    const views = new Map(
      await Promise.all(
        shown.map(async (access) => [access, await this.#viewOf(ctx, access, accounts)] as const),
      ),
    );
    preparePage(ctx, { hasForm: true });
    pages.show(ctx, 'dashboard/list', {
      ...addresses(page),
      page,
      tpps: page.tpps.map((tpp) => ({ ...tpp, accesses: tpp.accesses.map((access) => views.get(access)) })),
      accountChoices: page.accountIds.map(
        (accountId) => accounts.find((one) => one.accountId === accountId) ?? { accountId },
      ),
      csrf,
      passkeysPath,
      ended: endedNotice(query, accesses),
    });
  }

  /** The page that says what ends. */
  async ask(ctx: Context, { psuId, csrf }: Visitor): Promise<void> {
    const named = namedIn(new URLSearchParams(ctx.querystring));
    const accesses = await this.#find(psuId, named);
    if (accesses === undefined) return this.#showUnknown(ctx);
    const open = accesses.filter(({ isCurrent }) => isCurrent);
    if (open.length === 0) return this.#showEnded(ctx, accesses);
    const accounts = await this.#accountNames(psuId, open);
    const views = await Promise.all(open.map((access) => this.#viewOf(ctx, access, accounts)));
    preparePage(ctx, { hasForm: true });
    this.#options.pages.show(ctx, 'dashboard/confirm', {
      named,
      accesses: views,
      service: open[0]?.service,
      legalName: open[0]?.legalName,
      back: DASHBOARD_PATH,
      csrf,
    });
  }

  /** Ends what the form names. Tokens end with it, at the APIs within five seconds. */
  async end(ctx: Context, { psuId }: Visitor, form: URLSearchParams): Promise<void> {
    const named = namedIn(form);
    const accesses = await this.#find(psuId, named);
    if (named === undefined || accesses === undefined) return this.#showUnknown(ctx);
    const open = accesses.filter(({ isCurrent }) => isCurrent);
    // In another tab, by a second click, by the TPP or the bank.
    if (open.length === 0) return this.#showEnded(ctx, accesses);
    await Promise.all(open.map((access) => this.#end(ctx, access)));
    const query = new URLSearchParams('tpp' in named ? { endedOf: named.tpp } : { ended: named.consentId });
    ctx.redirect(`${DASHBOARD_PATH}?${query}`);
    ctx.status = 303;
    ctx.set('cache-control', 'no-store');
  }

  async #end(ctx: Context, { consent }: Access): Promise<void> {
    const { consentId, clientId, authorizationNumber, psuId } = consent;
    await this.#options.consents.revoke(consentId, { by: { kind: 'customer' } });
    const requestId = String(ctx.state.requestId);
    const { log, secret } = this.#options;
    const named = { requestId, clientId, authorizationNumber, consentId };
    log.emit('dashboard.access.ended', { ...named, ...psuField(secret, psuId) });
  }

  async #allOf(psuId: string): Promise<readonly Access[]> {
    return accessesOf(await this.#options.consents.listOfCustomer(psuId));
  }

  /** The customer's own only: an access of another customer is answered like one that does not exist. */
  async #find(psuId: string, named: Named | undefined): Promise<readonly Access[] | undefined> {
    if (named === undefined) return undefined;
    if ('tpp' in named) {
      const all = await this.#allOf(psuId);
      const ofTpp = all.filter(({ consent }) => consent.authorizationNumber === named.tpp);
      return ofTpp.length === 0 ? undefined : ofTpp;
    }
    const consent = await this.#options.consents.find(named.consentId);
    const access = consent?.psuId === psuId ? accessOf(consent) : undefined;
    return access && [access];
  }

  async #viewOf(ctx: Context, access: Access, accounts: readonly AccountChoice[]): Promise<AccessView> {
    const { pages, consentUses } = this.#options;
    const lastUsed = await consentUses.lastUseOf(access.consent.consentId);
    return accessView(access, { words: pages.wordsOf(ctx), accounts, lastUsed });
  }

  /** The customer can end an access also while the bank does not answer: accounts have no names then. */
  async #accountNames(psuId: string, accesses: readonly Access[]): Promise<readonly AccountChoice[]> {
    const { aspsp, log } = this.#options;
    if (accesses.every(({ consent }) => consent.accountIds.length === 0)) return [];
    const scopes = [...new Set(accesses.flatMap(({ consent }) => consent.scopes))];
    try {
      return await aspsp.listAccounts(psuId, scopes, []);
    } catch (error) {
      if (!isRefusal(error, 'ERR_ASPSP_UNAVAILABLE', 'ERR_ASPSP_ANSWER')) throw error;
      log.emit('dashboard.accounts.unnamed', { error });
      return [];
    }
  }

  #showUnknown(ctx: Context): void {
    showNotice(ctx, this.#options.pages, { reason: 'unknown', status: 404, isLoggedIn: true });
  }

  #showEnded(ctx: Context, [last]: readonly Access[]): void {
    const { pages } = this.#options;
    const values = {
      service: last?.service ?? '',
      date: last?.endedAt === undefined ? '' : pages.wordsOf(ctx).date(last.endedAt),
    };
    showNotice(ctx, pages, { reason: 'already-ended', status: 200, values, isLoggedIn: true });
  }
}

function namedIn(form: URLSearchParams): Named | undefined {
  const consentId = form.get('consent');
  const tpp = form.get('tpp');
  if (consentId) return { consentId };
  return tpp ? { tpp } : undefined;
}

/** After the end of an access: the sentence that says so. The address can only name what has ended. */
function endedNotice(
  query: URLSearchParams,
  accesses: readonly Access[],
): { readonly service: string; readonly isAll: boolean } | undefined {
  const ended = accesses.filter(({ isCurrent }) => !isCurrent);
  const one = ended.find(({ consent }) => consent.consentId === query.get('ended'));
  if (one !== undefined) return { service: one.service, isAll: false };
  const isOfTpp = ({ consent }: Access) => consent.authorizationNumber === query.get('endedOf');
  const ofTpp = ended.find(isOfTpp);
  const isAll = ofTpp !== undefined && !accesses.some((access) => access.isCurrent && isOfTpp(access));
  return isAll ? { service: ofTpp.legalName, isAll } : undefined;
}

function addresses({ query, pageCount }: ListPage) {
  const to = (change: Partial<ListQuery>) => addressOf(DASHBOARD_PATH, { ...query, ...change });
  const all = { tpp: undefined, accountId: undefined, page: 1 };
  return {
    path: DASHBOARD_PATH,
    tabs: {
      current: to({ ...all, shown: 'current' }),
      ended: to({ ...all, shown: 'ended' }),
    },
    previous: query.page > 1 ? to({ page: query.page - 1 }) : undefined,
    next: query.page < pageCount ? to({ page: query.page + 1 }) : undefined,
  };
}
