import type { Consent } from '../../consent/consent.ts';
import type { AccountChoice } from '../customer/bank/aspsp.ts';

/** A consent that a customer has allowed, at the dashboard. */
export interface Access {
  readonly consent: Consent;
  /** The trading name of the TPP's service. */
  readonly service: string;
  readonly legalName: string;
  /** Of the first authorisation. */
  readonly since: Date;
  readonly isCurrent: boolean;
  /** When it ended; absent for one that is current. */
  readonly endedAt?: Date | undefined;
  /** The kind of caller that ended it; absent where its time was over. */
  readonly endedBy?: 'customer' | 'tpp' | 'bank' | 'server' | undefined;
}

/** The accesses that a customer wants to see. */
export interface ListQuery {
  readonly shown: 'current' | 'ended';
  /** Authorization number of a TPP. */
  readonly tpp?: string | undefined;
  readonly accountId?: string | undefined;
  readonly sort: 'newest' | 'oldest' | 'name';
  readonly page: number;
}

/** The accesses of one TPP on a page. */
export interface TppAccesses {
  readonly authorizationNumber: string;
  readonly legalName: string;
  readonly services: readonly string[];
  readonly accesses: readonly Access[];
  /** Current accesses of the TPP in all, on this page and others. */
  readonly currentCount: number;
}

export interface ListPage {
  readonly query: ListQuery;
  readonly tpps: readonly TppAccesses[];
  /** The accesses that match, on all pages. */
  readonly matching: readonly Access[];
  readonly pageCount: number;
  /** The choices of the filters. */
  readonly allTpps: readonly Pick<TppAccesses, 'authorizationNumber' | 'legalName'>[];
  readonly accountIds: readonly string[];
  /** Whether the list is long enough for filters. */
  readonly hasFilters: boolean;
  readonly counts: Readonly<Record<ListQuery['shown'], number>>;
}

const PAGE_SIZE = 10;
/** A list of so many fits on a page, and needs no filter. */
const SHORT_LIST = 5;
const MAX_PAGE = 1000;
const MAX_VALUE = 200;

/** The query of an address. What is unknown or malformed counts as absent: an address of a page refuses nothing. */
export function listQueryOf(query: URLSearchParams): ListQuery {
  const text = (name: string) => query.get(name)?.slice(0, MAX_VALUE) || undefined;
  const page = Number(query.get('page') ?? '1');
  const sort = query.get('sort');
  return {
    shown: query.get('shown') === 'ended' ? 'ended' : 'current',
    tpp: text('tpp'),
    accountId: text('account'),
    sort: sort === 'oldest' || sort === 'name' ? sort : 'newest',
    page: Number.isInteger(page) && page >= 1 && page <= MAX_PAGE ? page : 1,
  };
}

/** The address of a query, without what is as usual. */
export function addressOf(path: string, { shown, tpp, accountId, sort, page }: ListQuery): string {
  const query = new URLSearchParams();
  if (shown !== 'current') query.set('shown', shown);
  if (tpp !== undefined) query.set('tpp', tpp);
  if (accountId !== undefined) query.set('account', accountId);
  if (sort !== 'newest') query.set('sort', sort);
  if (page !== 1) query.set('page', String(page));
  return query.size === 0 ? path : `${path}?${query}`;
}

/** The accesses among consents. A request that the customer never allowed is no access. */
export function accessesOf(consents: readonly Consent[]): readonly Access[] {
  return consents.flatMap((consent) => accessOf(consent) ?? []);
}

/** The access of a consent; undefined for one that no customer has allowed. */
export function accessOf(consent: Consent): Access | undefined {
  const allowed = consent.history.find(({ to }) => to === 'authorised');
  const { status, requester, expiresAt, statusChangedAt, history } = consent;
  if (allowed === undefined || status === 'awaiting-authorisation' || status === 'rejected') return undefined;
  const isCurrent = status === 'authorised';
  return {
    consent,
    service: requester?.service ?? consent.clientId,
    legalName: requester?.legalName ?? consent.authorizationNumber,
    since: new Date(allowed.at),
    isCurrent,
    ...(isCurrent ? {} : { endedAt: status === 'expired' ? expiresAt : statusChangedAt }),
    ...(status === 'revoked' ? { endedBy: history.at(-1)?.by.kind } : {}),
  };
}

/** One page of the accesses that a query asks for. */
export function listPageOf(accesses: readonly Access[], query: ListQuery): ListPage {
  const ofStatus = accesses.filter(({ isCurrent }) => isCurrent === (query.shown === 'current'));
  const matching = ofStatus.filter((access) => isAskedFor(access, query)).toSorted(ORDERS[query.sort]);
  const pageCount = Math.max(1, Math.ceil(matching.length / PAGE_SIZE));
  // A page that is gone because accesses have ended: the last one.
  const page = Math.min(query.page, pageCount);
  const onPage = matching.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  const current = accesses.filter(({ isCurrent }) => isCurrent);
  return {
    query: { ...query, page },
    tpps: byTpp(onPage, current),
    matching,
    pageCount,
    allTpps: byTpp(ofStatus, current).toSorted((a, b) => a.legalName.localeCompare(b.legalName)),
    accountIds: [...new Set(ofStatus.flatMap(({ consent }) => consent.accountIds))],
    hasFilters: ofStatus.length > SHORT_LIST,
    counts: { current: current.length, ended: accesses.length - current.length },
  };
}

/** The last first, where two are equal in everything else. */
const ORDERS: Readonly<Record<ListQuery['sort'], (a: Access, b: Access) => number>> = {
  newest: (a, b) => timeOf(b) - timeOf(a),
  oldest: (a, b) => timeOf(a) - timeOf(b),
  name: (a, b) => a.service.localeCompare(b.service) || timeOf(b) - timeOf(a),
};

function timeOf({ endedAt, since }: Access): number {
  return (endedAt ?? since).getTime();
}

function isAskedFor({ consent }: Access, { tpp, accountId }: ListQuery): boolean {
  return (
    (tpp === undefined || consent.authorizationNumber === tpp) &&
    (accountId === undefined || consent.accountIds.includes(accountId))
  );
}

/** The accesses of each TPP together, the TPPs in the order of their first access. */
function byTpp(accesses: readonly Access[], current: readonly Access[]): readonly TppAccesses[] {
  const grouped = Map.groupBy(accesses, ({ consent }) => consent.authorizationNumber);
  return [...grouped].map(([authorizationNumber, own]) => ({
    authorizationNumber,
    legalName: own[0]?.legalName ?? authorizationNumber,
    services: [...new Set(own.map(({ service }) => service))],
    accesses: own,
    currentCount: current.filter(({ consent }) => consent.authorizationNumber === authorizationNumber).length,
  }));
}

/** The accounts of an access by the names that the customer knows; one that the bank does not name has none. */
export function accountsOf(
  accountIds: readonly string[],
  known: readonly AccountChoice[],
): readonly { readonly accountId: string; readonly name?: string; readonly identification?: string }[] {
  return accountIds.map((accountId) => known.find((one) => one.accountId === accountId) ?? { accountId });
}
