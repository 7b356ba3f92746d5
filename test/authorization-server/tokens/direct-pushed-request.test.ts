import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import { PayloadEncryption } from '../../../src/storage/record-protection.ts';
import type { RecordToStore } from '../../../src/storage/store.ts';
import type { TestSandbox } from '../running-sandbox.ts';
import {
  ASSERTIONS,
  type AssertionKind,
  signedAssertion,
  startRecordingSandbox,
} from './generated-requests.ts';

/*
 * The short way of a pushed authorization request and the provider's own way, over generated requests: the same answer,
 * the same stored request, the same events. A parameter that the provider ignores makes a request take the provider's
 * way.
 */

const folder = mkdtempSync(join(tmpdir(), 'tallystick-pushed-'));
const RUNS = 60;
const KIND = 'PushedAuthorizationRequest';
const KINDS = [KIND, 'ReplayDetection'];

let sandbox: TestSandbox;
/** Request ids of stored requests, which lead to no event. */
const stored: string[] = [];
let written: { readonly kind: string; readonly id: string; readonly record: RecordToStore }[] = [];

beforeAll(async () => {
  sandbox = await startRecordingSandbox({
    folder,
    note: (kind, id, record) => {
      if (KINDS.includes(kind)) written.push({ kind, id, record });
    },
    amendConfiguration: (own) => ({
      ...own,
      grantManagement: { enabled: true },
      clientLimits: { pushedRequestsPerMinute: 10_000, recordsPerMinute: 10_000 },
    }),
  });
});
afterAll(async () => {
  await sandbox?.stop();
  rmSync(folder, { recursive: true });
});

const DETAILS = [{ type: 'account_information', actions: ['list_accounts'] }];
const VALUES: Readonly<Record<string, readonly [usual: readonly string[], odd: readonly string[]]>> = {
  client_id: [
    ['money-one-mtls', 'money-one-jwt', 'money-one-mtls-rar', 'money-one-mtls-dpop'],
    [
      '',
      'accounts-app-mtls',
      'nobody',
      'money-one-mtls-signing',
      'money-one-mtls-fapi1',
      'money-one-mtls-uk',
    ],
  ],
  response_type: [['code'], ['', 'code id_token', 'token', 'none']],
  redirect_uri: [['OURS'], ['', 'https://other.example/back', 'no URL']],
  scope: [
    ['openid accounts', 'accounts openid', 'accounts'],
    [
      '',
      'openid',
      'payments',
      'accounts  openid',
      'everything',
      'ä',
      'openid accounts offline_access',
      'AIS:1',
    ],
  ],
  code_challenge: [['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'], ['', 'short', 'ä'.repeat(43)]],
  code_challenge_method: [['S256'], ['', 'plain']],
};
const OPTIONAL: Readonly<Record<string, readonly string[]>> = {
  state: ['s', 'ä%', 's'.repeat(2049)],
  nonce: ['n', ''],
  response_mode: ['query', 'jwt', 'form_post', ''],
  prompt: ['consent', 'none', 'login none'],
  max_age: ['60', '0', '-1', 'x'],
  acr_values: ['urn:one urn:two'],
  login_hint: ['alice'],
  ui_locales: ['de'],
  resource: ['https://other.example/', 'THE API'],
  claims: [
    '{"userinfo":{"name":null}}',
    '{"id_token":{"acr":{"essential":true,"values":["none"]}}}',
    '{',
    '[]',
    `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`,
  ],
  authorization_details: [
    JSON.stringify(DETAILS),
    JSON.stringify([{ ...DETAILS[0], type: 'unknown' }]),
    '[]',
    ' [ ] ',
    '{',
    '['.repeat(20) + ']'.repeat(20),
  ],
  grant_management_action: ['create', 'merge', 'other'],
  grant_id: ['one'],
  request: ['a.b.c'],
  request_uri: ['urn:x'],
  id_token_hint: ['x'],
  dpop_jkt: ['0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I', 'x'],
  client_secret: ['x'],
};

type Form = Readonly<Record<string, string>>;

const NEEDED: fc.Arbitrary<Form> = fc.record(
  Object.fromEntries(
    Object.entries(VALUES).map(([name, [usual, odd]]) => [
      name,
      fc.oneof({ weight: 14, arbitrary: fc.constantFrom(...usual) }, fc.constantFrom(...odd)),
    ]),
  ),
  { noNullPrototype: true },
);
const MORE: fc.Arbitrary<Form> = fc
  .uniqueArray(fc.constantFrom(...Object.keys(OPTIONAL)), { maxLength: 2 })
  .chain((names) =>
    fc.record(Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(OPTIONAL[name] ?? []))]))),
  );

const CASE = fc.record({
  tpp: fc.oneof({ weight: 9, arbitrary: fc.constant('money-one') }, fc.constant('accounts-app')),
  needed: NEEDED,
  without: fc.oneof({ weight: 9, arbitrary: fc.constant('') }, fc.constantFrom(...Object.keys(VALUES))),
  more: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 3, arbitrary: MORE }),
  assertion: fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom<AssertionKind>('none', 'good') },
    fc.constantFrom(...ASSERTIONS),
  ),
  isReversed: fc.boolean(),
});

/** The form of a case, with an assertion of its own; a client that authenticates by one has that of its kind mostly. */
async function formOf({ needed, without, more, assertion, isReversed }: Generated): Promise<Form> {
  const { resourceUrl } = sandbox.description;
  const redirectUri =
    tppNamed(sandbox.description, 'money-one').clients.tls_client_auth.redirect_uris[0] ?? '';
  const isJwt = needed.client_id === 'money-one-jwt';
  const kind = isJwt && assertion === 'none' ? 'good' : assertion;
  const signed = kind === 'none' || (!isJwt && kind === 'good') ? {} : await signedAssertion(sandbox, kind);
  const entries = Object.entries({ ...needed, ...more, ...signed })
    .filter(([name]) => name !== without)
    .map(([name, value]) => [name, value.replace('OURS', redirectUri).replace('THE API', resourceUrl)]);
  return Object.fromEntries(isReversed ? entries.toReversed() : entries);
}

type Generated = typeof CASE extends fc.Arbitrary<infer T> ? T : never;

const NEW_EACH_TIME = ['iat', 'exp', 'nbf', 'jti'];

/** The stored request without those of its claims that are new in each. */
function readable({ kind, id, record }: (typeof written)[number]): unknown {
  if (kind !== KIND) return kind;
  const secret = Buffer.from(readFileSync(pathsOf(sandbox.folder).secret, 'utf8').trim(), 'base64url');
  const payload = new PayloadEncryption(secret).decrypt(record.value, `${KIND}\0${id}`);
  const { request, ...rest } = payload as { readonly request: string };
  const without = (claims: object) =>
    Object.fromEntries(Object.entries(claims).filter(([name]) => !NEW_EACH_TIME.includes(name)));
  const lives = Math.round((Number(record.expiresAt) - Date.now()) / 10_000);
  return { ...without(rest), lives, request: without(decodeJwt(request)), indexes: record.indexes };
}

/** All that a request leads to, but for what is new each time. */
async function outcomeOf(tpp: string, form: Form) {
  written = [];
  const { status, headers, json } = await sandbox.post(tpp, '/par', { ...form });
  const rows = written.map(readable);
  const requestId = headers.get('x-request-id') ?? '';
  if (status === 201) stored.push(requestId);
  const events = status === 201 ? [] : await sandbox.events({ requestId });
  const { request_uri: uri, ...answer } = json;
  return {
    ...{ status, answer, rows },
    uri: typeof uri === 'string' ? uri.replace(/[\w-]{43}$/, '') : uri,
    headers: [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name)),
    events: events.map(({ requestId: _id, time: _time, ...event }) => event),
  };
}

describe('the short way of a pushed request and the way of the provider', () => {
  it('have the same answers, stored requests and events', async () => {
    await fc.assert(
      fc.asyncProperty(CASE, async (one) => {
        const short = await outcomeOf(one.tpp, await formOf(one));
        const long = await outcomeOf(one.tpp, { ...(await formOf(one)), unknown: 'x' });
        expect(short).toEqual(long);
      }),
      { seed: 17, numRuns: RUNS, endOnFailure: true },
    );
    expect(stored.length).toBeGreaterThan(RUNS / 4);
    expect(stored.length).toBeLessThan(2 * RUNS);
    const last = await sandbox.post('money-one', '/par', {});
    await sandbox.events({ requestId: last.headers.get('x-request-id') });
    const log = readFileSync(sandbox.logFile, 'utf8');
    expect(stored.filter((requestId) => log.includes(requestId))).toEqual([]);
  }, 60_000);
});
