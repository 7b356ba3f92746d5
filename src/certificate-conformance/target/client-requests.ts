import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { importJWK, type JWK, SignJWT } from 'jose';
import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import type { Exchange } from './exchange.ts';
import type { Presented } from '../folder/prepared-folder.ts';
import type { ClientName, PreparedFolder } from '../folder/prepared-folder.ts';
import { signingKeysFile } from '../folder/registration-files.ts';
import type { Target } from './target.ts';

export interface RequestOptions {
  /** Added to every form for tokens and pushed requests: `resource=…`, `audience=…`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The audience of client assertions. Default: the issuer (FAPI 2.0 §5.3.3.1). */
  readonly assertionAudience?: string | undefined;
}

/** Seconds; servers limit it, ours to 300. */
const ASSERTION_SECONDS = 60;

/** Makes the requests of the clients of a prepared folder, a new one each time: no assertion is used twice. */
export class ClientRequests {
  readonly prepared: PreparedFolder;
  readonly target: Target;
  readonly #options: RequestOptions;
  readonly #signingKey: JWK;

  private constructor(prepared: PreparedFolder, target: Target, options: RequestOptions, signingKey: JWK) {
    this.prepared = prepared;
    this.target = target;
    this.#options = options;
    this.#signingKey = signingKey;
  }

  static async open(
    prepared: PreparedFolder,
    target: Target,
    options: RequestOptions,
  ): Promise<ClientRequests> {
    const { keys } = JSON.parse(await readFile(signingKeysFile(prepared), 'utf8')) as {
      readonly keys: JWK[];
    };
    const supported = target.signingAlgorithms;
    const key = keys.find(({ alg = '' }) => supported === undefined || supported.includes(alg)) ?? keys[0];
    if (key === undefined)
      throw invalidConfig(prepared.folder, [{ path: '--dir', message: 'has no signing key' }]);
    return new ClientRequests(prepared, target, options, key);
  }

  /** A token of the client itself. */
  token(client: ClientName, presented: Presented | undefined): Promise<Exchange> {
    return this.#post(this.target.tokenEndpoint, client, presented, {
      grant_type: 'client_credentials',
      scope: this.#apiScope(),
    });
  }

  /** A pushed authorization request (RFC 9126 §2.1). */
  async pushed(
    client: ClientName,
    presented: Presented | undefined,
    verifier = randomVerifier(),
  ): Promise<Exchange> {
    return this.#post(this.target.parEndpoint, client, presented, {
      response_type: 'code',
      redirect_uri: this.prepared.tester.redirectUri,
      scope: this.prepared.tester.scope,
      state: randomUUID(),
      nonce: randomUUID(),
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
  }

  /** The exchange of a code, or the use of a refresh token. */
  redeem(
    client: ClientName,
    presented: Presented | undefined,
    grant: Readonly<Record<string, string>>,
  ): Promise<Exchange> {
    return this.#post(this.target.tokenEndpoint, client, presented, grant);
  }

  /** A call of the API, with a token if one is given. */
  call(presented: Presented | undefined, token?: string): Exchange {
    const { resource } = this.target;
    if (resource === undefined) throw new TypeError('there is no API to call');
    return {
      url: resource,
      presented,
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    };
  }

  /** A client's own token has no `openid`. */
  #apiScope(): string {
    return this.prepared.tester.scope
      .split(' ')
      .filter((one) => one !== 'openid')
      .join(' ');
  }

  async #post(
    url: URL | undefined,
    client: ClientName,
    presented: Presented | undefined,
    members: Readonly<Record<string, string>>,
  ): Promise<Exchange> {
    if (url === undefined) throw new TypeError('the target has no such endpoint');
    const form = new URLSearchParams({
      ...members,
      ...this.#options.parameters,
      client_id: this.prepared.clientId(client),
      ...(client === 'jwt' ? await this.#assertion() : {}),
    });
    return { url, presented, form };
  }

  async #assertion(): Promise<Record<string, string>> {
    const id = this.prepared.clientId('jwt');
    const { alg = 'ES256', kid = '' } = this.#signingKey;
    const audience = this.#options.assertionAudience ?? this.target.issuer ?? this.target.tokenEndpoint?.href;
    const now = Math.floor(systemClock.now().getTime() / 1000);
    const assertion = await new SignJWT()
      .setProtectedHeader({ alg, kid })
      .setIssuer(id)
      .setSubject(id)
      .setAudience(audience ?? '')
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(now + ASSERTION_SECONDS)
      .sign(await importJWK(this.#signingKey, alg));
    return {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
  }
}

/** A code verifier of PKCE (RFC 7636 §4.1). */
export function randomVerifier(): string {
  return randomBytes(32).toString('base64url');
}
