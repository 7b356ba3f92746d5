import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Ports } from '../../durability/bank.ts';
import { type GatedStore, gatedStore } from '../../durability/gated-store.ts';
import { claimsOf, codeOf, Tpp } from '../../durability/tpp.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

describe('the redirect that ends the way through the pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-redirect-'));
  let gated: GatedStore;
  let sandbox: TestSandbox;
  let tpp: Tpp;
  let to: { readonly ports: Ports };
  beforeAll(async () => {
    const file = join(folder, 'store.sqlite');
    gated = gatedStore(await openSqliteStore({ file, clock: systemClock, log: silentLog }), () => {});
    sandbox = await startTestSandbox({ store: gated.store });
    tpp = new Tpp(sandbox);
    const { issuer, mtlsUrl } = sandbox.description;
    const [front = 0, mtls = 0] = [issuer, mtlsUrl].map((url) => Number(new URL(url).port));
    to = { ports: { front, mtls, health: 0 } };
  });
  afterAll(async () => {
    tpp.close();
    await sandbox.stop();
    rmSync(folder, { recursive: true });
  });
  const walked = async () => tpp.walk(to, (await tpp.pushed(to)).requestUri);

  it('comes to whoever logged in, though the browser holds the session of another customer', async () => {
    const cookies = new Map<string, string>();
    const owners = new Set<string>();
    for (const customer of [0, 1, 0]) {
      const { requestUri, verifier } = await tpp.pushed(to);
      const walk = await tpp.walk(to, requestUri, { cookies, customer });
      const code = codeOf(await walk.end()) ?? '';
      const { json } = await tpp.exchange(to, { code, verifier });
      const consent = await sandbox.server.consents.find(
        String(claimsOf(String(json.access_token)).consent_id),
      );
      expect(consent?.psuId).toBe(claimsOf(String(json.id_token)).sub);
      owners.add(String(consent?.psuId));
    }
    expect(owners.size).toBe(2);
  });

  it('changes no session before the authorization is proved to be of this browser (K18)', async () => {
    const victim = new Map<string, string>();
    const own = await tpp.walk(to, (await tpp.pushed(to)).requestUri, { cookies: victim, customer: 1 });
    expect(codeOf(await own.end())).toBeDefined();
    const cookies = new Map<string, string>();
    const { path } = await tpp.walk(to, (await tpp.pushed(to)).requestUri, { cookies, customer: 0 });
    const of = (jar: Map<string, string>, name: string) => [...jar].filter(([key]) => key.startsWith(name));
    const session = of(victim, '__Host-session');
    const forged: [string, string] = ['__Secure-resume', path.split('/').at(-1) ?? ''];
    const sent = async (fields: [string, string][]) => {
      gated.trace();
      const answer = await tpp.browse(to, path, { cookies: new Map(fields) });
      expect([answer.status, codeOf(answer)]).toEqual([400, undefined]);
      return gated.trace();
    };
    // A link to the attacker's authorization: its cookie is missing, or is not signed. The provider prolongs the session.
    for (const fields of [session, [...session, forged]]) {
      expect(await sent(fields)).toEqual(['find Session', 'put Session']);
    }
    // The cookie is there, and the session is not the one with which the authorization began.
    await sent([...session, ...of(cookies, '__Secure-resume')]);
    const after = await tpp.walk(to, (await tpp.pushed(to)).requestUri, { cookies: victim, customer: 1 });
    expect(codeOf(await after.end())).toBeDefined();
  });

  it('is 503 wherever the store fails, and gives no code (M1)', async () => {
    let isWhole = false;
    let failed = 0;
    for (let at = 1; !isWhole; at += 1) {
      const walk = await walked();
      gated.arm({ at, when: 'before', what: 'fail' });
      const { status, headers, text } = await walk.end();
      gated.release();
      isWhole = status === 303;
      if (!isWhole) {
        failed += 1;
        const { location, 'retry-after': retryAfter } = headers;
        expect([at, status, location, retryAfter !== undefined]).toEqual([at, 503, undefined, true]);
        expect(text).toContain(`id="again" href="${walk.path}"`);
        expect(text).not.toContain('Nothing has been shared');
      }
    }
    expect(failed).toBe(9);
  });
});
