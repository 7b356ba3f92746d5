import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { exportJWK, importJWK, type JSONWebKeySet, type JWK, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import type { RawAnswer, SignedMessage } from './signed-message.ts';
import type { CertificateFiles, SandboxDescription, SandboxTpp } from '../folder.ts';
import type { SandboxClient } from '../sandbox-clients.ts';

/** A TPP's program: openid-client over TLS with one certificate. */
export interface DemoTpp {
  readonly config: oauth.Configuration;
  /** Signs assertions and request objects. */
  readonly signingKey: oauth.PrivateKey;
  /** The options of each request for tokens: a DPoP key, for a client that is bound to one. */
  readonly binding: { readonly DPoP?: oauth.DPoPHandle };
  /** Calls the bank's API over this TPP's certificate, with a proof of the DPoP key; without a token for ''. */
  call(path: string, accessToken: string, init?: ApiRequest): Promise<ApiAnswer>;
  /** A request to any address, over this TPP's certificate. */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Sends a request to the bank as it is. */
  send(message: SignedMessage): Promise<RawAnswer>;
  /** The keys of signed answers, where the metadata of the API name them. */
  answerKeys(path: string): Promise<JSONWebKeySet>;
  /** The metadata of the API, which its challenge names (RFC 9728). @throws when there are none */
  discover(path: string): Promise<ApiMetadata>;
  close(): Promise<void>;
}

export interface ApiMetadata {
  readonly authorization_servers: readonly string[];
  readonly scopes_supported: readonly string[];
  /** The keys of its signed answers. */
  readonly jwks_uri?: string;
}

export interface ApiRequest {
  /** Default: POST with a body, else GET. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  readonly status: number;
  /** Empty for an answer without a body. */
  readonly body: Record<string, unknown>;
}

export interface DemoTppOptions {
  readonly description: SandboxDescription;
  readonly tpp: SandboxTpp;
  /** Its plain client unless another is named; `private_key_jwt` is the other plain one. */
  readonly method?: 'tls_client_auth' | 'private_key_jwt';
  readonly client?: SandboxClient;
  /** Another client of the TPP than that of the method. */
  readonly clientId?: string;
  /** The TPP's own certificate unless another is named; `none` presents none. */
  readonly certificate?: CertificateFiles | 'none';
  /** Makes OpenSSL present certificates that it refuses by default: SHA-1 signatures, short keys. */
  readonly presentsWeak?: boolean;
}

/** Reads the discovery document and prepares a client of the TPP. */
export async function connectTpp(options: DemoTppOptions): Promise<DemoTpp> {
  const { description, tpp, client, certificate = tpp } = options;
  const method = client?.token_endpoint_auth_method ?? options.method ?? 'tls_client_auth';
  const ca = await readFile(description.caFile, 'utf8');
  const connect =
    certificate === 'none'
      ? { ca }
      : {
          ca,
          cert: await readFile(certificate.certificateFile, 'utf8'),
          key: await readFile(certificate.keyFile, 'utf8'),
          ...(options.presentsWeak === true ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
        };
  const agent = new Agent({ connect });
  const overTls = ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher: agent })) as unknown as oauth.CustomFetch;
  const signingKey = await readSigningKey(tpp.signingKeyFile);
  const authentication =
    method === 'tls_client_auth' ? oauth.TlsClientAuth() : oauth.PrivateKeyJwt(signingKey);
  const config = await oauth.discovery(
    new URL(description.issuer),
    options.clientId ?? client?.client_id ?? tpp.clients[method].client_id,
    { use_mtls_endpoint_aliases: true },
    authentication,
    { [oauth.customFetch]: overTls },
  );
  const isKeyBound = (client?.sender_constraint ?? 'certificate') !== 'certificate';
  const keyPair = isKeyBound ? await oauth.randomDPoPKeyPair('ES256') : undefined;
  return {
    config,
    binding: keyPair === undefined ? {} : { DPoP: oauth.getDPoPHandle(config, keyPair) },
    signingKey,
    call: async (path, accessToken, { json, headers, method = json === undefined ? 'GET' : 'POST' } = {}) => {
      const url = `${description.resourceUrl}${path}`;
      const proof = keyPair && (await dpopProof(keyPair, { htm: method, htu: url }, accessToken));
      const authorization =
        proof === undefined
          ? { authorization: `Bearer ${accessToken}` }
          : { authorization: `DPoP ${accessToken}`, dpop: proof };
      const ownHeaders = { ...(accessToken === '' ? {} : authorization), ...headers };
      return answerTo(url, { agent, method, json, headers: ownHeaders });
    },
    fetch: (url, init) => fetch(url, { ...init, dispatcher: agent }),
    send: async ({ method, path, headers, body }) => {
      const response = await fetch(`${description.resourceUrl}${path}`, {
        dispatcher: agent,
        method,
        headers,
        body,
      });
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        text: await response.text(),
      };
    },
    answerKeys: async (path) => {
      const { jwks_uri: url = '' } = await discover(path);
      return (await (await fetch(url, { dispatcher: agent })).json()) as JSONWebKeySet;
    },
    discover,
    close: () => agent.close(),
  };

  async function discover(path: string): Promise<ApiMetadata> {
    const refused = await fetch(`${description.resourceUrl}${path}`, { dispatcher: agent });
    await refused.arrayBuffer();
    const [, url] = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? [];
    if (url === undefined) throw new Error(`the challenge of HTTP ${refused.status} names no metadata`);
    const response = await fetch(url, { dispatcher: agent });
    const metadata = (await response.json()) as ApiMetadata & { readonly resource: string };
    // RFC 9728 §3.3: metadata of another resource must not be used.
    if (metadata.resource !== description.resourceUrl) throw new Error(`metadata of ${metadata.resource}`);
    return metadata;
  }
}

/** The answer to a request of JSON, or without a body. */
async function answerTo(
  url: string,
  { agent, method, json, headers }: ApiRequest & { readonly agent: Agent },
): Promise<ApiAnswer> {
  const content = json === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(url, {
    dispatcher: agent,
    method: method ?? 'GET',
    headers: { ...content, ...headers },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

/** A proof of the key for one request with an access token (RFC 9449 §4.2). */
async function dpopProof(
  { publicKey, privateKey }: Awaited<ReturnType<typeof oauth.randomDPoPKeyPair>>,
  request: { readonly htm: string; readonly htu: string },
  accessToken: string,
): Promise<string> {
  const ath = createHash('sha256').update(accessToken).digest('base64url');
  return new SignJWT({ ...request, ath, jti: randomUUID() })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
    .setIssuedAt()
    .sign(privateKey);
}

async function readSigningKey(file: string): Promise<oauth.PrivateKey> {
  const jwk = JSON.parse(await readFile(file, 'utf8')) as JWK;
  const key = await importJWK(jwk, 'ES256');
  if (key instanceof Uint8Array) throw new TypeError('the signing key is not a key pair');
  return { key, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) };
}
