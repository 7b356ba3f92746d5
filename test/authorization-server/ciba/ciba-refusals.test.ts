import { setTimeout as sleep } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Approvals } from '../../../src/index.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, refusalOf, type RequestClaims } from './ciba-tpp.ts';

let sandbox: TestSandbox;
let tpp: CibaTpp;
let pinged: CibaTpp;
let signed: CibaTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  tpp = await CibaTpp.open(sandbox, 'money-one-mtls-ciba-poll');
  pinged = await CibaTpp.open(sandbox, 'money-one-mtls-ciba-ping');
  signed = await CibaTpp.open(sandbox, 'money-two-jwt-ciba-poll');
});
afterAll(async () => {
  await Promise.all([tpp, pinged, signed].map((one) => one.close()));
  await sandbox.stop();
});

const approvals = () => sandbox.server.approvals as Approvals;
const now = () => Math.floor(Date.now() / 1000);
const HOUR = 3600;

/** Frees the place of a request that passed. */
async function passes(request: Promise<{ auth_req_id: string }>): Promise<void> {
  const { auth_req_id: authReqId } = await request;
  await approvals().reject(approvals().idOf(authReqId));
}

const REFUSED: readonly (readonly [what: string, claims: () => RequestClaims, error: string])[] = [
  ['without iss', () => ({ iss: undefined }), 'invalid_request'],
  ['of another iss', () => ({ iss: 'money-two-mtls-ciba-poll' }), 'invalid_request'],
  ['without aud', () => ({ aud: undefined }), 'invalid_request'],
  ['for another aud', () => ({ aud: 'https://other.example' }), 'invalid_request'],
  ['without exp', () => ({ exp: undefined }), 'invalid_request'],
  ['that has expired', () => ({ exp: now() - 300 }), 'invalid_request'],
  ['with exp 70 minutes ahead', () => ({ exp: now() + 70 * 60 }), 'invalid_request'],
  ['with exp as text', () => ({ exp: String(now() + 60) }), 'invalid_request'],
  ['without nbf', () => ({ nbf: undefined }), 'invalid_request'],
  ['with nbf 10 minutes ahead', () => ({ nbf: now() + 600, exp: now() + 900 }), 'invalid_request'],
  ['with nbf 70 minutes ago', () => ({ nbf: now() - 70 * 60 }), 'invalid_request'],
  [
    'with nbf 61 minutes ago, to end soon',
    () => ({ nbf: now() - HOUR - 60, exp: now() + 5 }),
    'invalid_request',
  ],
  ['without iat', () => ({ iat: undefined }), 'invalid_request'],
  ['with iat in the future', () => ({ iat: now() + 600 }), 'invalid_request'],
  ['without jti', () => ({ jti: undefined }), 'invalid_request'],
  ['with a jti of 300 characters', () => ({ jti: 'j'.repeat(300) }), 'invalid_request'],
  ['with a request inside', () => ({ request: 'a.b.c' }), 'invalid_request'],
  ['with a request_uri inside', () => ({ request_uri: 'https://tpp.example/r' }), 'invalid_request'],
  ['of another client_id', () => ({ client_id: 'money-two-mtls-ciba-poll' }), 'invalid_request'],
  ['without a scope', () => ({ scope: undefined }), 'invalid_request'],
  ['without openid', () => ({ scope: 'accounts' }), 'invalid_request'],
  ['for a scope that there is not', () => ({ scope: 'openid admin' }), 'invalid_scope'],
  ['without a hint', () => ({ login_hint: undefined }), 'invalid_request'],
  ['with two hints', () => ({ login_hint_token: 'x' }), 'invalid_request'],
  ['with a login_hint_token', () => ({ login_hint: undefined, login_hint_token: 'x' }), 'invalid_request'],
  ['with an ID token that is none', () => ({ login_hint: undefined, id_token_hint: 'x' }), 'invalid_request'],
  ['with a login_hint of 300 characters', () => ({ login_hint: 'a'.repeat(300) }), 'invalid_request'],
  ['with a user code, which is off', () => ({ user_code: '1234' }), 'invalid_request'],
  ['with a request_context', () => ({ request_context: { device: 'x' } }), 'invalid_request'],
  ['with an emoji for the customer', () => ({ binding_message: '😀' }), 'invalid_binding_message'],
  ['with letters beyond ASCII', () => ({ binding_message: 'é' }), 'invalid_binding_message'],
  ['with a line break', () => ({ binding_message: 'a\nb' }), 'invalid_binding_message'],
  ['with spaces alone', () => ({ binding_message: '   ' }), 'invalid_binding_message'],
  ['with a long message', () => ({ binding_message: 'x'.repeat(65) }), 'invalid_binding_message'],
  ...['0', '-1', '1.5', '1e3', '0x10', 'soon', ' 5', true].map(
    (value) =>
      [
        `for ${JSON.stringify(value)} seconds`,
        () => ({ requested_expiry: value }),
        'invalid_request',
      ] as const,
  ),
];

describe('a signed request (CIBA Core §7.1.1, FAPI-CIBA §5.2.2)', () => {
  it.each(REFUSED)('is refused %s (I6)', async (_what, claims, error) => {
    const { error: name, code } = await refusalOf(tpp.ask(claims()));
    const expected = error === 'invalid_request' ? ['invalid_request', 'invalid_request_object'] : [error];
    expect(expected).toContain(name);
    expect(code).toMatch(/^ERR_/);
  });

  it.each([
    ['a number of seconds', { requested_expiry: 300 }, 300],
    ['the same as text', { requested_expiry: '300' }, 300],
    ['more than the bank allows', { requested_expiry: 999_999 }, 600],
  ])('may ask for %s', async (_what, claims, seconds) => {
    const asked = await tpp.ask(claims);
    expect(asked.expires_in).toBe(seconds);
    await passes(Promise.resolve(asked));
  });

  it('may be typed as such, in any case, and have a clock eight seconds ahead (RFC 9101 §10.8)', async () => {
    await passes(tpp.ask({ nbf: now() + 8, iat: now() + 8 }));
    await passes(tpp.ask({ binding_message: undefined }));
    await passes(tpp.ask({ aud: [sandbox.description.issuer, 'https://other.example'] }));
  });

  it('is used once, also at the same time (J8)', async () => {
    const request = await tpp.sign();
    const sent = await Promise.allSettled(Array.from({ length: 20 }, () => tpp.send({ request })));
    const passed = sent.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(passed).toHaveLength(1);
    await passes(Promise.resolve(passed[0] as { auth_req_id: string }));
    expect(await refusalOf(tpp.send({ request }))).toEqual({
      error: 'invalid_request',
      code: 'ERR_CIBA_REQUEST',
    });
  });

  it('is signed by a key of its own client, with an algorithm of the profile (H1, I6)', async () => {
    const { privateKey: foreign } = await generateKeyPair('ES256');
    const [{ privateKey: rsa }, { privateKey: pss }] = [
      await generateKeyPair('RS256'),
      await generateKeyPair('PS256'),
    ];
    const secret = new TextEncoder().encode('s'.repeat(64)) as never;
    const refused = [
      await tpp.sign({}, { key: foreign }),
      await signed.sign({ iss: tpp.clientId }),
      await tpp.sign({}, { alg: 'RS256', key: rsa }),
      await tpp.sign({}, { alg: 'PS256', key: pss }),
      await tpp.sign({}, { alg: 'HS256', key: secret }),
    ];
    const [header = '', payload = ''] = (await tpp.sign()).split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    refused.push(`${none}.${payload}.`, `${header}.${payload}.AAAA`, `${header}.${payload}`, 'x', '{}');
    for (const request of refused) {
      const { error, code } = await refusalOf(tpp.send({ request }));
      expect(['invalid_request', 'invalid_request_object']).toContain(error);
      expect(code).toMatch(/^ERR_/);
    }
  });

  it('is demanded of every client: plain parameters are refused (I6)', async () => {
    const plain = { scope: 'openid accounts', login_hint: 'alice' };
    expect(await refusalOf(tpp.send(plain))).toEqual({ error: 'invalid_request', code: 'ERR_CIBA_REQUEST' });
    expect(await refusalOf(tpp.send({ ...plain, request: '' }))).toMatchObject({ error: 'invalid_request' });
    expect(await refusalOf(tpp.send({ request_uri: 'https://tpp.example/r' }))).toMatchObject({
      error: 'invalid_request',
    });
  });

  it('counts alone: parameters beside it are not read (I7)', async () => {
    const request = await tpp.sign();
    const asked = await tpp.send({
      request,
      login_hint: 'bob',
      binding_message: '😀',
      scope: 'openid payments',
    });
    const found = await approvals().find(approvals().idOf(asked.auth_req_id));
    expect(found).toMatchObject({ psuId: 'psu-6f1c2a', scopes: ['openid', 'accounts'] });
    await passes(Promise.resolve(asked));
  });

  it('needs a client of CIBA and the certificate of its TPP (J9)', async () => {
    const plain = await CibaTpp.open(sandbox, 'money-one-mtls');
    const unauthorized = { error: 'unauthorized_client', code: 'ERR_CLIENT_GRANT' };
    expect(await refusalOf(plain.ask())).toEqual(unauthorized);
    const { auth_req_id: authReqId } = await tpp.ask();
    expect(await refusalOf(plain.poll(authReqId))).toEqual(unauthorized);
    await approvals().reject(approvals().idOf(authReqId));
    await plain.close();
    const stolen = await CibaTpp.open(sandbox, 'money-one-jwt-ciba-poll', {
      certificate: sandbox.description.tpps.find(({ name }) => name === 'money-two') ?? 'none',
    });
    expect(await refusalOf(stolen.ask())).toEqual({
      error: 'invalid_client',
      code: 'ERR_TPP_CLIENT_MISMATCH',
    });
    await stolen.close();
    const bare = await CibaTpp.open(sandbox, 'money-one-jwt-ciba-poll', { certificate: 'none' });
    expect(await refusalOf(bare.ask())).toMatchObject({ code: 'ERR_CERT_MISSING' });
    await bare.close();
  });

  it('of a client that is pinged has a token of 22 characters at least (CIBA Core §7.1)', async () => {
    const refused = [undefined, 'short', 'x'.repeat(21), 'no spaces in a bearer token', 'x'.repeat(1025)];
    for (const token of refused) {
      expect((await refusalOf(pinged.ask({ client_notification_token: token }))).error).toBe(
        'invalid_request',
      );
    }
    await passes(pinged.ask({ client_notification_token: 'x'.repeat(1024) }));
  });
});

describe('a hint that names no customer', () => {
  it('is answered as for one who does not react, and is an event for the bank (J13)', async () => {
    // The log has 50 lines a second of one TPP, and the refusals before were of this one.
    await sleep(1100);
    const known = await tpp.ask();
    const unknown = await tpp.ask({ login_hint: 'nobody-of-this-bank' });
    expect(Object.keys(unknown)).toEqual(Object.keys(known));
    expect(unknown).toMatchObject({ expires_in: known.expires_in, interval: known.interval });
    for (const { auth_req_id: id } of [known, unknown]) {
      expect((await refusalOf(tpp.poll(id))).error).toBe('authorization_pending');
    }
    const id = approvals().idOf(unknown.auth_req_id);
    expect(await approvals().find(id)).toBeUndefined();
    await expect(approvals().reject(id)).rejects.toMatchObject({ code: 'ERR_APPROVAL_OVER' });
    const [event] = await sandbox.events({ event: 'ciba.unknown_customer' });
    expect(event).toMatchObject({ clientId: tpp.clientId });
    expect(JSON.stringify(event)).not.toContain('nobody-of-this-bank');
    await passes(Promise.resolve(known));
  });
});

describe('the questions for one customer', () => {
  it('are at most ten of one client, known customer or not, and no other client waits for them (J16)', async () => {
    const busy = await CibaTpp.open(sandbox, 'money-two-mtls-ciba-poll');
    for (const hint of ['bob', `unknown-${randomUUID()}`]) {
      for (let at = 0; at < 10; at += 1) await busy.ask({ login_hint: hint, requested_expiry: 600 });
      expect(await refusalOf(busy.ask({ login_hint: hint }))).toEqual({
        error: 'temporarily_unavailable',
        code: 'ERR_CIBA_LIMIT',
      });
    }
    await passes(signed.ask({ login_hint: 'bob' }));
    await busy.close();
  });
});
