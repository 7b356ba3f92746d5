import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { inflateSync } from 'node:zlib';
import { importJWK, type JWK, SignJWT } from 'jose';
import type { Bank, BankProcess } from './bank.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/** An answer that came, or the error that came instead. */
export interface Seen {
  readonly path: string;
  readonly answer: Answer | Error;
  readonly milliseconds: number;
}

/** A customer's way through the pages, up to the redirect that ends it and gives the code. */
export interface Walk {
  /** Of the last redirect. */
  readonly path: string;
  /** Follows the last redirect: the URL at the TPP, or the bank's own error page. */
  end(): Promise<Answer>;
}

/** A browser, and who uses it. */
export interface Browser {
  readonly cookies?: Map<string, string>;
  /** Of the customers of the sandbox, when there is no `login`. */
  readonly customer?: number;
  readonly login?: { readonly username: string; readonly password: string };
  /** The answer to the page that asks for a code. */
  readonly secondAnswer?: () => string;
}

/** A customer at the page that asks whether the access is allowed, and the form that says yes. */
export interface Question {
  readonly cookies: Map<string, string>;
  readonly path: string;
  readonly form: URLSearchParams;
}

export interface Code {
  readonly code: string;
  readonly verifier: string;
}

interface Outgoing {
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly form?: URLSearchParams;
  /** Another body than a form, whose type is among the headers. */
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

/**
 * A TPP and its customer against any of several server processes, which all answer for the same host. Retries
 * nothing. Connections are kept, as many as there are requests at once.
 */
export class Tpp {
  readonly #bank: Pick<Bank, 'description'>;
  readonly #tls: object;
  readonly #agents = new Map<string, Agent>();
  readonly #onAnswer: (seen: Seen) => void;
  readonly clientId: string;
  readonly redirectUri: string;

  constructor(
    bank: Pick<Bank, 'description'>,
    name = 'money-one',
    onAnswer: (seen: Seen) => void = () => {},
  ) {
    const tpp = bank.description.tpps.find((one) => one.name === name);
    if (tpp === undefined) throw new Error(name);
    this.#bank = bank;
    this.#onAnswer = onAnswer;
    this.#tls = {
      ca: readFileSync(bank.description.caFile),
      cert: readFileSync(tpp.certificateFile),
      key: readFileSync(tpp.keyFile),
    };
    this.clientId = tpp.clients.tls_client_auth.client_id;
    this.redirectUri = tpp.clients.tls_client_auth.redirect_uris[0] ?? '';
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  /** A form to the mTLS listener. */
  post(
    to: Pick<BankProcess, 'ports'>,
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.#send({
      headers,
      port: to.ports.mtls,
      host: new URL(this.#bank.description.mtlsUrl).host,
      path,
      method: 'POST',
      form: new URLSearchParams({ client_id: this.clientId, ...form }),
    });
  }

  /** A registration at the mTLS listener, as a JWT, or as JSON. */
  register(to: Pick<BankProcess, 'ports'>, body: string | object): Promise<Answer> {
    return this.#registration(to, { path: '/register', method: 'POST', body });
  }

  /** A request of RFC 7592 about a client. */
  manage(
    to: Pick<BankProcess, 'ports'>,
    { clientId, token }: { readonly clientId: string; readonly token: string },
    change: { readonly method: 'GET' | 'PUT' | 'DELETE'; readonly body?: string | object },
  ): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}` };
    return this.#registration(to, { path: `/register/${clientId}`, headers, ...change });
  }

  #registration(
    to: Pick<BankProcess, 'ports'>,
    { body, ...sent }: Pick<Outgoing, 'path' | 'method' | 'headers'> & { readonly body?: string | object },
  ): Promise<Answer> {
    const at = { port: to.ports.mtls, host: new URL(this.#bank.description.mtlsUrl).host };
    if (body === undefined) return this.#send({ ...at, ...sent });
    const isJwt = typeof body === 'string';
    return this.#send({
      ...at,
      ...sent,
      headers: { ...sent.headers, 'content-type': isJwt ? 'application/jwt' : 'application/json' },
      body: isJwt ? body : JSON.stringify(body),
    });
  }

  /** A browser's request to the front channel. */
  browse(
    to: Pick<BankProcess, 'ports'>,
    path: string,
    more: { readonly form?: URLSearchParams; readonly cookies?: Map<string, string> } = {},
  ): Promise<Answer> {
    const { form, cookies = new Map() } = more;
    return this.#send({
      port: to.ports.front,
      host: new URL(this.#bank.description.issuer).host,
      path,
      method: form === undefined ? 'GET' : 'POST',
      ...(form === undefined ? {} : { form }),
      headers: {
        accept: 'text/html',
        ...(form === undefined ? {} : { origin: this.#bank.description.issuer }),
        cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; '),
      },
    });
  }

  async pushed(
    to: Pick<BankProcess, 'ports'>,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<{ requestUri: string; verifier: string }> {
    const verifier = randomBytes(32).toString('base64url');
    const answer = await this.post(to, '/par', {
      response_type: 'code',
      redirect_uri: this.redirectUri,
      scope: 'openid accounts',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...parameters,
    });
    if (answer.status !== 201) throw new Error(`PAR: ${answer.status} ${answer.text}`);
    return { requestUri: String(answer.json.request_uri), verifier };
  }

  /** The customer logs in and allows everything; the redirect that gives the code is not followed yet. */
  async walk(to: Pick<BankProcess, 'ports'>, requestUri: string, browser: Browser = {}): Promise<Walk> {
    const question = await this.question(to, requestUri, browser);
    const answer = served(await this.approve(to, question));
    const path = onwardOf(answer);
    if (path === undefined) throw new Error('the approval does not lead on');
    return this.walkTo(to, { cookies: question.cookies, path });
  }

  /** The end of a walk that the answer to an approval leads to. */
  walkTo(
    to: Pick<BankProcess, 'ports'>,
    { cookies, path: onward }: { readonly cookies: Map<string, string>; readonly path: string },
  ): Walk {
    const path = this.#pathOf(onward);
    return { path, end: async () => kept(cookies, await this.browse(to, path, { cookies })) };
  }

  /** The customer logs in, up to the page that asks whether the access is allowed. */
  async question(
    to: Pick<BankProcess, 'ports'>,
    requestUri: string,
    { cookies = new Map<string, string>(), customer: at = 0, ...more }: Browser = {},
  ): Promise<Question> {
    const customer = more.login ?? this.#bank.description.customers[at];
    const query = new URLSearchParams({ client_id: this.clientId, request_uri: requestUri });
    let path = `/authorize?${query}`;
    let form: URLSearchParams | undefined;
    for (let step = 0; step < 12; step += 1) {
      const sent = { cookies, ...(form === undefined ? {} : { form }) };
      const answer = served(kept(cookies, await this.browse(to, path, sent)));
      form = undefined;
      const onward = onwardOf(answer);
      if (onward !== undefined) {
        path = this.#pathOf(onward);
        continue;
      }
      const { text } = answer;
      if (text.includes('value="approve"')) return { cookies, path, form: approvalOf(text) };
      form = new URLSearchParams({ csrf: valuesOf(text, 'csrf')[0] ?? '', action: 'login' });
      if (text.includes('name="password"')) {
        form.set('username', customer?.username ?? '');
        form.set('password', customer?.password ?? '');
      } else {
        form.set('step', valuesOf(text, 'step')[0] ?? '');
        form.set('answer', more.secondAnswer?.() ?? '');
      }
    }
    throw new Error('the flow does not end');
  }

  async approve(to: Pick<BankProcess, 'ports'>, { cookies, path, form }: Question): Promise<Answer> {
    return kept(cookies, await this.browse(to, path, { cookies, form }));
  }

  #pathOf(onward: string): string {
    const next = new URL(onward, this.#bank.description.issuer);
    return next.pathname + next.search;
  }

  async code(to: Pick<BankProcess, 'ports'>): Promise<Code> {
    const { requestUri, verifier } = await this.pushed(to);
    const answer = await (await this.walk(to, requestUri)).end();
    const code = codeOf(answer);
    if (code === undefined) throw new Error(`no code: ${answer.status} ${answer.text.slice(0, 500)}`);
    return { code, verifier };
  }

  exchange(to: Pick<BankProcess, 'ports'>, { code, verifier }: Code): Promise<Answer> {
    return this.post(to, '/token', {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: this.redirectUri,
    });
  }

  refresh(to: Pick<BankProcess, 'ports'>, refreshToken: unknown): Promise<Answer> {
    return this.post(to, '/token', { grant_type: 'refresh_token', refresh_token: String(refreshToken) });
  }

  clientCredentials(to: Pick<BankProcess, 'ports'>): Promise<Answer> {
    return this.post(to, '/token', { grant_type: 'client_credentials', scope: 'accounts' });
  }

  userinfo(to: Pick<BankProcess, 'ports'>, accessToken: string): Promise<Answer> {
    return this.#send({
      port: to.ports.mtls,
      host: new URL(this.#bank.description.mtlsUrl).host,
      path: '/userinfo',
      method: 'GET',
      headers: { authorization: `Bearer ${accessToken}` },
    });
  }

  revoke(to: Pick<BankProcess, 'ports'>, token: unknown): Promise<Answer> {
    return this.post(to, '/revoke', { token: String(token) });
  }

  /** Whether the status list says that the JWT is live (draft-ietf-oauth-status-list). */
  async isLive(to: Pick<BankProcess, 'ports'>, accessToken: unknown): Promise<boolean> {
    return (await this.areLive(to, [accessToken]))[0] === true;
  }

  /** The same of many, each list being read once. */
  async areLive(to: Pick<BankProcess, 'ports'>, accessTokens: readonly unknown[]): Promise<boolean[]> {
    const entries = accessTokens.map((token) => statusOf(String(token)));
    const lists = new Map<string, Buffer>();
    for (const uri of new Set(entries.map((entry) => entry.uri))) {
      const { status, text } = await this.browse(to, new URL(uri).pathname);
      if (status !== 200) throw new Error(`the status list: ${status} ${text}`);
      const { status_list: list } = claimsOf(text) as { readonly status_list: { readonly lst: string } };
      lists.set(uri, inflateSync(Buffer.from(list.lst, 'base64url')));
    }
    return entries.map(({ idx, uri }) => ((lists.get(uri)?.[idx >> 3] ?? 0) & (1 << (idx & 7))) === 0);
  }

  async #send(options: Outgoing): Promise<Answer> {
    const from = performance.now();
    const seen = (answer: Answer | Error) => {
      this.#onAnswer({ path: options.path, answer, milliseconds: performance.now() - from });
    };
    try {
      const answer = await this.#exchange(options);
      seen(answer);
      return answer;
    } catch (error) {
      seen(error as Error);
      throw error;
    }
  }

  #exchange(options: Outgoing): Promise<Answer> {
    const key = `${options.port}`;
    const agent = this.#agents.get(key) ?? new Agent({ keepAlive: true, maxSockets: 256, ...this.#tls });
    this.#agents.set(key, agent);
    const body = options.form?.toString() ?? options.body;
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        {
          agent,
          host: '127.0.0.1',
          servername: 'localhost',
          port: options.port,
          path: options.path,
          method: options.method,
          headers: {
            host: options.host,
            ...(options.form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
            ...options.headers,
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
          },
        },
        (incoming) => {
          let text = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            text += chunk;
          });
          incoming.on('error', reject);
          incoming.on('end', () => {
            const isJson = incoming.headers['content-type']?.includes('json') === true;
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text,
              json: isJson ? JSON.parse(text) : {},
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.setTimeout(15_000, () => outgoing.destroy(new Error('no answer')));
      outgoing.end(body);
    });
  }
}

/** A client assertion with a `jti` of its own (RFC 7523), for the other client of the TPP. */
export async function assertionOf(bank: Bank, name = 'money-one'): Promise<Record<string, string>> {
  const tpp = bank.description.tpps.find((one) => one.name === name);
  if (tpp === undefined) throw new Error(name);
  const jwk = JSON.parse(readFileSync(tpp.signingKeyFile, 'utf8')) as JWK;
  const clientId = tpp.clients.private_key_jwt.client_id;
  const assertion = await new SignJWT({ jti: randomBytes(16).toString('hex') })
    .setProtectedHeader({ alg: 'ES256', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(bank.description.issuer)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(await importJWK(jwk, 'ES256'));
  return {
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
}

/** The form that allows all accounts, or the first one for a payment. */
export function approvalOf(page: string): URLSearchParams {
  const form = new URLSearchParams({ csrf: valuesOf(page, 'csrf')[0] ?? '', action: 'approve' });
  const accounts = valuesOf(page, 'account');
  for (const account of page.includes('type="radio"') ? accounts.slice(0, 1) : accounts) {
    form.append('account', account);
  }
  return form;
}

function served(answer: Answer): Answer {
  const { status, text } = answer;
  if (status >= 400) throw new Error(`the pages: ${status} ${text.slice(0, 500)}`);
  return answer;
}

/** Where the browser goes after the answer: by a redirect, or by a page that leads on. */
export function onwardOf({ headers, text }: Answer): string | undefined {
  if (typeof headers.location === 'string') return headers.location;
  return /http-equiv="refresh" content="0; url=([^"]+)"/.exec(text)?.[1];
}

export function codeOf(answer: Answer): string | undefined {
  const { location } = answer.headers;
  return typeof location === 'string'
    ? (new URL(location, 'https://none').searchParams.get('code') ?? undefined)
    : undefined;
}

export function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

/** The answer, when the browser has kept its cookies. */
export function kept(cookies: Map<string, string>, answer: Answer): Answer {
  for (const field of [answer.headers['set-cookie'] ?? []].flat()) {
    const [pair = ''] = field.split(';');
    cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
  }
  return answer;
}

function statusOf(jwt: string): { readonly idx: number; readonly uri: string } {
  const { status } = claimsOf(jwt) as {
    readonly status: { readonly status_list: { readonly idx: number; readonly uri: string } };
  };
  return status.status_list;
}

function valuesOf(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(`name="${name}" value="([^"]*)"`, 'g'))].map((match) => match[1] ?? '');
}
