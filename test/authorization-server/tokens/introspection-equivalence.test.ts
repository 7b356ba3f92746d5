import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { AdapterPayload } from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdapterFactory } from '../../../src/authorization-server/models/adapter.ts';
import { GrantRevocation } from '../../../src/authorization-server/models/grant-revocation.ts';
import { RecordLimits } from '../../../src/authorization-server/models/record-limits.ts';
import { newIdentifier } from '../../../src/authorization-server/provider-internals.ts';
import {
  RevokedGrants,
  statusIdHash,
} from '../../../src/authorization-server/token-status/revoked-grants.ts';
import { epochSeconds, systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

/*
 * The short way of an introspection by a TPP and the provider's own way, over generated records: the same bytes, the same
 * headers. A hint makes a request take the provider's way.
 */

const folder = mkdtempSync(join(tmpdir(), 'tallystick-introspection-'));
const RUNS = 120;
const OWN = ['date', 'x-request-id', 'content-length'];
/** The store keeps each record for so long, whatever its `exp` is. */
const KEPT_SECONDS = 120;

let store: Store;
let sandbox: TestSandbox;
let models: ReturnType<typeof createAdapterFactory>;
beforeAll(async () => {
  const file = join(folder, 'bank.sqlite');
  store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
  sandbox = await startTestSandbox({ store });
  const secret = Buffer.from(readFileSync(pathsOf(sandbox.folder).secret, 'utf8').trim(), 'base64url');
  const tokenStatus = new RevokedGrants({ store, clock: systemClock, hashId: statusIdHash(secret) });
  const grants = new GrantRevocation({ store, clock: systemClock, secret, tokenStatus });
  const limits = new RecordLimits({ pushedRequestsPerMinute: 1000, recordsPerMinute: 1000 });
  models = createAdapterFactory({ store, secret, clock: systemClock, grants, limits });
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true });
});

const AGE = fc.oneof({ weight: 6, arbitrary: fc.constant(60) }, fc.constantFrom(-30, -5, 0));
const CLIENT = fc.oneof(
  { weight: 4, arbitrary: fc.constant('money-one-mtls') },
  fc.constantFrom('accounts-app-mtls', 'nobody'),
);
const ACCOUNT = fc.constantFrom('alice', 'alice', 'bob');
const EXTRA = fc.constantFrom(
  undefined,
  { roles: ['PSP_AI'], tpp: 'PSDGB-FCA-1' },
  // No claim may take the place of a fact.
  { active: false, client_id: 'x', exp: 1, iss: 'x', aud: 'x', scope: 'x', sub: 'x', cnf: {}, jti: 'x' },
  { token_type: 'x', authorization_details: [], sid: 'x' },
);
const CASE = fc.record({
  kind: fc.constantFrom('AccessToken' as const, 'ClientCredentials' as const),
  clientId: CLIENT,
  lives: AGE,
  extra: EXTRA,
  scope: fc.constantFrom(undefined, 'accounts'),
  sid: fc.constantFrom(undefined, 'sid'),
  bound: fc.constantFrom({}, { 'x5t#S256': 'thumbprint' }, { jkt: 'thumbprint' }),
  accountId: fc.option(ACCOUNT, { nil: undefined }),
  rar: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.constant([{ type: 'account-access' }])),
  grant: fc.option(
    fc.record({
      clientId: CLIENT,
      accountId: ACCOUNT,
      lives: AGE,
      isStored: fc.constantFrom(true, true, false),
    }),
    { nil: undefined },
  ),
});
type Case = typeof CASE extends fc.Arbitrary<infer T> ? T : never;

/** Stores the records of a case, and returns the token. */
async function stored({ kind, lives, bound, grant, ...facts }: Case): Promise<string> {
  const jti = newIdentifier();
  const now = epochSeconds(systemClock.now());
  const isCustomers = kind === 'AccessToken';
  const grantId = isCustomers && grant !== undefined ? `consent.${newIdentifier()}` : undefined;
  if (grantId !== undefined && grant?.isStored === true) {
    const { isStored: _, lives: grantLives, ...members } = grant;
    const payload = { kind: 'Grant', jti: grantId, iat: now, exp: now + grantLives, ...members };
    await models('Grant').upsert(grantId, payload, KEPT_SECONDS);
  }
  const { accountId, sid, ...ofBoth } = facts;
  const ofCustomer = isCustomers ? { accountId, sid, grantId } : {};
  const all = { kind, jti, iat: now, exp: now + lives, aud: 'the API', ...ofBoth, ...ofCustomer, ...bound };
  // As the provider writes them: without what is undefined.
  const payload: AdapterPayload = JSON.parse(JSON.stringify(all));
  await models(kind).upsert(jti, payload, KEPT_SECONDS);
  return jti;
}

async function answerAbout(token: string, hint: Record<string, string> = {}) {
  const form = { client_id: 'money-one-mtls', token, ...hint };
  const { status, text, headers } = await sandbox.post('money-one', '/introspect', form);
  return { status, text, headers: [...headers].filter(([name]) => !OWN.includes(name)) };
}

describe('the short way of an introspection by a TPP and the way of the provider', () => {
  it('have the same answers, byte by byte', async () => {
    const answers: string[] = [];
    await fc.assert(
      fc.asyncProperty(CASE, async (one) => {
        const token = await stored(one);
        const short = await answerAbout(token);
        expect(short).toEqual(await answerAbout(token, { token_type_hint: 'access_token' }));
        answers.push(short.text);
      }),
      { seed: 17, numRuns: RUNS, endOnFailure: true },
    );
    const active = answers.filter((text) => text.includes('"active":true')).length;
    expect(active).toBeGreaterThan(RUNS / 10);
    expect(active).toBeLessThan(RUNS);
  }, 60_000);
});
