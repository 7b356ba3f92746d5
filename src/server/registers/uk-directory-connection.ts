import { createPrivateKey, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import type { UkDirectoryConnectionValue } from '../../configuration/tpp/uk-directory-schema.ts';
import { invalidConfig, OpenBankingError } from '../../errors.ts';
import { isListed } from '../../remote/document-source.ts';
import { Outbound, type OutboundRequest } from '../../remote/outbound.ts';
import type { ProxySettings } from '../../remote/proxy.ts';
import {
  type DirectoryConnection,
  MAX_PAGE_BYTES,
} from '../../../tpp-registry/sources/uk-directory/refresh.ts';

/** Of one page, or one key store. */
const TIMEOUT_SECONDS = 30;
const MAX_TOKEN_BYTES = 65_536;
const MAX_KEY_STORE_BYTES = 1_000_000;
const ASSERTION_SECONDS = 60;
/** A token is renewed so long before its end. */
const TOKEN_MARGIN_SECONDS = 30;

const tokenAnswer = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]{1,8192}$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().positive().default(60),
});

interface AccessToken {
  readonly value: string;
  /** In milliseconds. */
  readonly end: number;
}

/** The directory over mutual TLS with an access token of this server's own (RFC 7523 §2.2). */
export class UkDirectoryConnection implements DirectoryConnection {
  readonly #settings: UkDirectoryConnectionValue;
  readonly #signingKeyPem: string;
  readonly #clock: Clock;
  readonly #mutualTls: Outbound;
  readonly #tokens: Outbound;
  readonly #keyStores: Outbound;
  #token: AccessToken | undefined;

  private constructor(
    settings: UkDirectoryConnectionValue,
    files: {
      readonly ca?: string;
      readonly certificate: string;
      readonly key: string;
      readonly signingKey: string;
    },
    { proxy, clock }: { readonly proxy: ProxySettings | undefined; readonly clock: Clock },
  ) {
    const { address, tokenEndpoint, keyStoreAddress, privateHosts } = settings;
    this.#settings = settings;
    this.#signingKeyPem = files.signingKey;
    this.#clock = clock;
    const client = (url: string, maxBytes: number, isMutual = true) =>
      new Outbound({
        allowPrivateAddresses: isListed(url, privateHosts),
        caPem: files.ca,
        ...(isMutual
          ? { clientCertificate: { certificatePem: files.certificate, privateKeyPem: files.key } }
          : {}),
        proxy,
        timeoutSeconds: TIMEOUT_SECONDS,
        maxBytes,
      });
    this.#mutualTls = client(address, MAX_PAGE_BYTES);
    this.#tokens = client(tokenEndpoint, MAX_TOKEN_BYTES);
    this.#keyStores = client(keyStoreAddress ?? address, MAX_KEY_STORE_BYTES, false);
  }

  /**
   * Reads the files of the configuration, so that a renewed certificate is used from the next refresh on.
   *
   * @throws ERR_CONFIG_INVALID
   */
  static async open(
    settings: UkDirectoryConnectionValue,
    parts: { readonly proxy: ProxySettings | undefined; readonly clock: Clock },
  ): Promise<UkDirectoryConnection> {
    const read = (file: string, field: string) => readRequired(file, `${PLACE}.${field}`);
    const { caFile, certificateFile, privateKeyFile, signingKeyFile } = settings;
    const [certificate, key, signingKey, ca] = await Promise.all([
      read(certificateFile, 'certificateFile'),
      read(privateKeyFile, 'privateKeyFile'),
      read(signingKeyFile, 'signingKeyFile'),
      caFile === undefined ? undefined : read(caFile, 'caFile'),
    ]);
    assertKey(signingKey, { file: signingKeyFile, field: 'signingKeyFile' });
    assertKey(key, { file: privateKeyFile, field: 'privateKeyFile' });
    return new UkDirectoryConnection(
      settings,
      { certificate, key, signingKey, ...(ca === undefined ? {} : { ca }) },
      parts,
    );
  }

  /** @throws ERR_REGISTER_TOKEN, ERR_OUTBOUND_* */
  async fetchPage(url: string): Promise<Buffer> {
    const { value } = await this.#freshToken();
    const headers = { authorization: `Bearer ${value}`, accept: 'application/scim+json, application/json' };
    return answered(this.#mutualTls, url, { headers });
  }

  /** Absent where no key stores are configured. @throws ERR_OUTBOUND_* */
  get fetchKeyStore(): DirectoryConnection['fetchKeyStore'] {
    const { keyStoreAddress } = this.#settings;
    if (keyStoreAddress === undefined) return undefined;
    return (organisationId, softwareId) =>
      answered(this.#keyStores, `${keyStoreAddress}/${organisationId}/${softwareId}.jwks`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#mutualTls.close(), this.#tokens.close(), this.#keyStores.close()]);
  }

  async #freshToken(): Promise<AccessToken> {
    const now = this.#clock.now().getTime();
    if (this.#token !== undefined && now < this.#token.end) return this.#token;
    this.#token = await this.#fetchToken(now);
    return this.#token;
  }

  async #fetchToken(now: number): Promise<AccessToken> {
    const { tokenEndpoint, scope } = this.#settings;
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await this.#assertion(now),
    });
    const { status, body } = await this.#tokens.fetchBytes(tokenEndpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: Buffer.from(form.toString()),
    });
    const host = URL.parse(tokenEndpoint)?.host ?? '';
    if (status !== 200) {
      const details = { host, problem: `the answer has status ${status}${oauthError(body)}`, status };
      throw new OpenBankingError('ERR_REGISTER_TOKEN', details);
    }
    const parsed = tokenAnswer.safeParse(jsonOf(body));
    if (parsed.data === undefined) {
      throw new OpenBankingError('ERR_REGISTER_TOKEN', { host, problem: 'the answer has no bearer token' });
    }
    const { access_token: value, expires_in: seconds } = parsed.data;
    return { value, end: now + (seconds - TOKEN_MARGIN_SECONDS) * 1000 };
  }

  #assertion(now: number): Promise<string> {
    const { clientId, scope, tokenEndpoint, signingKeyId, signingAlgorithm } = this.#settings;
    const seconds = Math.floor(now / 1000);
    // The directory's own programs put the scope into the assertion as well.
    return new SignJWT({ scope })
      .setProtectedHeader({ alg: signingAlgorithm, kid: signingKeyId, typ: 'JWT' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(tokenEndpoint)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + ASSERTION_SECONDS)
      .setJti(randomUUID())
      .sign(createPrivateKey(this.#signingKeyPem));
  }
}

const PLACE = 'registry.ukDirectory.connection';

function assertKey(pem: string, { file, field }: { readonly file: string; readonly field: string }): void {
  try {
    createPrivateKey(pem);
  } catch {
    throw invalidConfig(file, [{ path: `${PLACE}.${field}`, message: 'is no private key in PEM' }]);
  }
}

async function answered(client: Outbound, url: string, request: OutboundRequest = {}): Promise<Buffer> {
  const { status, body } = await client.fetchBytes(url, request);
  if (status === 200) return body;
  const host = URL.parse(url)?.host ?? '';
  const problem = `the answer has status ${status}`;
  if (status === 401 || status === 403)
    throw new OpenBankingError('ERR_REGISTER_TOKEN', { host, problem, status });
  throw new OpenBankingError('ERR_OUTBOUND_ANSWER', { host, problem, status });
}

/** The error code of a refusal (RFC 6749 §5.2), where there is one that is fit for a log. */
function oauthError(body: Buffer): string {
  const parsed = z.looseObject({ error: z.string().regex(/^[a-z_]{1,40}$/) }).safeParse(jsonOf(body));
  return parsed.data === undefined ? '' : `, ${parsed.data.error}`;
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
