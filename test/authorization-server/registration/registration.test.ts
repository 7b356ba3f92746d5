import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { changeable, GOOD, REDIRECT, RegisteringTpp, sealed } from './registering.ts';

let sandbox: TestSandbox;
let one: RegisteringTpp;
let two: RegisteringTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      registration: {
        profiles: [{ profile: 'certificate' }],
        quotas: { clients: 100, requestsPerHour: 10_000 },
      },
    }),
  });
  one = new RegisteringTpp(sandbox);
  two = new RegisteringTpp(sandbox, 'money-two');
});
afterAll(() => sandbox.stop());

describe('a TPP', () => {
  it('registers in one request, and gets tokens with the client (RFC 7591 §3)', async () => {
    const registered = await one.register();
    expect(registered.status).toBe(201);
    expect(registered.headers.get('cache-control')).toBe('no-store');
    expect(registered.json).toMatchObject({
      ...GOOD,
      client_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      client_name: expect.any(String),
      response_types: ['code'],
      require_pushed_authorization_requests: true,
      tls_client_certificate_bound_access_tokens: true,
      registration_client_uri: `${sandbox.description.mtlsUrl}/register/${String(registered.json.client_id)}`,
      registration_access_token: expect.stringMatching(/^[\w-]{43}$/),
    });
    const token = await one.token(registered.json.client_id);
    expect([token.status, token.json.scope]).toEqual([200, 'accounts']);
    const foreign = await two.token(registered.json.client_id);
    expect([foreign.status, foreign.text]).toEqual([400, expect.stringContaining('ERR_TPP_CLIENT_MISMATCH')]);
    const [event] = await sandbox.events({
      event: 'registration.created',
      clientId: registered.json.client_id,
    });
    expect(event).toMatchObject({ outcome: 'certificate', authorizationNumber: 'PSDGB-FCA-900003' });
  });

  it('reads, changes and deletes what it registered, also with a renewed certificate (RFC 7592)', async () => {
    const registered = await one.register();
    const renewed = new RegisteringTpp(sandbox, tppNamed(sandbox.description, 'money-one').renewed);
    const read = await renewed.manage('GET', registered);
    // Its token too (RFC 7592 §3).
    const { json: members } = registered;
    expect([read.status, read.json]).toEqual([200, members]);

    // What it reads it may send back, and nothing changes.
    const same = await one.manage('PUT', registered, { body: changeable(registered) });
    expect([same.status, same.json]).toEqual([200, members]);

    const next = { ...changeable(registered), redirect_uris: [`${REDIRECT}/2`], scope: 'openid' };
    const changed = await renewed.manage('PUT', registered, { body: next });
    expect(changed.status).toBe(200);
    expect(changed.json).toMatchObject({ redirect_uris: [`${REDIRECT}/2`], scope: 'openid' });
    expect((await one.token(registered.json.client_id)).text).toContain('invalid_scope');

    expect((await renewed.manage('DELETE', registered)).status).toBe(204);
    for (const method of ['GET', 'PUT', 'DELETE'] as const) {
      const again = await one.manage(method, registered, method === 'PUT' ? { body: next } : {});
      expect([method, again.status, again.json.error]).toEqual([method, 401, 'invalid_token']);
      expect(again.headers.get('www-authenticate')).toContain('Bearer');
    }
    expect((await one.token(registered.json.client_id)).json.error).toBe('invalid_client');
  });

  it('registers under its seal, and under no other (TS 119 495 cl. 5.3)', async () => {
    const {
      seal,
      certificateFile,
      keyFile,
      organizationIdentifier: iss,
    } = tppNamed(sandbox.description, 'money-one');
    const now = Math.floor(Date.now() / 1000);
    const claims = { ...GOOD, iss, aud: sandbox.description.issuer, iat: now, exp: now + 60, jti: 'one' };
    for (const type of ['application/jwt', 'application/jose']) {
      const registered = await one.register(await sealed(claims, seal), type);
      expect([registered.status, registered.text]).toEqual([201, expect.stringContaining(REDIRECT)]);
    }
    const other = tppNamed(sandbox.description, 'money-two').seal;
    const wrong: readonly [string, string][] = [
      ['is sealed by', await sealed(claims, other)],
      ['ERR_TPP_SEAL_TYPE', await sealed(claims, { certificateFile, keyFile })],
      [
        'does not verify',
        await sealed(claims, { certificateFile: seal.certificateFile, keyFile: other.keyFile }),
      ],
      ['must have aud', await sealed({ ...claims, aud: 'https://other.example' }, seal)],
      ['must have iss', await sealed({ ...claims, iss: 'PSDGB-FCA-1' }, seal)],
      ['has expired', await sealed({ ...claims, exp: now - 1 }, seal)],
      ['must have exp', await sealed({ ...claims, exp: undefined }, seal)],
      ['seconds ago', await sealed({ ...claims, iat: now - 301 }, seal)],
      ['in the future', await sealed({ ...claims, iat: now + 100 }, seal)],
      ['must not have jku', await sealed(claims, seal, { jku: 'https://attacker.example/jwks' })],
      ['must not have x5u', await sealed(claims, seal, { x5u: 'https://attacker.example/x5u' })],
      ['x5c', await sealed(claims, seal, { x5c: undefined })],
      ['must be signed with', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.AA`],
      ['no JWS', `${await sealed(claims, seal)}.x`],
    ];
    for (const [problem, jwt] of wrong) {
      const refused = await one.register(jwt, 'application/jwt');
      expect([problem, refused.status, refused.json.error]).toEqual([
        problem,
        400,
        'invalid_software_statement',
      ]);
      expect(refused.json.error_description).toContain(problem);
    }
  });
});
