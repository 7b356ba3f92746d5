import { randomBytes } from 'node:crypto';
import { compactDecrypt, CompactEncrypt, decodeProtectedHeader, importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { rotateSigningKeys } from '../../../../src/authorization-server/signing/signing-key-rotation.ts';
import { systemClock } from '../../../../src/clock.ts';
import { claimsOf } from '../../../durability/tpp.ts';
import { Customer } from '../../customer/pages-bench.ts';
import { ADVANCED, outcomeOf, RequestObjectBench, SIGNING, VERIFIER } from './request-object-bench.ts';

const RSA = { alg: 'RSA-OAEP-256', enc: 'A256GCM' } as const;
let bench: RequestObjectBench;

beforeAll(async () => {
  bench = await RequestObjectBench.open();
  const file = String(bench.pages.bank.config.signingKeysFile);
  await rotateSigningKeys({
    file,
    clock: systemClock,
    delaySeconds: 0,
    retainSeconds: 900,
    withEncryption: true,
  });
  await vi.waitFor(() => bench.encryptionKey('ECDH-ES'), { timeout: 10_000 });
});
afterAll(() => bench.close());

describe('an encrypted request object (RFC 9101 §6.1)', () => {
  it('leads to the pages, by value and pushed, and the ID token is encrypted to the client', async () => {
    const byValue = await bench.authorize(ADVANCED, await bench.encrypted(await bench.signed(ADVANCED), RSA));
    expect([byValue.status, String(byValue.headers.location)]).toEqual([
      303,
      expect.stringContaining('/interaction/'),
    ]);
    const pushed = await bench.push(ADVANCED, await bench.encrypted(await bench.signed(ADVANCED), RSA));
    expect([pushed.status, pushed.json.error_description]).toEqual([201, undefined]);
    const customer = await Customer.at(bench.pages, ADVANCED, String(pushed.json.request_uri));
    await customer.send({ username: 'ann', password: 'x' });
    const [, account = ''] = /name="account" value="([^"]*)"/.exec(customer.page.text) ?? [];
    await customer.send({ account }, 'approve');
    const answer = new URLSearchParams(new URL(String(customer.page.headers.location)).hash.slice(1));
    const idToken = answer.get('id_token') ?? '';
    expect(decodeProtectedHeader(idToken)).toMatchObject({ ...RSA, kid: 'enc', cty: 'JWT' });
    const { plaintext } = await compactDecrypt(idToken, bench.keys.encryption.privateKey);
    const front = claimsOf(Buffer.from(plaintext).toString());
    expect(front).toMatchObject({ sub: 'psu-6f1c2a', aud: ADVANCED, nonce: 'n-0S6_WzA2Mj' });
    expect(front).toHaveProperty('s_hash');
    const tokens = await bench.pages.tpp.post(bench.pages.to, '/token', {
      client_id: ADVANCED,
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      redirect_uri: 'https://tpp.example/cb',
      code_verifier: VERIFIER,
    });
    expect(String(tokens.json.id_token).split('.')).toHaveLength(5);
  });

  it('is told by discovery and the key set, without a private member', async () => {
    const { json } = await bench.pages.tpp.browse(bench.pages.to, '/.well-known/openid-configuration');
    expect(json).toMatchObject({
      request_object_encryption_alg_values_supported: ['RSA-OAEP-256', 'ECDH-ES'],
      request_object_encryption_enc_values_supported: ['A256GCM', 'A128CBC-HS256'],
      id_token_encryption_alg_values_supported: ['RSA-OAEP-256', 'ECDH-ES'],
      id_token_encryption_enc_values_supported: ['A256GCM', 'A128CBC-HS256'],
    });
    const names = Object.keys(json).filter((name) => name.includes('_encryption_'));
    expect(names.sort()).toHaveLength(4);
    for (const alg of ['RSA-OAEP-256', 'ECDH-ES']) {
      const key = await bench.encryptionKey(alg);
      expect(key.use).toBe('enc');
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(key).not.toHaveProperty(member);
    }
  });

  const refused = async (clientId: string, request: string, problem: string) => {
    const [status, error, description] = outcomeOf(await bench.push(clientId, request));
    expect([status, error]).toEqual([400, 'invalid_request_object']);
    expect(description).toContain('ERR_REQUEST_OBJECT');
    expect(description).toContain(problem);
  };

  it.each<[title: string, problem: string, header: { alg: string; enc: string; [more: string]: unknown }]>([
    ['another algorithm than registered', 'its alg must be RSA-OAEP-256', { alg: 'ECDH-ES', enc: 'A256GCM' }],
    ['another content encryption', 'its enc must be A256GCM', { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' }],
    ['zip (H16)', 'its header must not have zip', { ...RSA, zip: 'DEF' }],
    ['another type inside', 'its cty must be JWT', { ...RSA, cty: 'text/plain' }],
    ['a key that this server does not have', 'it cannot be decrypted', { ...RSA, kid: 'other' }],
  ])('with %s is refused', async (_title, problem, header) => {
    await refused(ADVANCED, await bench.encrypted(await bench.signed(ADVANCED), header), problem);
  });

  it.each([
    ['RSA1_5', {}],
    ['RSA-OAEP', {}],
    ['dir', {}],
    ['A256KW', {}],
    ['ECDH-ES+A256KW', {}],
    ['PBES2-HS256+A128KW', { p2c: 1_000_000_000, p2s: 'c2FsdA' }],
    ['RSA-OAEP-256', { p2c: 1_000_000_000 }],
    ['RSA-OAEP-256', { crit: ['exp'], exp: 1 }],
    ['none', {}],
  ])('of %s %j is refused by its header alone, at once (H16)', async (alg, more) => {
    const header = Buffer.from(JSON.stringify({ alg, enc: 'A256GCM', ...more })).toString('base64url');
    const part = () => randomBytes(24).toString('base64url');
    const problem = alg === 'RSA-OAEP-256' ? 'its header must not have' : 'its alg must be RSA-OAEP-256';
    await refused(ADVANCED, [header, part(), part(), part(), part()].join('.'), problem);
  });

  it('that is changed anywhere is refused, without a word of where (H4)', async () => {
    const good = await bench.encrypted(await bench.signed(ADVANCED), RSA);
    const parts = good.split('.');
    const outcomes = new Set<string>();
    for (const at of [1, 2, 3, 4]) {
      const changed = parts.map((part, index) => {
        if (index !== at) return part;
        const bytes = Buffer.from(part, 'base64url');
        bytes[0] = (bytes[0] ?? 0) ^ 1;
        return bytes.toString('base64url');
      });
      outcomes.add(outcomeOf(await bench.push(ADVANCED, changed.join('.')))[2]);
    }
    expect([...outcomes]).toEqual([expect.stringContaining('it cannot be decrypted')]);
  });

  it('with an unsigned, a nested encrypted or no request inside is refused (H1, H4)', async () => {
    const unsigned = (await bench.signed(ADVANCED)).split('.');
    unsigned[0] = Buffer.from('{"alg":"none"}').toString('base64url');
    const inner = 'what is encrypted must be a signed JWT';
    await refused(ADVANCED, await bench.encrypted(`${unsigned[0]}.${unsigned[1]}.`, RSA), inner);
    await refused(ADVANCED, await bench.encrypted(JSON.stringify(bench.claims(ADVANCED)), RSA), inner);
    const twice = await bench.encrypted(await bench.encrypted(await bench.signed(ADVANCED), RSA), RSA);
    await refused(ADVANCED, twice, inner);
    const none = await bench.push(ADVANCED, await bench.encrypted(unsigned.join('.'), RSA));
    expect(outcomeOf(none).slice(0, 2)).toEqual([400, 'invalid_request_object']);
  });

  it('nested deep inside is refused as one that is not encrypted (I8)', async () => {
    const claims = { claims: { id_token: JSON.parse(`${'['.repeat(2000)}${']'.repeat(2000)}`) } };
    await refused(
      ADVANCED,
      await bench.encrypted(await bench.signed(ADVANCED, { claims }), RSA),
      '16 levels',
    );
  });

  it('of a client that registered no encryption, or to the public key of the client, is refused', async () => {
    await refused(
      SIGNING,
      await bench.encrypted(await bench.signed(SIGNING), RSA),
      'has registered no request_object',
    );
    const { kid: _kid, ...own } = bench.keys.encryption.jwk;
    const jwe = await new CompactEncrypt(Buffer.from(await bench.signed(ADVANCED)))
      .setProtectedHeader(RSA)
      .encrypt(await importJWK(own, 'RSA-OAEP-256'));
    await refused(ADVANCED, jwe, 'it cannot be decrypted');
  });

  it('shows a page at the authorization endpoint, where nothing of it is proved (I15)', async () => {
    const answer = await bench.authorize(ADVANCED, await bench.encrypted('x', RSA));
    expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
    expect(answer.text).toContain('the request object does not follow the rules');
  });
});
