import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RefreshedTokens } from '../../../src/authorization-server/tokens/direct/refreshed-tokens.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize } from '../../../src/sandbox/demo/authorization-request.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import { PayloadEncryption } from '../../../src/storage/record-protection.ts';
import type { RecordToStore } from '../../../src/storage/store.ts';
import type { TestSandbox } from '../running-sandbox.ts';
import { startRecordingSandbox } from './generated-requests.ts';

/*
 * The short way of a refresh whose token stays the same, and the provider's own way: the same answer, claims, record,
 * headers and events. A parameter that the provider ignores makes a request take the provider's way. Both ways use the
 * same refresh token, so that only times and identifiers differ.
 */

const ALICE = { decision: 'allow', username: 'alice', password: 'alice-in-the-sandbox' } as const;
const VERIFIER = 'a-verifier-of-more-than-forty-three-characters-x';
const DETAILS = JSON.stringify([{ type: 'account_information', actions: ['list_accounts'] }]);
const OWN_HEADERS = ['date', 'x-request-id', 'content-length'];
const CLIENT = { client_id: 'money-one-mtls' };

type Case = readonly [
  title: string,
  scope: string,
  parameters: Record<string, string>,
  more: Record<string, string>,
  status: number,
  isShort: boolean,
];
const CASES: readonly Case[] = [
  ['a live token', 'openid accounts', {}, {}, 200, true],
  ['a grant of two services', 'payments openid accounts', {}, {}, 200, true],
  ['a grant without an ID token', 'accounts', { nonce: '' }, {}, 200, true],
  ['claims for userinfo alone', 'openid accounts', { claims: '{"userinfo":{"name":null}}' }, {}, 200, true],
  ['claims for the ID token', 'openid accounts', { claims: '{"id_token":{"name":null}}' }, {}, 200, false],
  ['details', 'openid accounts', { authorization_details: DETAILS }, {}, 200, false],
  ['a grant for no API', 'openid', {}, {}, 200, false],
  ['an unknown token', 'openid accounts', {}, { refresh_token: 'unknown' }, 400, false],
  ['an unusual token', 'openid accounts', {}, { refresh_token: 'ä'.repeat(99) }, 400, false],
  ['a grant that has ended', 'openid accounts', {}, {}, 400, false],
  ["another TPP's token", 'openid accounts', {}, { client_id: 'money-two-mtls' }, 400, false],
];
/** Requests of the provider's way differ in nothing but the format. */
const casesOf = (format: 'jwt' | 'opaque') =>
  CASES.filter(([, , , , , isShort]) => format === 'jwt' || isShort);

const issue = vi.spyOn(RefreshedTokens.prototype, 'issue');
afterAll(() => issue.mockRestore());

describe.each(['jwt', 'opaque'] as const)(
  'the short way of a refresh and the way of the provider, %s',
  (format) => {
    const folder = mkdtempSync(join(tmpdir(), 'tallystick-refresh-'));
    let sandbox: TestSandbox;
    let tpp: DemoTpp;
    let written: { readonly id: string; readonly record: RecordToStore }[] = [];

    beforeAll(async () => {
      sandbox = await startRecordingSandbox({
        folder,
        note: (kind, id, record) => {
          if (kind === 'AccessToken') written.push({ id, record });
        },
        amendConfiguration: (own) => ({
          ...own,
          accessToken: { format },
          grantManagement: { enabled: true },
        }),
      });
      const { description } = sandbox;
      tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    });
    afterAll(async () => {
      await tpp?.close();
      await sandbox?.stop();
      rmSync(folder, { recursive: true });
    });
    beforeEach(() => void issue.mockClear());

    /** The refresh token of a new consent. */
    async function granted(parameters: Record<string, string>): Promise<string> {
      const code_challenge = createHash('sha256').update(VERIFIER).digest('base64url');
      const { callback } = await authorize(tpp, {
        caFile: sandbox.description.caFile,
        answer: ALICE,
        parameters: { ...parameters, code_challenge },
      });
      const { json, text } = await sandbox.post('money-one', '/token', {
        ...{ ...CLIENT, grant_type: 'authorization_code', code_verifier: VERIFIER },
        code: callback.searchParams.get('code') ?? '',
        redirect_uri:
          tppNamed(sandbox.description, 'money-one').clients.tls_client_auth.redirect_uris[0] ?? '',
      });
      expect(json.refresh_token, text).toBeTypeOf('string');
      return String(json.refresh_token);
    }

    /** All that a request leads to, but for what is new each time. */
    async function outcomeOf(by: string, form: Record<string, string>) {
      written = [];
      const { status, headers, json } = await sandbox.post(by, '/token', form);
      const events = await sandbox.events({ requestId: headers.get('x-request-id') });
      const { access_token: access, id_token: id, error_id, ...answer } = json;
      return {
        status,
        // Their order too.
        members: Object.keys(json),
        answer,
        access: typeof access === 'string' ? claimsIn(access) : access,
        id: typeof id === 'string' ? claimsIn(id) : id,
        records: written.map(readable),
        headers: [...headers].filter(([name]) => !OWN_HEADERS.includes(name)),
        events: events.map(({ requestId: _id, time: _time, error_id: _error, ...event }) => event),
      };
    }

    function readable({ id, record }: { readonly id: string; readonly record: RecordToStore }) {
      const secret = Buffer.from(readFileSync(pathsOf(sandbox.folder).secret, 'utf8').trim(), 'base64url');
      const payload = new PayloadEncryption(secret).decrypt(record.value, `AccessToken\0${id}`) as Record<
        string,
        unknown
      >;
      return { claims: fixed(payload), indexes: record.indexes };
    }

    it.each(casesOf(format))('are the same: %s', async (title, scope, parameters, more, status, isShort) => {
      const by = title.startsWith('another') ? 'money-two' : 'money-one';
      const token = await granted({ ...parameters, scope });
      const form = { ...CLIENT, grant_type: 'refresh_token', refresh_token: token, ...more };
      if (title.includes('ended')) await sandbox.post('money-one', '/revoke', { ...CLIENT, token });
      const short = await outcomeOf(by, form);
      expect(issue).toHaveBeenCalledOnce();
      const made = await issue.mock.results[0]?.value;
      expect(made !== undefined).toBe(isShort);
      const long = await outcomeOf(by, { ...form, unknown: 'x' });
      expect(issue).toHaveBeenCalledOnce();
      expect(short).toEqual(long);
      expect(short.status).toBe(status);
      expect(short.records).toHaveLength(typeof short.access === 'number' ? 1 : 0);
    });

    it('part where the request names scopes', async () => {
      const token = await granted({ scope: 'openid accounts' });
      const form = { ...CLIENT, grant_type: 'refresh_token', refresh_token: token, scope: 'accounts' };
      expect(await outcomeOf('money-one', form)).toEqual(
        await outcomeOf('money-one', { ...form, unknown: 'x' }),
      );
      expect(issue).not.toHaveBeenCalled();
    });
  },
);

/** An opaque token is as long as every other. */
function claimsIn(token: string) {
  if (!token.includes('.')) return token.length;
  return { header: decodeProtectedHeader(token), claims: fixed(decodeJwt(token)) };
}

/** Claims without those that are new in each token; the lifetime stays. */
function fixed(claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { iat, exp, jti, ...rest } = claims;
  const lives = Math.round((Number(exp) - Number(iat)) / 10);
  // Another window of the status list may begin between two requests.
  const text = JSON.stringify({ ...rest, jti: typeof jti, lives });
  return JSON.parse(text, (name, value) => (name === 'idx' ? typeof value : value));
}
