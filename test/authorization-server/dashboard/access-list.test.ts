import { describe, expect, it } from 'vitest';
import {
  accessesOf,
  addressOf,
  listPageOf,
  listQueryOf,
} from '../../../src/authorization-server/dashboard/access-list.ts';
import type { Consent, ConsentStatus } from '../../../src/consent/consent.ts';

const day = (at: number) => new Date(Date.UTC(2026, 0, at));

function consent(at: number, given: Partial<Consent> = {}): Consent {
  const to = 'authorised' as const;
  return {
    consentId: `c${at}`,
    status: 'authorised',
    reference: 'scope',
    clientId: 'client',
    authorizationNumber: `PSDGB-FCA-${at % 3}`,
    requester: { service: `Service ${at}`, legalName: `Company ${at % 3}` },
    details: [],
    contentHash: '',
    scopes: ['accounts'],
    accountIds: [`acc-${at % 2}`],
    createdAt: day(at),
    statusChangedAt: day(at),
    expiresAt: day(400),
    history: [{ number: 1, at: day(at).toISOString(), to, by: { kind: 'customer' } }],
    ...given,
  };
}

const page = (consents: readonly Consent[], query = '') =>
  listPageOf(accessesOf(consents), listQueryOf(new URLSearchParams(query)));
const idsOf = (consents: readonly Consent[], query = '') =>
  page(consents, query).tpps.flatMap(({ accesses }) => accesses.map((one) => one.consent.consentId));
const ended = (at: number, status: ConsentStatus, by: 'customer' | 'tpp' | 'bank' = 'tpp') => {
  const before = consent(at);
  const change = { number: 2, at: day(at + 1).toISOString(), to: status, by: { kind: by } };
  return consent(at, { status, statusChangedAt: day(at + 1), history: [...before.history, change] });
};

describe('the accesses of a customer', () => {
  it('are those that were allowed once: no request that waits, or that was rejected', () => {
    const never = { history: [] };
    const all = [
      consent(1),
      consent(2, { status: 'awaiting-authorisation', ...never }),
      consent(3, { status: 'rejected', ...never }),
      consent(4, { status: 'revoked', ...never }),
      ended(5, 'revoked'),
    ];
    expect(accessesOf(all).map((one) => one.consent.consentId)).toEqual(['c1', 'c5']);
  });

  it('say when and by whom they ended', () => {
    expect(accessesOf([ended(1, 'revoked', 'bank')])).toMatchObject([
      { isCurrent: false, endedAt: day(2), endedBy: 'bank' },
    ]);
    const [expired] = accessesOf([consent(1, { status: 'expired', expiresAt: day(9) })]);
    expect(expired).toMatchObject({ endedAt: day(9) });
    expect(expired?.endedBy).toBeUndefined();
  });

  it('are current or ended, the newest first, ten a page', () => {
    const many = [...Array.from({ length: 23 }, (_, at) => consent(at + 1)), ended(30, 'consumed')];
    expect(idsOf(many)).toHaveLength(10);
    expect(page(many)).toMatchObject({ pageCount: 3, counts: { current: 23, ended: 1 }, hasFilters: true });
    expect(idsOf(many, 'page=3')).toHaveLength(3);
    expect(idsOf(many, 'shown=ended')).toEqual(['c30']);
    expect(page(many, 'page=99').query.page).toBe(3);
    expect(page(many.slice(0, 5)).hasFilters).toBe(false);
  });

  it('can be narrowed to one company or account, and ordered', () => {
    const many = Array.from({ length: 6 }, (_, at) => consent(at + 1));
    expect(idsOf(many, 'tpp=PSDGB-FCA-1')).toEqual(['c4', 'c1']);
    expect(idsOf(many, 'account=acc-0&sort=oldest').toSorted()).toEqual(['c2', 'c4', 'c6']);
    expect(idsOf(many, 'tpp=PSDGB-FCA-1&sort=oldest')).toEqual(['c1', 'c4']);
    expect(idsOf(many, 'tpp=unknown')).toEqual([]);
    expect(page(many).tpps.map(({ currentCount }) => currentCount)).toEqual([2, 2, 2]);
  });

  it.each(['page=0', 'page=-1', 'page=1.5', 'page=9e9', 'page=x', 'sort=random', 'shown=all', 'tpp=', ''])(
    'are the first page as usual for an address with %j',
    (query) => {
      expect(listQueryOf(new URLSearchParams(query))).toEqual({
        shown: 'current',
        tpp: undefined,
        accountId: undefined,
        sort: 'newest',
        page: 1,
      });
    },
  );

  it('have addresses that lead back to the same query', () => {
    const query = listQueryOf(new URLSearchParams('shown=ended&tpp=A%26B&account=1&sort=name&page=7'));
    const address = addressOf('/consents', query);
    expect(listQueryOf(new URL(address, 'https://bank.example').searchParams)).toEqual(query);
    expect(addressOf('/consents', listQueryOf(new URLSearchParams()))).toBe('/consents');
  });
});
