import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { importJWK, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { RecordToStore, Store } from '../../../src/storage/store.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

/*
 * The short way of `client_credentials` and the provider's own way, over generated requests: the same answer, the same
 * rows in the store, the same events. A parameter that the provider ignores makes a request take the provider's way.
 */

const folder = mkdtempSync(join(tmpdir(), 'tallystick-direct-'));
const RUNS = 40;
/** The kinds of records that a token request writes by itself. */
const KINDS = ['ClientCredentials', 'ReplayDetection'];

let sandbox: TestSandbox;
let rows: { readonly kind: string; readonly lives: number; readonly value: unknown }[] = [];

beforeAll(async () => {
  const store = await openSqliteStore({
    file: join(folder, 'bank.sqlite'),
    clock: systemClock,
    log: silentLog,
  });
  sandbox = await startTestSandbox({
    store: recording(store),
    amendConfiguration: (configuration) => ({ ...configuration, accessToken: { format: 'opaque' } }),
  });
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true });
});

function recording(store: Store): Store {
  const note = (kind: string, { value, expiresAt }: RecordToStore) => {
    if (!KINDS.includes(kind)) return;
    // Two requests of one case may lie in two seconds.
    const lives = Math.round((Number(expiresAt) - Date.now()) / 10_000);
    rows.push({ kind, lives, value: readable(value) });
  };
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      const method: unknown = target[name];
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        const done: unknown = method.apply(target, args);
        if (name !== 'put' && name !== 'putIfAbsent') return done;
        return Promise.resolve(done).then((isWritten) => {
          if (isWritten !== false) note(args[0] as string, args[2] as RecordToStore);
          return isWritten;
        });
      };
    },
  });
}

/** The claims of a stored token without those that are new in each. */
function readable(value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith('{')) return value;
  const claims: unknown = JSON.parse(value.slice(0, value.lastIndexOf('}') + 1));
  return JSON.parse(JSON.stringify(claims), (name, inner) =>
    ['jti', 'iat', 'exp', 'idx'].includes(name) ? typeof inner : inner,
  );
}

interface Case {
  readonly tpp: string;
  readonly clientId: string | undefined;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
  readonly assertion: (typeof ASSERTIONS)[number];
  readonly isReversed: boolean;
}

const ASSERTIONS = [
  'none',
  'good',
  'of another key',
  'for another server',
  'expired',
  'without a jti',
  'of another client',
  'used before',
  'no JWT',
  'without its type',
] as const;

const CASE: fc.Arbitrary<Case> = fc.record({
  tpp: fc.oneof({ weight: 6, arbitrary: fc.constant('money-one') }, fc.constant('accounts-app')),
  clientId: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('money-one-mtls', 'money-one-jwt') },
    fc.constantFrom(undefined, '', 'accounts-app-mtls', 'nobody'),
  ),
  scope: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('accounts', 'accounts payments', 'payments accounts') },
    fc.constantFrom(undefined, '', 'everything', 'accounts  payments', 'accounts accounts', 'ä', 'openid'),
    fc.constant('accounts '.repeat(300).trim()),
  ),
  resource: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(undefined, 'THE API') },
    fc.constantFrom('', 'https://other.example/', 'no URL', 'THE API#part', `https://${'a'.repeat(2100)}/`),
  ),
  assertion: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('none' as const, 'good' as const) },
    fc.constantFrom(...ASSERTIONS),
  ),
  isReversed: fc.boolean(),
});

/** The form of a case, with an assertion of its own. */
async function formOf({ assertion, ...one }: Case): Promise<Record<string, string>> {
  const resource = one.resource?.replace('THE API', sandbox.description.resourceUrl);
  const form = {
    grant_type: 'client_credentials',
    client_id: one.clientId,
    scope: one.scope,
    resource,
    ...(assertion === 'none' ? {} : await signed(assertion)),
  };
  const entries = Object.entries(form).filter(([, value]) => value !== undefined) as [string, string][];
  return Object.fromEntries(one.isReversed ? entries.toReversed() : entries);
}

async function signed(kind: Exclude<Case['assertion'], 'none'>): Promise<Record<string, string>> {
  const tpp = kind === 'of another key' ? 'accounts-app' : 'money-one';
  const { description } = sandbox;
  const jwk: JWK = JSON.parse(readFileSync(tppNamed(description, tpp).signingKeyFile, 'utf8'));
  const clientId = kind === 'of another client' ? 'accounts-app-jwt' : 'money-one-jwt';
  const jti = kind === 'without a jti' ? {} : { jti: randomUUID() };
  const text = await new SignJWT(jti)
    .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(kind === 'for another server' ? 'https://other.example' : description.issuer)
    .setExpirationTime(kind === 'expired' ? '-1h' : '1m')
    .sign(await importJWK(jwk, 'ES256'));
  const form = {
    client_assertion: kind === 'no JWT' ? 'e30.e30' : text,
    ...(kind === 'without its type'
      ? {}
      : { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }),
  };
  if (kind === 'used before') {
    await sandbox.post('money-one', '/token', {
      ...form,
      grant_type: 'client_credentials',
      scope: 'accounts',
    });
  }
  return form;
}

/** All that a request leads to, but for what is new each time. */
async function outcomeOf(tpp: string, form: Record<string, string>) {
  rows = [];
  const { status, headers, json } = await sandbox.post(tpp, '/token', form);
  const written = [...rows];
  const requestId = headers.get('x-request-id');
  const events = await sandbox.events({ requestId });
  const { access_token: token, ...answer } = json;
  return {
    status,
    answer,
    token: typeof token,
    headers: [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name)),
    rows: written,
    events: events.map(({ requestId: _id, time: _time, ...event }) => event),
  };
}

describe('the short way of client_credentials and the way of the provider', () => {
  it('have the same answers, rows and events', async () => {
    const statuses: number[] = [];
    await fc.assert(
      fc.asyncProperty(CASE, async (one) => {
        const short = await outcomeOf(one.tpp, await formOf(one));
        const long = await outcomeOf(one.tpp, { ...(await formOf(one)), unknown: 'x' });
        expect(short).toEqual(long);
        expect(short.events).toHaveLength(1);
        statuses.push(short.status);
      }),
      { seed: 17, numRuns: RUNS, endOnFailure: true },
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(RUNS / 10);
  }, 60_000);

  it.each(['good', 'used before', 'of another key'] as const)(
    'count an assertion once, also when its request is refused: %s',
    async (assertion) => {
      const one: Case = {
        ...{ tpp: 'money-one', clientId: 'money-one-jwt', scope: 'everything', resource: undefined },
        ...{ assertion, isReversed: false },
      };
      const form = await formOf(one);
      const refused = await outcomeOf('money-one', form);
      expect(refused.status).toBe(400);
      expect(refused.rows.map(({ kind }) => kind)).toEqual(assertion === 'good' ? ['ReplayDetection'] : []);
      // A second request with it is a replay, whatever it asks for.
      const again = await outcomeOf('money-one', { ...form, scope: 'accounts' });
      expect(again.status).toBe(400);
    },
  );
});
