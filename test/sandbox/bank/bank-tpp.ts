import { randomUUID } from 'node:crypto';
import * as oauth from 'openid-client';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize, type RequestForm } from '../../../src/sandbox/demo/authorization-request.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import type { SandboxTpp } from '../../../src/sandbox/folder.ts';
import { clientNamed } from '../../../src/sandbox/sandbox-clients.ts';
import type { TestSandbox } from '../../authorization-server/running-sandbox.ts';

/** An answer of the bank, with its error as the family of APIs has it. */
export interface BankAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a foreign document, whose members the tests name
  readonly json: any;
}

interface BankCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** A TPP of the sandbox that calls the bank's APIs over its own certificate. */
export class BankTpp {
  readonly tpp: SandboxTpp;
  readonly #sandbox: TestSandbox;
  readonly #open: DemoTpp[] = [];

  constructor(sandbox: TestSandbox, name: string) {
    this.#sandbox = sandbox;
    this.tpp = tppNamed(sandbox.description, name);
  }

  async call(path: string, { method, token, headers, json }: BankCall = {}): Promise<BankAnswer> {
    return this.#sandbox.send(`${this.#sandbox.description.resourceUrl}${path}`, {
      certificate: this.tpp,
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  }

  async connect(client?: string): Promise<DemoTpp> {
    const { description } = this.#sandbox;
    const connected = await connectTpp({
      description,
      tpp: this.tpp,
      ...(client === undefined ? {} : { client: clientNamed(this.tpp, client) }),
    });
    this.#open.push(connected);
    return connected;
  }

  /** A token of the TPP alone. */
  async ownToken(client: string | undefined, scope: string): Promise<string> {
    const { config } = await this.connect(client);
    return (await oauth.clientCredentialsGrant(config, { scope })).access_token;
  }

  /** The token of a customer, who walks through the bank's pages. */
  async customerToken(
    client: string | undefined,
    {
      username = 'alice',
      chooses,
      ...request
    }: {
      readonly username?: string;
      readonly chooses?: ((accountId: string) => boolean) | undefined;
      readonly form?: RequestForm;
      readonly parameters: Readonly<Record<string, string>>;
    },
  ): Promise<string> {
    const { caFile, customers } = this.#sandbox.description;
    const customer = customers.find((one) => one.username === username);
    if (customer === undefined) throw new Error(`there is no customer ${username}`);
    const connected = await this.connect(client);
    if (request.form === 'signed') {
      oauth.useCodeIdTokenResponseType(connected.config);
      oauth.enableDetachedSignatureResponseChecks(connected.config);
    }
    const answer = { decision: 'allow', ...customer, chooses } as const;
    const { redeem } = await authorize(connected, { caFile, answer, ...request });
    return (await redeem()).access_token;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((one) => one.close()));
  }
}

export const idempotencyKey = () => ({ 'x-idempotency-key': randomUUID() });
