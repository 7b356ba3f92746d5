import { createHash, createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JWK } from 'jose';
import type { Bank } from '../../durability/bank.ts';
import { codeOf, Tpp } from '../../durability/tpp.ts';
import { type Contender, type Generator, tppOf } from '../tokens/contenders.ts';
import type { Burst } from '../tokens/generator.ts';
import { certificateSource } from './certificates.ts';
import type { Flow } from './compare.ts';
import { bareCode } from '../journeys/bare-code.ts';

/** A server of ours beside bare oidc-provider, of one format of access tokens. */
export interface Pair {
  readonly reference: Contender;
  readonly own: Contender;
}

const CONNECTIONS = 16;
/** Of assertions that wait to be sent. */
const LIFE_SECONDS = 60;

/** The flows that are one request each, from a TPP with kept connections unless the name has another thing. */
export function requestFlows(
  bank: Bank,
  generator: Generator,
  pairs: Record<'jwt' | 'opaque', Pair>,
): Flow[] {
  const tpp = tppOf(bank);
  const clientId = tpp.clients.tls_client_auth.client_id;
  const form = (fields: Record<string, string>) =>
    new URLSearchParams({ client_id: clientId, ...fields }).toString();
  const grant = { grant_type: 'client_credentials', scope: 'accounts' };
  const flow = (
    name: string,
    pair: Pair,
    burstOf: (to: Contender, count: number) => Partial<Burst> | Promise<Partial<Burst>>,
  ): Flow => ({
    ...{ name, ...pair },
    prepare: async (to, count) => {
      const burst = await burstOf(to, count);
      return (seconds) => generator.burst(to, seconds, burst);
    },
  });
  const { jwt, opaque } = pairs;
  const token = async (to: Contender) =>
    (await generator.burst(to, 0.1, { connections: 1, keepsAnswers: true })).answers.map(tokenIn)[0] ?? '';
  const issueCertificates = certificateSource(bank, tpp);
  const refreshTokens = new Map<Contender, Promise<string[]>>();

  return [
    flow('client_credentials, JWT', jwt, () => ({})),
    flow('client_credentials, opaque', opaque, () => ({})),
    flow('the same as JWT with private_key_jwt', jwt, (_to, count) => ({
      bodies: assertions(bank, count).map((assertion) =>
        new URLSearchParams({ ...grant, ...assertion }).toString(),
      ),
      isOnce: true,
    })),
    flow('with resource, JWT', jwt, () => ({
      body: form({ ...grant, resource: bank.description.resourceUrl }),
    })),
    flow('pushed authorization request', jwt, () => ({
      path: '/par',
      expected: 201,
      body: form({
        ...{ response_type: 'code', redirect_uri: tpp.clients.tls_client_auth.redirect_uris[0] ?? '' },
        ...{ scope: 'openid accounts', code_challenge_method: 'S256', state: 'state', nonce: 'nonce' },
        code_challenge: createHash('sha256').update('verifier').digest('base64url'),
      }),
    })),
    flow('refresh, JWT', jwt, async (to) => {
      const tokens = refreshTokens.get(to) ?? refreshTokensOf(bank, to);
      refreshTokens.set(to, tokens);
      const bodies = (await tokens).map((one) => form({ grant_type: 'refresh_token', refresh_token: one }));
      return { bodies };
    }),
    flow('revocation, opaque', opaque, async (to, count) => {
      const made: string[] = [];
      while (made.length < count)
        made.push(...(await generator.burst(to, 1, { keepsAnswers: true })).answers.map(tokenIn));
      return { path: '/revoke', bodies: made.map((one) => form({ token: one })), isOnce: true };
    }),
    flow('introspection by the TPP, opaque', opaque, async (to) => ({
      path: '/introspect',
      body: form({ token: await token(to) }),
    })),
    flow('fresh TLS connection for each token, JWT', jwt, () => ({ isFresh: true })),
    flow('the same with a certificate never seen before (reference: any)', jwt, async (_to, count) => ({
      identities: await issueCertificates(count),
    })),
  ];
}

function tokenIn(answer: string): string {
  return String((JSON.parse(answer) as { readonly access_token: string }).access_token);
}

/** Client assertions of the TPP's other client, each with a `jti` of its own (RFC 7523). */
function assertions(bank: Bank, count: number): Record<string, string>[] {
  const tpp = tppOf(bank);
  const jwk = JSON.parse(readFileSync(tpp.signingKeyFile, 'utf8')) as JWK;
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const clientId = tpp.clients.private_key_jwt.client_id;
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = encoded({ alg: 'ES256', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) });
  const iat = Math.trunc(Date.now() / 1000);
  const claims = { iss: clientId, sub: clientId, aud: bank.description.issuer, iat, exp: iat + LIFE_SECONDS };
  return Array.from({ length: count }, () => {
    const input = `${header}.${encoded({ ...claims, jti: randomUUID() })}`;
    const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
    return {
      client_id: clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${input}.${signature.toString('base64url')}`,
    };
  });
}

/** One for each connection, each of a code flow of its own. */
async function refreshTokensOf(bank: Bank, to: Contender): Promise<string[]> {
  const tpp = new Tpp(bank);
  const isBare = to.ports.front === to.ports.mtls;
  const tokens = await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, at) => {
      const { requestUri, verifier } = await tpp.pushed(to);
      const login = { username: `c${at + 1}`, password: 'right' };
      const code = isBare
        ? await bareCode(tpp, to.ports, requestUri)
        : codeOf(await (await tpp.walk(to, requestUri, { login })).end());
      const { json, text } = await tpp.exchange(to, { code: code ?? '', verifier });
      if (typeof json.refresh_token !== 'string') throw new Error(`no refresh token: ${text}`);
      return json.refresh_token;
    }),
  );
  tpp.close();
  return tokens;
}
