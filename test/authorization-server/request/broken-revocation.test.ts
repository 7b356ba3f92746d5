import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { type GatedStore, gatedStore } from '../../durability/gated-store.ts';
import { Tpp } from '../../durability/tpp.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

describe('a refresh token whose revocation breaks off', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-revocation-'));
  let gated: GatedStore;
  let sandbox: TestSandbox;
  let tpp: Tpp;
  beforeAll(async () => {
    const file = join(folder, 'store.sqlite');
    gated = gatedStore(await openSqliteStore({ file, clock: systemClock, log: silentLog }), () => {});
    sandbox = await startTestSandbox({ store: gated.store });
    tpp = new Tpp(sandbox);
  });
  afterAll(async () => {
    tpp.close();
    await sandbox.stop();
    rmSync(folder, { recursive: true });
  });
  const to = () => {
    const [front = 0, mtls = 0] = [sandbox.description.issuer, sandbox.description.mtlsUrl].map((url) =>
      Number(new URL(url).port),
    );
    return { ports: { front, mtls, health: 0 } };
  };

  it('is dead with its access token when a repetition has said so, wherever it broke off (RFC 7009 §2.2.1)', async () => {
    let isWhole = false;
    let brokenOff = 0;
    for (let at = 1; !isWhole; at += 1) {
      const { json } = await tpp.exchange(to(), await tpp.code(to()));
      gated.arm({ at, when: 'before', what: 'fail' });
      const first = await tpp.revoke(to(), json.refresh_token);
      gated.release();
      isWhole = first.status === 200;
      expect([200, 503]).toContain(first.status);
      if (!isWhole) {
        brokenOff += 1;
        expect([at, (await tpp.revoke(to(), json.refresh_token)).status]).toEqual([at, 200]);
      }
      expect([at, (await tpp.refresh(to(), json.refresh_token)).status]).toEqual([at, 400]);
      await expect
        .poll(() => tpp.isLive(to(), json.access_token), { message: `${at}`, timeout: 3000 })
        .toBe(false);
    }
    expect(brokenOff).toBeGreaterThan(5);
  });

  it('is dead with its access token when a replay of its code was answered, wherever another broke off (RFC 6749 §4.1.2)', async () => {
    let isWhole = false;
    let brokenOff = 0;
    for (let at = 1; !isWhole; at += 1) {
      const code = await tpp.code(to());
      const { json } = await tpp.exchange(to(), code);
      gated.arm({ at, when: 'before', what: 'fail' });
      const first = await tpp.exchange(to(), code);
      gated.release();
      isWhole = first.status === 400;
      expect([400, 503]).toContain(first.status);
      if (!isWhole) {
        brokenOff += 1;
        expect([at, (await tpp.exchange(to(), code)).status]).toEqual([at, 400]);
      }
      expect([at, (await tpp.refresh(to(), json.refresh_token)).status]).toEqual([at, 400]);
      await expect
        .poll(() => tpp.isLive(to(), json.access_token), { message: `${at}`, timeout: 3000 })
        .toBe(false);
    }
    expect(brokenOff).toBeGreaterThan(5);
  });
});
