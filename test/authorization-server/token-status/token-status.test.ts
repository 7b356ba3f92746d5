import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RegisteredClient } from '../../../src/authorization-server/clients/registered-client.ts';
import { RevokedCertificates } from '../../../src/authorization-server/token-status/revoked-certificates.ts';
import { PrivateKeys } from '../../../src/authorization-server/signing/private-keys.ts';
import type { Signer } from '../../../src/authorization-server/signing/signer.ts';
import { createSigningKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import {
  type HolderRules,
  isHolderAuthorised,
  type HolderCertificate,
  type TokenHolder,
} from '../../../src/authorization-server/token-status/token-holder.ts';
import {
  type StatusClaim,
  TokenStatus,
} from '../../../src/authorization-server/token-status/token-status.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { AuthorisationStatus } from '../../../src/tpp/authorisation-status.ts';
import { createBlockList } from '../../../src/tpp/block-list/block-list.ts';
import { checkedCertificates } from '../../../src/x509/revocation/revocation-pointers.ts';
import { createRegistry, type TppRecord } from '../../../tpp-registry/index.ts';
import { clientOf } from '../registered-client.ts';
import { chainOf } from '../../x509/checked-path.ts';

const START = new Date('2026-11-24T12:00:00Z');
const BASE = 'https://as.bank.example/status-lists/';

const acme: Required<TokenHolder> & { readonly certificate: HolderCertificate } = {
  clientId: 'acme',
  authorizationNumber: 'PSDGB-FCA-100',
  nca: 'GB-FCA',
  roles: ['PSP_AI'],
  certificate: { issuer: 'CN=CA', issuerKeyHash: 'ab'.repeat(32), serialNumber: '01' },
};
const bolt: TokenHolder = {
  ...acme,
  clientId: 'bolt',
  authorizationNumber: 'PSDGB-FCA-200',
  certificate: { issuer: 'CN=CA', issuerKeyHash: 'ab'.repeat(32), serialNumber: '02' },
};
const WHY = { reason: 'fraud', since: START };
const record = (authorizationNumber: string, change: Partial<TppRecord> = {}): TppRecord => ({
  authorizationNumber,
  legalName: 'A TPP',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: new Set(['PSP_AI']),
  passportedCountries: [],
  status: 'active',
  statusSince: START,
  ...change,
});

let folder: string;
let now: Date;
let store: Store;
let writes: number;
let signer: Signer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-status-'));
  now = START;
  writes = 0;
  signer = new PrivateKeys((await createSigningKeys()).keys);
  const opened = await openSqliteStore({
    file: join(folder, 's.sqlite'),
    clock: { now: () => now },
    log: silentLog,
  });
  store = {
    ...opened,
    put: (...args) => {
      writes += 1;
      return opened.put(...args);
    },
    putIfAbsent: (...args) => {
      writes += 1;
      return opened.putIfAbsent(...args);
    },
  };
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

interface Facts extends Pick<HolderRules, 'isRevoked'> {
  readonly records?: readonly TppRecord[];
  readonly hostCountry?: string;
  readonly blocks?: Parameters<typeof createBlockList>[0];
  readonly clients?: readonly RegisteredClient[];
}

const CLIENTS = [clientOf('acme', 'PSDGB-FCA-100'), clientOf('bolt', 'PSDGB-FCA-200')];

function open(facts: Facts = {}): TokenStatus {
  const both = [record('PSDGB-FCA-100'), record('PSDGB-FCA-200')];
  const { records = both, blocks = [], clients = CLIENTS, ...rest } = facts;
  const clock = { now: () => now };
  const rules: HolderRules = {
    authorisationStatus: new AuthorisationStatus({
      registry: createRegistry(records, START),
      blockList: createBlockList(blocks),
      ...rest,
    }),
    clients: { find: (clientId) => clients.find((client) => client.client_id === clientId) },
    ...rest,
  };
  return new TokenStatus({
    store,
    accessTokenSeconds: 600,
    hashId: (id) => `h(${id})`,
    authorisedHolders: async () => (holder) => isHolderAuthorised(holder, rules),
    revokedCertificates: new RevokedCertificates({ store, clock, log: silentLog }),
    clock,
    signer,
    issuer: 'https://as.bank.example',
    listBaseUrl: BASE,
  });
}

const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};

/** What a resource server reads in the signed list. */
async function isSet(status: TokenStatus, { status_list: { idx, uri } }: StatusClaim): Promise<boolean> {
  const list = await status.lists.current(Number(uri.slice(BASE.length)));
  const { lst } = decodeJwt<{ status_list: { lst: string } }>(list?.jwt ?? '').status_list;
  const bits = inflateSync(Buffer.from(lst, 'base64url'));
  return (bits.readUInt8(idx >> 3) & (1 << (idx & 7))) !== 0;
}

describe('a status reference', () => {
  it('is one of its own for each token without a grant, at hardly any write', async () => {
    const status = open();
    const claims = await Promise.all(Array.from({ length: 2000 }, () => status.reference(acme, undefined)));
    expect(new Set(claims.map((claim) => JSON.stringify(claim))).size).toBe(2000);
    expect(writes).toBeLessThan(8);
  });

  it('is shared by the tokens of a grant on one certificate for one token life', async () => {
    const status = open();
    const [one, same] = [await status.reference(acme, 'g'), await status.reference(acme, 'g')];
    expect(same).toEqual(one);
    const renewed = {
      ...acme,
      certificate: { issuer: 'CN=CA', issuerKeyHash: 'ab'.repeat(32), serialNumber: '99' },
    };
    expect(await status.reference(renewed, 'g')).not.toEqual(one);
    expect(await status.reference(acme, 'h')).not.toEqual(one);
    later(601);
    expect(await status.reference(acme, 'g')).not.toEqual(one);
  });

  it('is not shared by certificates that only look the same: another key of the issuer, another role', async () => {
    const status = open();
    const claims = await Promise.all(
      [
        acme,
        { ...acme, certificate: { ...acme.certificate, issuerKeyHash: 'cd'.repeat(32) } },
        { ...acme, roles: [] },
        { ...acme, nca: 'GB-PRA' },
      ].map((holder) => status.reference(holder, undefined)),
    );
    // Blocks of their own: the first numbers of different blocks, not of one in a row.
    const places = claims.map(({ status_list: { idx } }) => idx).toSorted((a, b) => a - b);
    expect(places.every((idx, at) => at === 0 || idx - (places[at - 1] ?? 0) >= 64)).toBe(true);
  });

  it('never collides between two processes that share the store', async () => {
    const [one, two] = [open(), open()];
    const claims = await Promise.all(
      Array.from({ length: 600 }, (_, at) =>
        (at % 2 === 0 ? one : two).reference(at % 3 === 0 ? acme : bolt, undefined),
      ),
    );
    expect(new Set(claims.map((claim) => JSON.stringify(claim))).size).toBe(600);
    const [first, second] = await Promise.all([one.reference(acme, 'g'), two.reference(acme, 'g')]);
    expect(await two.reference(acme, 'g')).toEqual(first);
    expect(first).toEqual(second);
  });
});

describe('a status list', () => {
  const troubles: readonly [title: string, facts: Facts][] = [
    [
      'TPP was withdrawn',
      { records: [record('PSDGB-FCA-100', { status: 'withdrawn' }), record('PSDGB-FCA-200')] },
    ],
    [
      'TPP was suspended',
      { records: [record('PSDGB-FCA-100', { status: 'suspended' }), record('PSDGB-FCA-200')] },
    ],
    ['TPP left the registry', { records: [record('PSDGB-FCA-200')] }],
    [
      'TPP lost a role of the token',
      { records: [record('PSDGB-FCA-100', { roles: new Set(['PSP_PI']) }), record('PSDGB-FCA-200')] },
    ],
    ['client was removed', { clients: CLIENTS.slice(1) }],
    [
      'client now belongs to another TPP',
      { clients: [clientOf('acme', 'PSDGB-FCA-300'), ...CLIENTS.slice(1)] },
    ],
    [
      'certificate was blocked by issuer and serial number (A5)',
      { blocks: [{ kind: 'certificate', issuer: 'CN=CA', serialNumber: '1', ...WHY }] },
    ],
    [
      'TPP was blocked',
      { blocks: [{ kind: 'tpp', authorizationNumber: 'PSDGB-FCA-100', nca: 'GB-FCA', ...WHY }] },
    ],
    ['certificate is known to be revoked', { isRevoked: ({ serialNumber }) => serialNumber === '01' }],
  ];
  it.each(troubles)('has the entries of a holder whose %s, and of nobody else', async (_title, facts) => {
    const good = open();
    const [grantless, granted, other] = [
      await good.reference(acme, undefined),
      await good.reference(acme, 'g'),
      await good.reference(bolt, undefined),
    ];
    expect([await isSet(good, grantless), await isSet(good, granted), await isSet(good, other)]).toEqual([
      false,
      false,
      false,
    ]);
    const bad = open(facts);
    expect([await isSet(bad, grantless), await isSet(bad, granted), await isSet(bad, other)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(await bad.isLive(grantless)).toBe(false);
    expect(await bad.isLive(other)).toBe(true);
  });

  it('has the entries of a TPP that is no longer passported into the country', async () => {
    const french = { ...acme, authorizationNumber: 'PSDFR-ACPR-300', nca: 'FR-ACPR' };
    const clients = [clientOf('acme', 'PSDFR-ACPR-300')];
    const inFrance = { country: 'FR', nca: { id: 'FR-ACPR' } };
    const good = open({
      hostCountry: 'GB',
      clients,
      records: [record('PSDFR-ACPR-300', { ...inFrance, passportedCountries: ['GB'] })],
    });
    const claim = await good.reference(french, undefined);
    expect(await isSet(good, claim)).toBe(false);
    expect(
      await isSet(open({ hostCountry: 'GB', clients, records: [record('PSDFR-ACPR-300', inFrance)] }), claim),
    ).toBe(true);
  });

  it('has the entries of a client that moved to another authority with the same number (G6)', async () => {
    const number = 'NTRGB-09215384';
    const british = { ...acme, authorizationNumber: number };
    const records = [record(number), record(number, { nca: { id: 'IE-CBI' }, country: 'IE' })];
    const before = open({ records, clients: [clientOf('acme', number, 'GB-FCA')] });
    const claim = await before.reference(british, undefined);
    expect(await isSet(before, claim)).toBe(false);
    const after = open({ records, clients: [clientOf('acme', number, 'IE-CBI')] });
    expect(await isSet(after, claim)).toBe(true);
  });

  it('has a token that was revoked, and the next of its grant lives (RFC 7009 §2.1)', async () => {
    const status = open();
    const [one, other] = [await status.reference(acme, 'g'), await status.reference(acme, undefined)];
    await status.revoke(one);
    expect([await isSet(status, one), await isSet(status, other)]).toEqual([true, false]);
    const next = await status.reference(acme, 'g');
    expect(await isSet(status, next)).toBe(false);
  });

  it('has every entry of a grant that ended, and no token can be issued under it again (L2)', async () => {
    const status = open();
    const renewed = {
      ...acme,
      certificate: { issuer: 'CN=CA', issuerKeyHash: 'ab'.repeat(32), serialNumber: '99' },
    };
    const claims = [await status.reference(acme, 'g'), await status.reference(renewed, 'g')];
    later(601);
    claims.push(await status.reference(acme, 'g'));
    expect(await Promise.all(claims.map((claim) => isSet(status, claim)))).toEqual([false, false, false]);
    await status.revokeGrant('g', 'ended');
    expect(await Promise.all(claims.map((claim) => isSet(status, claim)))).toEqual([true, true, true]);
    later(601);
    await expect(status.reference(acme, 'g')).rejects.toMatchObject({ code: 'ERR_STORAGE_REVOKED' });
    expect(await isSet(status, await status.reference(acme, 'h'))).toBe(false);
  });

  it('has the entry that a grant takes while its end is being marked (J1)', async () => {
    const status = open();
    await status.reference(acme, 'g');
    later(601);
    const { putIfAbsent } = store;
    const taken: StatusClaim[] = [];
    store.putIfAbsent = async (kind, ...rest) => {
      if (kind === 'StatusGrantEnded') taken.push(await status.reference(acme, 'g'));
      return putIfAbsent(kind, ...rest);
    };
    await status.revokeGrant('g', 'ended');
    expect(await Promise.all(taken.map((claim) => isSet(status, claim)))).toEqual([true]);
  });

  it('has the entries of a grant whose code was used twice, also those that the first use still takes (J2)', async () => {
    const status = open();
    const known = await status.reference(acme, 'g');
    await status.revokeGrant('g', 'replayed');
    expect(await isSet(status, known)).toBe(true);
    expect(await isSet(status, await status.reference(acme, 'g'))).toBe(true);
    // Another end of the grant does not make the first use fail.
    await status.revokeGrant('g', 'ended');
    later(601);
    expect(await isSet(status, await status.reference(acme, 'g'))).toBe(true);
    expect([await status.isReplayed('g'), await status.isReplayed('h')]).toEqual([true, false]);
    await status.revokeGrant('h', 'ended');
    await status.revokeGrant('h', 'replayed');
    expect(await isSet(status, await status.reference(acme, 'h'))).toBe(true);
  });

  it('leaves no token alive that is issued while its grant ends, in 50 rounds (J1)', async () => {
    const [one, two] = [open(), open()];
    for (let round = 0; round < 50; round += 1) {
      const issued = Promise.allSettled(Array.from({ length: 4 }, () => one.reference(acme, `g${round}`)));
      if (round % 2 === 0) await Promise.resolve();
      await two.revokeGrant(`g${round}`, 'ended');
      for (const result of await issued) {
        if (result.status === 'fulfilled') expect(await isSet(two, result.value)).toBe(true);
      }
    }
  });

  it('shows a revocation of another process to the next reader, whatever was served a moment before', async () => {
    const [one, two] = [open(), open()];
    const claims = await Promise.all(Array.from({ length: 20 }, () => one.reference(acme, undefined)));
    for (const claim of claims) {
      expect(await isSet(one, claim)).toBe(false);
      const early = isSet(one, claim);
      await two.revoke(claim);
      expect(await isSet(one, claim)).toBe(true);
      await early;
    }
  });

  it('is read from the store once for all that wait for it, and is signed once', async () => {
    const status = open();
    await status.reference(acme, undefined);
    const first = await status.lists.current(0);
    let reads = 0;
    const { findBits } = store;
    store.findBits = (bitmap) => {
      reads += 1;
      return findBits(bitmap);
    };
    const seen = await Promise.all(Array.from({ length: 100 }, () => status.lists.current(0)));
    expect(new Set([...seen, first])).toEqual(new Set([first]));
    expect(reads).toBe(2);
  });

  it('has the entries of a certificate that another process found revoked, and of no other (F3)', async () => {
    const status = open();
    const [found] = checkedCertificates(chainOf({ tpp: [], issuing: [] }).path);
    if (found === undefined) throw new Error('the path is too short');
    const claim = await status.reference(
      { ...acme, certificate: { issuer: 'CN=CA', ...found.key } },
      undefined,
    );
    const other = await status.reference(acme, undefined);
    expect(await isSet(status, claim)).toBe(false);
    new RevokedCertificates({ store, clock: { now: () => now }, log: silentLog }).report(found);
    await expect
      .poll(
        () => {
          later(1);
          return isSet(status, claim);
        },
        { timeout: 10_000 },
      )
      .toBe(true);
    expect(await isSet(status, other)).toBe(false);
  });

  it('has the entries of a block that cannot be read', async () => {
    const status = open();
    const claim = await status.reference(acme, undefined);
    const list = { list: '0' };
    await store.put('StatusBlock', String(claim.status_list.idx), { value: { count: 'x' }, indexes: list });
    later(1);
    expect(await isSet(status, claim)).toBe(true);
  });

  it('keeps its entity tag while it says the same, and is signed anew before it ends', async () => {
    const status = open();
    const claim = await status.reference(acme, undefined);
    const etag = async () => (await status.lists.current(0))?.etag;
    const first = await etag();
    expect(first).toBeDefined();
    later(10);
    expect(await etag()).toBe(first);
    later(11);
    const second = await etag();
    expect(second).not.toBe(first);
    await status.revoke(claim);
    expect(await etag()).not.toBe(second);
  });

  it('is read from the store as one bitmap, with one revocation or a thousand, and not again at each', async () => {
    const [status, other] = [open(), open()];
    const claims = await Promise.all(Array.from({ length: 1000 }, () => status.reference(acme, undefined)));
    const reads: string[] = [];
    const { listByIndex, findBits } = store;
    store.listByIndex = (kind, ...rest) => {
      reads.push(kind);
      return listByIndex(kind, ...rest);
    };
    store.findBits = async (bitmap) => {
      const bits = await findBits(bitmap);
      reads.push(`${bits.length <= 16_384 ? 'a bitmap' : 'too much'}`);
      return bits;
    };
    const [first, ...more] = claims;
    const last = more.pop();
    if (first === undefined || last === undefined) throw new Error('no claims');
    const once = ['RevokedCertificate', 'StatusBlock', 'a bitmap'];
    for (const some of [[first], more]) {
      reads.length = 0;
      later(1);
      expect(await status.isLive(last)).toBe(true);
      expect(reads.toSorted()).toEqual(once);
      await Promise.all(some.map((claim) => status.revoke(claim)));
      for (const claim of some) expect(await status.isLive(claim)).toBe(false);
      expect(await status.isLive(last)).toBe(true);
      expect(reads.toSorted()).toEqual(once);
    }
    reads.length = 0;
    expect([await other.isLive(first), await other.isLive(last)]).toEqual([false, true]);
    expect(reads.toSorted()).toEqual(once);
  });

  it('is signed when it is read, and not for an introspection', async () => {
    let signatures = 0;
    const { sign } = signer;
    signer.sign = (...words) => {
      signatures += 1;
      return sign.apply(signer, words);
    };
    const status = open();
    const claim = await status.reference(acme, undefined);
    expect(await status.isLive(claim)).toBe(true);
    await status.revoke(claim);
    expect([await status.isLive(claim), signatures]).toEqual([false, 0]);
    const [one, same] = await Promise.all([status.lists.current(0), status.lists.current(0)]);
    expect([one, signatures]).toEqual([same, 1]);
  });

  it('does not exist where no token refers to it, so that strangers fill no memory', async () => {
    const status = open();
    expect(await status.lists.current(0)).toBeUndefined();
    await status.reference(acme, undefined);
    expect(await status.lists.current(0)).toBeDefined();
    expect(await status.lists.current(12_345)).toBeUndefined();
  });

  it('has each of many revocations by two processes at once', async () => {
    const [one, two] = [open(), open()];
    const claims = await Promise.all(Array.from({ length: 400 }, () => one.reference(acme, undefined)));
    const end = claims.slice(0, 300);
    await Promise.all(end.map((claim, at) => (at % 2 === 0 ? one : two).revoke(claim)));
    later(1);
    for (const status of [one, two, open()]) {
      expect(await Promise.all(claims.map((claim) => status.isLive(claim)))).toEqual(
        claims.map((_, at) => at >= 300),
      );
    }
  });
});
