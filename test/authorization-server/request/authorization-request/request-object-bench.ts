import { createHash, randomUUID } from 'node:crypto';
import { CompactEncrypt, CompactSign, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Answer } from '../../../durability/tpp.ts';
import { PagesBench } from '../../customer/pages-bench.ts';

export const VERIFIER = 'v'.repeat(43);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');
export const SIGNING = 'signs-requests';
export const ADVANCED = 'fapi1';
/** A client of another TPP. */
export const OTHER = 'of-another-tpp';

/** A client's key pair. */
export interface ClientKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export async function clientKey(alg: string, kid: string, more: object = {}): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, ...more } };
}

export interface Made {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Record<string, unknown>;
  readonly key?: CryptoKey;
}

/** A server with clients that sign their requests. */
export class RequestObjectBench {
  readonly pages: PagesBench;
  readonly keys: Readonly<Record<'elliptic' | 'rsa' | 'edwards' | 'encryption' | 'other', ClientKey>>;

  static async open(settings: Readonly<Record<string, unknown>> = {}): Promise<RequestObjectBench> {
    const [elliptic, rsa, edwards, encryption, other] = await Promise.all([
      clientKey('ES256', 'ec'),
      clientKey('PS256', 'rsa', { alg: 'PS256' }),
      clientKey('EdDSA', 'ed'),
      clientKey('RSA-OAEP-256', 'enc', { use: 'enc' }),
      clientKey('ES256', 'ec'),
    ]);
    const keys = { elliptic, rsa, edwards, encryption, other };
    const common = {
      client_name: 'Signing',
      authorization_number: 'PSDGB-FCA-900003',
      token_endpoint_auth_method: 'tls_client_auth',
      redirect_uris: ['https://tpp.example/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'openid accounts',
    };
    const clients = [
      {
        ...common,
        client_id: SIGNING,
        profile: 'fapi2-message-signing',
        jwks: { keys: [elliptic.jwk, rsa.jwk, edwards.jwk] },
      },
      {
        ...common,
        client_id: ADVANCED,
        profile: 'fapi1-advanced',
        response_types: ['code id_token', 'code'],
        jwks: { keys: [elliptic.jwk, rsa.jwk, encryption.jwk] },
        id_token_encrypted_response_alg: 'RSA-OAEP-256',
        id_token_encrypted_response_enc: 'A256GCM',
        request_object_encryption_alg: 'RSA-OAEP-256',
        request_object_encryption_enc: 'A256GCM',
      },
      {
        ...common,
        client_id: OTHER,
        authorization_number: 'PSDGB-FCA-900004',
        profile: 'fapi2-message-signing',
        jwks: { keys: [other.jwk] },
      },
    ];
    const profiles = { allowed: ['fapi2-security', 'fapi2-message-signing', 'fapi1-advanced'] };
    return new RequestObjectBench(await PagesBench.open({}, { profiles, clients, ...settings }), keys);
  }

  private constructor(pages: PagesBench, keys: RequestObjectBench['keys']) {
    this.pages = pages;
    this.keys = keys;
  }

  get issuer(): string {
    return this.pages.bank.description.issuer;
  }

  claims(clientId: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return {
      iss: clientId,
      aud: this.issuer,
      nbf: now,
      exp: now + 60,
      jti: randomUUID(),
      client_id: clientId,
      response_type: clientId === ADVANCED ? 'code id_token' : 'code',
      redirect_uri: 'https://tpp.example/cb',
      scope: 'openid accounts',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      nonce: 'n-0S6_WzA2Mj',
      state: 'af0ifjsldkj',
      ...(clientId === ADVANCED ? {} : { response_mode: 'jwt' }),
      ...more,
    };
  }

  async signed(clientId: string, { claims = {}, header = {}, key }: Made = {}): Promise<string> {
    return new CompactSign(Buffer.from(JSON.stringify(this.claims(clientId, claims))))
      .setProtectedHeader({ alg: 'ES256', kid: 'ec', typ: 'oauth-authz-req+jwt', ...header })
      .sign(key ?? this.keys.elliptic.privateKey);
  }

  /** The key of the server for encryption. */
  async encryptionKey(alg: string): Promise<JWK> {
    const { json } = await this.pages.tpp.browse(this.pages.to, '/jwks');
    const key = (json.keys as readonly JWK[]).find((one) => one.alg === alg);
    if (key === undefined) throw new Error(`no key for ${alg}`);
    return key;
  }

  async encrypted(
    text: string,
    header: { readonly alg: string; readonly enc: string; [more: string]: unknown },
  ) {
    const key = await this.encryptionKey(header.alg);
    return new CompactEncrypt(Buffer.from(text))
      .setProtectedHeader({ kid: key.kid ?? '', cty: 'JWT', ...header })
      .encrypt(await importJWK(key, header.alg));
  }

  push(clientId: string, request: string, more: Record<string, string> = {}): Promise<Answer> {
    return this.pages.tpp.post(this.pages.to, '/par', { client_id: clientId, request, ...more });
  }

  /** By value, at the authorization endpoint. */
  authorize(clientId: string, request: string, more: Record<string, string> = {}): Promise<Answer> {
    const query = new URLSearchParams({
      client_id: clientId,
      request,
      response_type: clientId === ADVANCED ? 'code id_token' : 'code',
      scope: 'openid accounts',
      redirect_uri: 'https://tpp.example/cb',
      ...more,
    });
    return this.pages.tpp.browse(this.pages.to, `/authorize?${query}`);
  }

  close(): Promise<void> {
    return this.pages.close();
  }
}

/** Status, error and description of an answer: of a JSON body, of a page, or of a redirect to the TPP. */
export function outcomeOf({ status, json, text, headers }: Answer): readonly [number, string, string] {
  const { location = '' } = headers;
  if (String(location).startsWith('https://tpp.example/')) {
    const url = new URL(String(location));
    const answer = new URLSearchParams(url.search || url.hash.slice(1));
    return [status, answer.get('error') ?? '', answer.get('error_description') ?? ''];
  }
  const page = text.startsWith('<') ? text : '';
  return [status, String(json.error ?? ''), String(json.error_description ?? page)];
}
