import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventFields, logTo, silentLog } from '../../src/events.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { SeenCertificates } from '../../src/tpp/seen-certificates.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { parsePem } from '../../src/x509/certificate/certificate.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const DAY = 86_400_000;
const inDays = (days: number) => new Date(NOW.getTime() + days * DAY);
const TPP = {
  authorizationNumber: 'PSDGB-FCA-123456',
  legalName: 'Acme Ltd',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: ['PSP_AI'],
  status: 'active',
  statusSince: '2026-01-31',
};

let now = NOW;
const clock = { now: () => now };
let folder = '';
let writes = 0;
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  now = NOW;
  writes = 0;
  folder = await mkdtemp(join(tmpdir(), 'tallystick-seen-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await rm(folder, { recursive: true });
});

/** A process of a server: all share one file. */
async function process(change: (store: Store) => Partial<Store> = () => ({})) {
  const store = await openSqliteStore({ file: join(folder, 'store.db'), clock, log: silentLog });
  const put: Store['put'] = (...record) => {
    writes += 1;
    return store.put(...record);
  };
  const events: { readonly name: string; readonly fields: EventFields }[] = [];
  const log = logTo((name, _definition, fields) => events.push({ name, fields }));
  const bound = {
    put,
    find: store.find.bind(store),
    listByIndex: store.listByIndex.bind(store),
    listPage: store.listPage.bind(store),
    putIfAbsent: store.putIfAbsent.bind(store),
  };
  const seen = new SeenCertificates({ store: { ...bound, ...change(store) } as Store, clock, log });
  closing.push(() => store.close());
  closing.push(() => seen.close());
  return { seen, events };
}

/** A certificate of the TPP, and a way to show it to processes. */
async function issued(notAfter: Date) {
  const period = { notBefore: new Date('2026-01-01'), notAfter: new Date('2030-01-01') };
  const root = await createAuthority({ name: 'Root', ...period });
  const { certificatePem } = await root.issue({
    profile: 'qwac',
    subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
    authorizationNumber: '123456',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    roles: ['PSP_AI'],
    notBefore: period.notBefore,
    notAfter,
  });
  const [der = Buffer.alloc(0)] = parsePem(certificatePem);
  const registry = createRegistry(parseTppRecords(JSON.stringify({ tpps: [TPP] }), { source: 'test' }), NOW);
  const trust = [{ current: createTrustProfile({ preset: 'own-ca', anchorsPem: root.certificatePem }) }];
  return async (seen: SeenCertificates) => {
    const authenticator = createTppAuthenticator({
      trust,
      authorisationStatus: new AuthorisationStatus({ registry }),
      clock,
      onAccepted: (credential, { legalName }) => seen.note(credential, legalName),
    });
    await authenticator.authenticate({ der });
    return der;
  };
}

const flushed = async (seen: SeenCertificates) => {
  await seen.close();
  return seen.list();
};

describe('the certificates seen', () => {
  it('hold up no stop while the store stands still', async () => {
    const show = await issued(inDays(400));
    const { seen } = await process(() => ({ find: () => new Promise(() => {}) }));
    await show(seen);
    await seen.close();
  });

  it('are written once a day, over all processes that share the store', async () => {
    const show = await issued(inDays(400));
    const [one, two] = [await process(), await process()];
    let der = Buffer.alloc(0);
    for (let times = 0; times < 3; times += 1) der = Buffer.from(await show(one.seen));
    const listed = await flushed(one.seen);
    expect(listed).toEqual([
      {
        thumbprint: expect.stringMatching(/^[\w-]{43}$/),
        authorizationNumber: 'PSDGB-FCA-123456',
        legalName: 'Acme Ltd',
        seenAt: NOW,
        notAfter: inDays(400),
      },
    ]);
    const chain = [der.toString('base64'), expect.any(String)];
    expect(await one.seen.find(listed[0]?.thumbprint ?? '')).toEqual({ ...listed[0], chain });
    expect(await one.seen.find('A'.repeat(43))).toBeUndefined();
    await show(two.seen);
    await flushed(two.seen);
    expect(writes).toBe(1);
    now = inDays(1);
    await show(two.seen);
    expect((await flushed(two.seen)).map(({ seenAt }) => seenAt)).toEqual([inDays(1)]);
    expect(writes).toBe(2);
  });

  it('are written together when many come, without a use that gets lost', async () => {
    const shows = await Promise.all(Array.from({ length: 5 }, () => issued(inDays(400))));
    let [reading, most] = [0, 0];
    const { seen } = await process((store) => ({
      find: async (...key) => {
        reading += 1;
        most = Math.max(most, reading);
        await setImmediate();
        reading -= 1;
        return store.find(...key);
      },
    }));
    for (const show of shows) await show(seen);
    const [first, ...others] = await flushed(seen);
    expect(others).toHaveLength(4);
    expect(most).toBe(5);
    expect(await seen.list(({ thumbprint }) => thumbprint === first?.thumbprint)).toEqual([first]);
  });

  it('are forgotten 90 days after the last use', async () => {
    const show = await issued(inDays(400));
    const { seen } = await process();
    await show(seen);
    await flushed(seen);
    now = inDays(89);
    expect(await seen.list()).toHaveLength(1);
    now = inDays(90);
    expect(await seen.list()).toEqual([]);
  });

  it('are reported 60, 14 and 3 days before their end: once each, over all processes', async () => {
    const show = await issued(inDays(61));
    const [one, two] = [await process(), await process()];
    const announced: (number | undefined)[] = [];
    for (let day = 0; day <= 62; day += 1) {
      now = inDays(day);
      if (day <= 50) await show(one.seen);
      await one.seen.close();
      await Promise.all([one.seen.announceEnds(), two.seen.announceEnds()]);
      const events = [...one.events.splice(0), ...two.events.splice(0)];
      announced.push(...events.map(({ fields }) => fields.count));
      for (const { name, fields } of events) {
        expect(name).toBe('tpp.certificate.ending');
        expect(fields).toMatchObject({
          authorizationNumber: 'PSDGB-FCA-123456',
          since: inDays(61).toISOString(),
          certificate: expect.stringMatching(/^[0-9a-f]{16}$/),
        });
      }
    }
    expect(announced).toEqual([60, 14, 3]);
  });

  it('are not reported when they are no longer in use', async () => {
    const show = await issued(inDays(70));
    const { seen, events } = await process();
    await show(seen);
    await seen.close();
    now = inDays(31);
    await seen.announceEnds();
    expect(events).toEqual([]);
  });

  it('cost no request anything while the store is away, and one event', async () => {
    const show = await issued(inDays(400));
    let isAway = true;
    const { seen, events } = await process((store) => ({
      find: (...key) => (isAway ? Promise.reject(new Error('away')) : store.find(...key)),
    }));
    await show(seen);
    await seen.close();
    await show(seen);
    await seen.close();
    expect(events.map(({ name }) => name)).toEqual(['tpp.certificate.unrecorded']);
    isAway = false;
    await show(seen);
    expect(await flushed(seen)).toHaveLength(1);
  });
});
