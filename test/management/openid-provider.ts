import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { JWK } from 'jose';
import Provider from 'oidc-provider';
import { type Agent, fetch } from 'undici';
import { systemClock } from '../../src/clock.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { freePort } from '../free-port.ts';

export interface OperatorsProvider {
  readonly issuer: string;
  readonly caPem: string;
  /** The account that logs in next; its name is its group too. */
  account: string;
  close(): Promise<void>;
}

/** A real OpenID provider on loopback TLS, which logs in without a form. */
export async function startProvider(client: {
  readonly id: string;
  /** A secret, or the public keys for `private_key_jwt`. */
  readonly secret?: string;
  readonly keys?: readonly JWK[];
  readonly redirectUri: string;
}): Promise<OperatorsProvider> {
  const now = systemClock.now().getTime();
  const period = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) };
  const authority = await createAuthority({ name: 'Provider CA', ...period });
  const own = await authority.issue({
    profile: 'server',
    subject: { commonName: 'localhost' },
    dnsNames: ['localhost'],
    keyType: 'ec-p256',
    ...period,
  });
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        ...(client.keys === undefined
          ? { client_secret: client.secret ?? '' }
          : {
              token_endpoint_auth_method: 'private_key_jwt' as const,
              jwks: { keys: [...client.keys] as JWK[] },
            }),
        redirect_uris: [client.redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub', 'groups'] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}` },
    findAccount: async (_ctx, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, groups: [id.replace(/\d+$/, ''), 'staff'] }),
    }),
    loadExistingGrant: async (ctx) => {
      const accountId = ctx.oidc.session?.accountId;
      if (accountId === undefined) return undefined;
      const grant = new provider.Grant({ clientId: client.id, accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  const server = createServer({ cert: own.certificatePem, key: own.privateKeyPem }, (request, response) => {
    if (!request.url?.startsWith('/login/')) return void answer(request, response);
    const result = { login: { accountId: found.account } };
    return void provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const found: OperatorsProvider = {
    issuer: `https://localhost:${(server.address() as AddressInfo).port}`,
    caPem: authority.certificatePem,
    account: 'desk1',
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return found;
}

export const cookiesOf = (headers: Headers) =>
  headers
    .getSetCookie()
    .map((text) => text.split(';')[0] ?? '')
    .filter((text) => !text.endsWith('='));

/** Follows the provider as a browser does, up to the address of the console that it leads back to. */
export async function atProvider(
  provider: Pick<OperatorsProvider, 'issuer'>,
  agent: Agent,
  start: string,
): Promise<URL> {
  const jar = new Map<string, string>();
  for (let url = start, steps = 0; steps < 10; steps += 1) {
    if (!url.startsWith(provider.issuer)) return new URL(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { redirect: 'manual', dispatcher: agent, headers: { cookie } });
    for (const text of cookiesOf(answer.headers as Headers)) {
      const at = text.indexOf('=');
      jar.set(text.slice(0, at), text.slice(at + 1));
    }
    url = new URL(answer.headers.get('location') ?? '', url).href;
  }
  throw new Error('the provider leads nowhere');
}
