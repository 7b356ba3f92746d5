import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { importJWK, type JWK, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { CIBA_GRANT } from '../../../src/authorization-server/clients/registered-client.ts';
import { isRefusal } from '../../../src/index.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp, type DemoTppOptions } from '../../../src/sandbox/demo/demo-tpp.ts';
import type { SandboxDescription } from '../../../src/sandbox/folder.ts';

/** The claims of a signed request; undefined leaves one out. */
export type RequestClaims = Readonly<Record<string, unknown>>;

/** A TPP whose client is for CIBA: openid-client, and jose for the signed requests. */
export class CibaTpp {
  readonly clientId: string;
  readonly #issuer: string;
  readonly #tpp: DemoTpp;
  readonly #key: CryptoKey;
  readonly #kid: string;

  private constructor(parts: {
    issuer: string;
    tpp: DemoTpp;
    key: CryptoKey;
    kid: string;
    clientId: string;
  }) {
    this.clientId = parts.clientId;
    this.#issuer = parts.issuer;
    this.#tpp = parts.tpp;
    this.#key = parts.key;
    this.#kid = parts.kid;
  }

  static async open(
    { description }: { readonly description: SandboxDescription },
    clientId: string,
    options: Partial<DemoTppOptions> = {},
  ): Promise<CibaTpp> {
    const tpp = tppNamed(description, clientId.split('-').slice(0, 2).join('-'));
    const method = clientId.includes('-jwt-') ? 'private_key_jwt' : 'tls_client_auth';
    const connected = await connectTpp({ description, tpp, method, clientId, ...options });
    const jwk = JSON.parse(await readFile(tpp.signingKeyFile, 'utf8')) as JWK;
    const key = (await importJWK(jwk, 'ES256')) as CryptoKey;
    return new CibaTpp({ issuer: description.issuer, tpp: connected, key, kid: jwk.kid ?? '', clientId });
  }

  /** A signed request for alice; members replace the usual ones. */
  sign(
    claims: RequestClaims = {},
    { alg = 'ES256', key = this.#key, kid = this.#kid } = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      iss: this.clientId,
      aud: this.#issuer,
      iat: now,
      nbf: now,
      exp: now + 300,
      jti: randomUUID(),
      scope: 'openid accounts',
      login_hint: 'alice',
      binding_message: 'Sofa 1234',
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(all))).setProtectedHeader({ alg, kid }).sign(key);
  }

  async ask(claims: RequestClaims = {}): Promise<oauth.BackchannelAuthenticationResponse> {
    return this.send({ request: await this.sign(claims) });
  }

  send(parameters: Record<string, string>): Promise<oauth.BackchannelAuthenticationResponse> {
    return oauth.initiateBackchannelAuthentication(this.#tpp.config, parameters);
  }

  /** One poll. */
  poll(authReqId: string): Promise<oauth.TokenEndpointResponse> {
    const parameters = { auth_req_id: authReqId };
    return oauth.genericGrantRequest(this.#tpp.config, CIBA_GRANT, parameters, this.#tpp.binding);
  }

  /** Polls as often as the server allows. */
  pollUntilAnswered(asked: oauth.BackchannelAuthenticationResponse) {
    return oauth.pollBackchannelAuthenticationGrant(this.#tpp.config, asked);
  }

  refresh(token: string) {
    return oauth.refreshTokenGrant(this.#tpp.config, token, undefined, this.#tpp.binding);
  }

  call(path: string, token: string) {
    return this.#tpp.call(path, token);
  }

  close(): Promise<void> {
    return this.#tpp.close();
  }
}

/** The OAuth error of a request that has to fail: name and our code. */
export async function refusalOf(request: Promise<unknown>): Promise<{ error: string; code: string }> {
  const failure = await request.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof oauth.ResponseBodyError)) throw failure ?? new Error('the request was allowed');
  const code = /\bERR_\w+/.exec(failure.error_description ?? '')?.[0] ?? failure.error_description ?? '';
  return { error: failure.error, code };
}

/** The code of a refusal that the bank gets. */
export async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  return isRefusal(failure) ? failure.code : undefined;
}
