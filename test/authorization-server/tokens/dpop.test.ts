import { decodeJwt, importJWK } from 'jose';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { createProver, type Prover } from '../dpop-prover.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

describe('a client that is bound to a DPoP key, with openid-client (RFC 9449)', () => {
  let sandbox: TestSandbox;
  const open: DemoTpp[] = [];
  beforeAll(async () => {
    sandbox = await startTestSandbox({ certificatesDemanded: 'where-tokens-are-bound-to-one' });
  });
  afterAll(async () => {
    await Promise.all(open.map((tpp) => tpp.close()));
    await sandbox.stop();
  });

  async function connect(clientId: string, options: { readonly certificate?: 'none' } = {}) {
    const tpp = tppNamed(sandbox.description, 'money-one');
    const client = tpp.moreClients.find(({ client_id: id }) => id === clientId);
    if (client === undefined) throw new Error(clientId);
    const connected = await connectTpp({ description: sandbox.description, tpp, client, ...options });
    open.push(connected);
    return connected;
  }

  /** Tokens of a customer; `exchange` is the key at the token endpoint, if it is another. */
  async function authorized(tpp: DemoTpp, exchange = tpp.binding) {
    const verifier = oauth.randomPKCECodeVerifier();
    const [state, nonce] = [oauth.randomState(), oauth.randomNonce()];
    const url = await oauth.buildAuthorizationUrlWithPAR(
      tpp.config,
      {
        redirect_uri: DEMO_REDIRECT_URI,
        scope: 'openid accounts',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      },
      tpp.binding,
    );
    const [customer] = sandbox.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const callback = await walkPages(url, {
      caFile: sandbox.description.caFile,
      answer: { decision: 'allow', ...customer },
    });
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    return oauth.authorizationCodeGrant(tpp.config, callback, checks, {}, exchange);
  }

  it.each([
    ['money-one-mtls-dpop', {}, ['jkt']],
    ['money-one-jwt-dpop', { certificate: 'none' }, ['jkt']],
    ['money-one-mtls-certificate-and-dpop', {}, ['jkt', 'x5t#S256']],
    ['money-one-jwt-certificate-and-dpop', {}, ['jkt', 'x5t#S256']],
  ] as const)(
    '%s gets tokens, refreshes them, and opens API and userinfo',
    async (clientId, options, members) => {
      const tpp = await connect(clientId, options);
      const tokens = await authorized(tpp);
      expect(tokens.token_type).toBe('dpop');
      const { cnf, sub } = decodeJwt<{ cnf: Record<string, string> }>(tokens.access_token);
      expect(Object.keys(cnf).toSorted()).toEqual(members);
      expect(cnf.jkt).toBe(await tpp.binding.DPoP?.calculateThumbprint());
      expect(await tpp.call('/accounts', tokens.access_token)).toMatchObject({ status: 200 });
      const about = await oauth.fetchUserInfo(tpp.config, tokens.access_token, String(sub), tpp.binding);
      expect(about).toEqual({ sub });
      // A new key is a confidential client's right (RFC 9449 §5).
      const renewed = await connect(clientId, options);
      const refreshed = await oauth.refreshTokenGrant(
        renewed.config,
        tokens.refresh_token ?? '',
        {},
        renewed.binding,
      );
      expect(await renewed.call('/accounts', refreshed.access_token)).toMatchObject({ status: 200 });
      expect(await tpp.call('/accounts', refreshed.access_token)).toMatchObject({ status: 401 });
    },
  );

  describe('at userinfo (OpenID Connect Core §5.3, RFC 9449 §7)', () => {
    let token: string;
    let prover: Prover;
    const url = () => `${sandbox.description.mtlsUrl}/userinfo`;
    beforeAll(async () => {
      prover = await createProver();
      token = await customerToken(prover);
    });

    /** A token of a customer for the key of the prover, without a certificate. */
    async function customerToken({ publicJwk, privateJwk }: Prover): Promise<string> {
      const tpp = await connect('money-one-jwt-dpop', { certificate: 'none' });
      const [publicKey, privateKey] = await Promise.all([
        importJWK(publicJwk, 'ES256'),
        importJWK(privateJwk, 'ES256'),
      ]);
      const keyPair = { publicKey, privateKey } as Parameters<typeof oauth.getDPoPHandle>[1];
      const binding = { DPoP: oauth.getDPoPHandle(tpp.config, keyPair) };
      return (await authorized({ ...tpp, binding })).access_token;
    }

    async function ask(scheme: string, headers: Record<string, string>) {
      const answer = await sandbox.send(url(), {
        method: 'POST',
        headers: { authorization: `${scheme} ${token}`, ...headers },
      });
      const challenge = answer.headers.get('www-authenticate') ?? '';
      return [answer.status, answer.json.error, /^\w+ error="\w+"/.exec(challenge)?.[0]];
    }

    it.each(['DPoP', 'dpop', 'DPOP'])('a token with a proof opens it, by the scheme %s', async (scheme) => {
      const [status] = await ask(scheme, { dpop: await prover.proof(url(), token) });
      expect(status).toBe(200);
    });

    it.each<readonly [string, string, (other: Prover) => Promise<string | undefined>]>([
      ['no proof', 'DPoP', async () => undefined],
      ['as Bearer, without a proof', 'Bearer', async () => undefined],
      ['as Bearer, with a proof', 'Bearer', () => prover.proof(url(), token)],
      ['a proof of another key', 'DPoP', (other) => other.proof(url(), token)],
      ['a proof without ath', 'DPoP', () => prover.proof(url())],
      ['a proof for another token', 'DPoP', () => prover.proof(url(), 'x')],
      ['a proof for another method', 'DPoP', () => prover.proof(url(), token, { claims: { htm: 'GET' } })],
      ['a proof for another address', 'DPoP', () => prover.proof(`${url()}/x`, token)],
      [
        'a proof for the token endpoint',
        'DPoP',
        () => prover.proof(url().replace('userinfo', 'token'), token),
      ],
      ['an old proof', 'DPoP', () => prover.proof(url(), token, { claims: { iat: 1_700_000_000 } })],
    ])('is closed to a token with %s (L5)', async (_what, scheme, make) => {
      const dpop = await make(await createProver());
      expect(await ask(scheme, dpop === undefined ? {} : { dpop })).toEqual([
        401,
        'invalid_dpop_proof',
        'DPoP error="invalid_dpop_proof"',
      ]);
    });

    it('takes a proof once, also of fifty at the same moment (J8, L5)', async () => {
      const dpop = await prover.proof(url(), token);
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask('DPoP', { dpop })));
      expect(answers.filter(([status]) => status === 200)).toHaveLength(1);
    });

    it('takes no proof for a token of a certificate alone (RFC 9449 §7.1)', async () => {
      const { json } = await sandbox.post('money-one', '/token', {
        grant_type: 'client_credentials',
        client_id: 'money-one-mtls',
        scope: 'accounts',
      });
      const bound = String(json.access_token);
      const answer = await sandbox.send(url(), {
        method: 'POST',
        certificate: tppNamed(sandbox.description, 'money-one'),
        headers: { authorization: `Bearer ${bound}`, dpop: await prover.proof(url(), bound) },
      });
      expect([answer.status, answer.json.error]).toEqual([401, 'invalid_dpop_proof']);
    });
  });

  it('no code of one key is exchanged with another (I5, J3, RFC 9449 §10)', async () => {
    const tpp = await connect('money-one-mtls-dpop');
    const other = await connect('money-one-mtls-dpop');
    await expect(authorized(tpp, other.binding)).rejects.toMatchObject({
      error: 'invalid_dpop_proof',
      error_description: expect.stringContaining('ERR_DPOP_KEY'),
    });
  });
});
