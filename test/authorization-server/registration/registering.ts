import { readFileSync } from 'node:fs';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { SignJWT } from 'jose';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import type { CertificateFiles } from '../../../src/sandbox/folder.ts';
import type { TestSandbox } from '../running-sandbox.ts';

export const REDIRECT = 'https://app.money-one.tpp.example/callback';

/** A registration that is accepted. */
export const GOOD = Object.freeze({
  redirect_uris: [REDIRECT],
  grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
  token_endpoint_auth_method: 'tls_client_auth',
  scope: 'openid accounts',
});

export interface Registered {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
  readonly text: string;
}

/** A TPP at the registration endpoints. */
export class RegisteringTpp {
  readonly #sandbox: Pick<TestSandbox, 'send' | 'description'>;
  readonly certificate: CertificateFiles;

  constructor(
    sandbox: Pick<TestSandbox, 'send' | 'description'>,
    tpp: CertificateFiles | string = 'money-one',
  ) {
    this.#sandbox = sandbox;
    this.certificate = typeof tpp === 'string' ? tppNamed(sandbox.description, tpp) : tpp;
  }

  register(body: object | string = GOOD, contentType = 'application/json'): Promise<Registered> {
    return this.#send(`${this.#sandbox.description.mtlsUrl}/register`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  manage(
    method: 'GET' | 'PUT' | 'DELETE',
    registered: Pick<Registered, 'json'>,
    { body, token }: { readonly body?: object; readonly token?: unknown } = {},
  ): Promise<Registered> {
    return this.#send(String(registered.json.registration_client_uri), {
      method,
      headers: {
        authorization: `Bearer ${String(token ?? registered.json.registration_access_token)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** The answer of the token endpoint to the client. */
  token(clientId: unknown, scope = 'accounts'): Promise<Registered> {
    return this.#send(`${this.#sandbox.description.mtlsUrl}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: String(clientId), scope }),
    });
  }

  #send(url: string, init: Parameters<TestSandbox['send']>[1]): Promise<Registered> {
    return this.#sandbox.send(url, { certificate: this.certificate, ...init });
  }
}

/** The members that a change sends back: all but those that the server alone chooses. */
export function changeable({ json }: Pick<Registered, 'json'>): Record<string, unknown> {
  const {
    client_id_issued_at,
    registration_client_uri,
    registration_access_token,
    registration_status,
    ...rest
  } = json;
  return rest;
}

/** A registration as a JWT under a certificate. */
export async function sealed(
  claims: Readonly<Record<string, unknown>>,
  { certificateFile, keyFile }: CertificateFiles,
  header: Record<string, unknown> = {},
): Promise<string> {
  const [first = ''] = readFileSync(certificateFile, 'utf8').split(/(?<=-----END CERTIFICATE-----)/);
  return new SignJWT(claims)
    .setProtectedHeader({
      alg: 'ES256',
      x5c: [new X509Certificate(first).raw.toString('base64')],
      ...header,
    })
    .sign(createPrivateKey(readFileSync(keyFile)));
}
