import { randomBytes, timingSafeEqual } from 'node:crypto';
import * as openid from 'openid-client';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Outbound } from '../../remote/outbound.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import type { Operator, Role } from './operator.ts';

export interface OpenidLoginOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** A secret of the client, or its private key for `private_key_jwt`. */
  readonly authentication: { readonly secret: string } | { readonly key: CryptoKey; readonly kid: string };
  readonly scope: string;
  readonly nameClaim: string;
  readonly rolesClaim: string;
  /** Roles by values of that claim. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Where the provider sends the browser back to. */
  readonly redirectUri: string;
  /** Reaches the provider alone. */
  readonly outbound: Pick<Outbound, 'fetchBytes'>;
  readonly store: Store;
  readonly secret: Buffer;
  readonly clock: Clock;
}

/** A login that has begun. */
export interface BegunLogin {
  /** Where the browser goes. */
  readonly url: string;
  /** Binds the login to the browser: a cookie. */
  readonly browser: string;
}

interface Kept {
  readonly browser: string;
  readonly verifier: string;
  readonly nonce: string;
  readonly returnTo: string;
}

const KIND = 'ManagementLogin';
const LOGIN_SECONDS = 600;
/** How long the metadata of the provider counts. */
const METADATA_SECONDS = 600;
const NAME = /^[\x21-\x7e][\x20-\x7e]{0,63}$/;

/** The login of operators at the OpenID provider of the bank: code flow with PKCE, state and nonce. */
export class OpenidLogin {
  readonly #options: OpenidLoginOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;
  #metadata: { readonly at: number; readonly configuration: Promise<openid.Configuration> } | undefined;

  constructor(options: OpenidLoginOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** @throws ERR_OUTBOUND_*, ERR_MANAGEMENT_LOGIN */
  async begin(returnTo: string): Promise<BegunLogin> {
    const { redirectUri, scope, store, clock } = this.#options;
    const configuration = await this.#configuration();
    const [state, nonce, browser] = [randomText(), randomText(), randomText()] as const;
    const verifier = openid.randomPKCECodeVerifier();
    const key = this.#hash(KIND, state);
    const kept: Kept = { browser, verifier, nonce, returnTo };
    await store.put(KIND, key, {
      value: this.#encryption.encrypt(kept, `${KIND}\0${key}`),
      expiresAt: new Date(clock.now().getTime() + LOGIN_SECONDS * 1000),
    });
    const url = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope,
      state,
      nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, browser };
  }

  /**
   * The operator of the login that comes back, once.
   *
   * @throws ERR_MANAGEMENT_LOGIN, ERR_OUTBOUND_*
   */
  async finish(
    query: string,
    browser: string,
  ): Promise<{ readonly operator: Operator; readonly returnTo: string }> {
    const url = new URL(`${this.#options.redirectUri}${query}`);
    const state = url.searchParams.get('state') ?? '';
    const { verifier, nonce, returnTo } = await this.#taken(state, browser);
    const configuration = await this.#configuration();
    const tokens = await openid
      .authorizationCodeGrant(configuration, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      })
      .catch((error: unknown) => {
        throw refusalOf(error);
      });
    return { operator: this.#operatorOf(tokens.claims() ?? {}), returnTo };
  }

  async #taken(state: string, browser: string): Promise<Kept> {
    const { store } = this.#options;
    const key = this.#hash(KIND, state);
    const record = await store.find(KIND, key);
    const kept = record && (this.#encryption.decrypt(record.value, `${KIND}\0${key}`) as Kept);
    const [given, expected] = [Buffer.from(browser), Buffer.from(kept?.browser ?? '')];
    const isOwn = given.length === expected.length && given.length > 0 && timingSafeEqual(given, expected);
    if (kept === undefined || !isOwn || !(await store.consume(KIND, key))) {
      throw refused('did not begin in this browser, or is over');
    }
    return kept;
  }

  #operatorOf(claims: Readonly<Record<string, unknown>>): Operator {
    const { nameClaim, rolesClaim, roles } = this.#options;
    const name = claims[nameClaim];
    if (typeof name !== 'string' || !NAME.test(name)) throw refused(`has no usable name in ${nameClaim}`);
    const values = [claims[rolesClaim]].flat();
    const held = new Set(
      values.flatMap((value) =>
        typeof value === 'string' && Object.hasOwn(roles, value) ? (roles[value] ?? []) : [],
      ),
    );
    if (held.size === 0) throw refused(`has no value in ${rolesClaim} that gives a role`);
    return { name, roles: [...held], by: 'openid' };
  }

  #configuration(): Promise<openid.Configuration> {
    const now = this.#options.clock.now().getTime();
    if (this.#metadata === undefined || now - this.#metadata.at > METADATA_SECONDS * 1000) {
      const configuration = this.#discover();
      this.#metadata = { at: now, configuration };
      configuration.catch(() => {
        this.#metadata = undefined;
      });
    }
    return this.#metadata.configuration;
  }

  async #discover(): Promise<openid.Configuration> {
    const { issuer, clientId, authentication, outbound } = this.#options;
    const method =
      'secret' in authentication
        ? openid.ClientSecretBasic(authentication.secret)
        : openid.PrivateKeyJwt(authentication);
    const options = { [openid.customFetch]: fetchOver(outbound) };
    return openid.discovery(new URL(issuer), clientId, undefined, method, options).catch((error: unknown) => {
      throw refusalOf(error);
    });
  }
}

function fetchOver(outbound: Pick<Outbound, 'fetchBytes'>): openid.CustomFetch {
  return async (url, { method, headers, body }) => {
    const answer = await outbound.fetchBytes(url, {
      method: method === 'POST' ? 'POST' : 'GET',
      headers,
      ...(body === undefined || body === null ? {} : { body: Buffer.from(String(body)) }),
    });
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: answer.headers });
  };
}

function refusalOf(error: unknown): OpenBankingError {
  const cause = error instanceof Error ? error.cause : undefined;
  for (const one of [error, cause]) if (isRefusal(one)) return one;
  const code = typeof error === 'object' && error !== null && 'error' in error ? String(error.error) : '';
  const problem = `failed at the provider${/^\w{1,60}$/.test(code) ? `: ${code}` : ''}`;
  return new OpenBankingError('ERR_MANAGEMENT_LOGIN', { problem }, { cause: error });
}

function refused(problem: string): OpenBankingError {
  return new OpenBankingError('ERR_MANAGEMENT_LOGIN', { problem });
}

function randomText(): string {
  return randomBytes(32).toString('base64url');
}
