import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordToStore } from '../../../src/storage/store.ts';
import type { TestSandbox } from '../running-sandbox.ts';
import {
  ASSERTIONS,
  type AssertionKind,
  signedAssertion,
  startRecordingSandbox,
} from './generated-requests.ts';

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
  sandbox = await startRecordingSandbox({
    folder,
    note: (kind, _id, record) => noteRow(kind, record),
    amendConfiguration: (configuration) => ({ ...configuration, accessToken: { format: 'opaque' } }),
  });
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true });
});

function noteRow(kind: string, { value, expiresAt }: RecordToStore): void {
  if (!KINDS.includes(kind)) return;
  // Two requests of one case may lie in two seconds.
  const lives = Math.round((Number(expiresAt) - Date.now()) / 10_000);
  rows.push({ kind, lives, value: readable(value) });
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
  readonly assertion: AssertionKind;
  readonly isReversed: boolean;
}

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
    ...(assertion === 'none' ? {} : await signedAssertion(sandbox, assertion)),
  };
  const entries = Object.entries(form).filter(([, value]) => value !== undefined) as [string, string][];
  return Object.fromEntries(one.isReversed ? entries.toReversed() : entries);
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
