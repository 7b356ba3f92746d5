import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RevokedCertificates } from '../../../src/authorization-server/token-status/revoked-certificates.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import {
  type CheckedCertificate,
  checkedCertificates,
} from '../../../src/x509/revocation/revocation-pointers.ts';
import type { RevocationKey } from '../../../src/x509/revocation/revocation-pointers.ts';
import { NOW } from '../../x509/certificate-factory.ts';
import { chainOf } from '../../x509/checked-path.ts';

const POLL = { timeout: 5000, interval: 20 };

let folder: string;
let now: Date;
let store: Store;
let isAway: boolean;
let writes: number;
let warned: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-revoked-'));
  now = NOW;
  [isAway, writes, warned] = [false, 0, []];
  const opened = await openSqliteStore({ file: join(folder, 's.sqlite'), clock, log: silentLog });
  const reach = (operation: string) => {
    if (isAway) throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
  };
  store = {
    ...opened,
    putIfAbsent: async (...args) => {
      writes += 1;
      reach('putIfAbsent');
      return opened.putIfAbsent(...args);
    },
    listByIndex: async (...args) => {
      reach('listByIndex');
      return opened.listByIndex(...args);
    },
  };
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

const clock = { now: () => now };

function open(onLearned: (key: RevocationKey) => void = () => undefined): RevokedCertificates {
  const log = { emit: (event: string) => void warned.push(event) };
  return new RevokedCertificates({ store, clock, log, onLearned });
}

const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};

function found(): readonly [endEntity: CheckedCertificate, authority: CheckedCertificate] {
  const [endEntity, authority] = checkedCertificates(chainOf({ tpp: [], issuing: [] }).path);
  if (endEntity === undefined || authority === undefined) throw new Error('the path is too short');
  return [endEntity, authority];
}

/** Whether a process counts the certificate as revoked when it makes its next list. */
async function counts(one: RevokedCertificates, { key }: CheckedCertificate): Promise<boolean> {
  later(1);
  return (await one.read())(key);
}

describe('a certificate that one process reports as revoked', () => {
  it('is revoked for all, and no other one of the same serial number or issuer (F3, F23)', async () => {
    const [seeing, unaware] = [open(), open()];
    const [one, authority] = found();
    expect(await counts(unaware, one)).toBe(false);
    seeing.report(one);
    await expect.poll(() => counts(unaware, one), POLL).toBe(true);
    const sameSerial = { ...one, key: { ...one.key, issuerKeyHash: 'ab'.repeat(32) } };
    const sameIssuer = { ...one, key: { ...one.key, serialNumber: '77' } };
    for (const other of [sameSerial, sameIssuer, authority]) expect(await counts(unaware, other)).toBe(false);
  });

  it('is written once however often it is seen', async () => {
    const one = open();
    const [endEntity] = found();
    for (let time = 0; time < 50; time += 1) one.report(endEntity);
    await expect.poll(() => counts(one, endEntity), POLL).toBe(true);
    for (let time = 0; time < 50; time += 1) one.report(endEntity);
    await counts(one, endEntity);
    expect(writes).toBe(1);
  });

  it('is kept until its last day and not longer', async () => {
    const [seeing, unaware] = [open(), open()];
    const [one] = found();
    seeing.report(one);
    await expect.poll(() => counts(unaware, one), POLL).toBe(true);
    now = new Date(one.certificate.notAfter.getTime() - 10_000);
    expect(await counts(unaware, one)).toBe(true);
    now = one.certificate.notAfter;
    expect(await counts(unaware, one)).toBe(false);
    expect(await counts(seeing, one)).toBe(false);
    expect(writes).toBe(1);
  });

  it('is made known once to the process that did not find it', async () => {
    const learned: RevocationKey[] = [];
    const unheard: RevocationKey[] = [];
    const [seeing, unaware] = [open((key) => unheard.push(key)), open((key) => learned.push(key))];
    const [one] = found();
    seeing.report(one);
    await expect.poll(() => counts(unaware, one), POLL).toBe(true);
    for (const process of [seeing, unaware]) await counts(process, one);
    expect(learned).toEqual([one.key]);
    expect(unheard).toEqual([]);
  });

  it('is not reported when it is an authority: tokens are bound to end entities', async () => {
    const [, authority] = found();
    open().report(authority);
    await sleep(20);
    expect(writes).toBe(0);
  });
});

describe('while the store is away', () => {
  it('a report neither throws nor is lost: one warning, and it is shared with the next list', async () => {
    const [seeing, unaware] = [open(), open()];
    const [one] = found();
    isAway = true;
    seeing.report(one);
    await expect.poll(() => warned, POLL).toEqual(['revocation.unshared']);
    await expect(seeing.read()).rejects.toMatchObject({ code: 'ERR_STORAGE_UNAVAILABLE' });
    isAway = false;
    await expect.poll(async () => (await counts(seeing, one)) && counts(unaware, one), POLL).toBe(true);
    expect(warned).toHaveLength(1);
  });

  it('a report is tried again at the next sight, also when this process makes no list', async () => {
    const [seeing, unaware] = [open(), open()];
    const [one] = found();
    isAway = true;
    for (let time = 1; time < 4; time += 1) {
      seeing.report(one);
      await expect.poll(() => writes, POLL).toBe(time);
      await sleep(5);
    }
    expect(warned).toEqual(['revocation.unshared']);
    isAway = false;
    seeing.report(one);
    await expect.poll(() => counts(unaware, one), POLL).toBe(true);
  });

  it('and has lost what it had, as after a backup is restored, it gets it again', async () => {
    const [seeing, unaware] = [open(), open()];
    const [one] = found();
    seeing.report(one);
    await expect.poll(() => counts(seeing, one), POLL).toBe(true);
    await store.delete('RevokedCertificate', `${one.key.issuerKeyHash}.${one.key.serialNumber}`);
    expect(await counts(unaware, one)).toBe(false);
    await counts(seeing, one);
    await expect.poll(() => counts(unaware, one), POLL).toBe(true);
  });
});
