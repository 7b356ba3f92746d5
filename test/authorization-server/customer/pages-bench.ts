import { parseConfig } from '../../../src/configuration/config.ts';
import {
  type Aspsp,
  type Confirmations,
  type Log,
  type RunningServer,
  startServer,
} from '../../../src/index.ts';
import { accountsOf } from '../../../src/sandbox/bank/customers.ts';
import type { ServerParts } from '../../../src/server/server.ts';
import type { Ports } from '../../durability/bank.ts';
import { type Answer, codeOf, onwardOf, Tpp } from '../../durability/tpp.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

/** How long a call of the bank under test may take. */
export const CALL_SECONDS = 1;

/** Of a form; a choice of several has a list. */
type Values = Readonly<Record<string, string | string[]>>;

export const accounts = () =>
  accountsOf('psu-6f1c2a').map(({ accountId, name }) => ({ accountId, name, identification: '•••• 1' }));

/** A server whose bank each test replaces in part, and the TPP that sends customers there. */
export class PagesBench {
  readonly bank: TestBank;
  readonly server: RunningServer;
  readonly tpp: Tpp;
  readonly to: { readonly ports: Ports };
  /** The bank of the test that runs; the rest of it answers with a customer and her accounts. */
  current: Partial<Aspsp> = {};
  /** The questions of this server in the bank's app. */
  confirmations: Confirmations | undefined;
  logged: { readonly event: string; readonly code: unknown }[] = [];

  static async open(
    parts: Partial<Pick<ServerParts, 'store' | 'clock'>> = {},
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<PagesBench> {
    const bank = await createTestBank({ format: 'jwt' });
    const config = parseConfig(
      { ...bank.config, aspspCallSeconds: CALL_SECONDS, ...settings },
      { source: 'test', folder: bank.folder },
    );
    const holder: { bench?: PagesBench } = {};
    const log: Log = {
      emit: (event: string, fields?: { readonly error?: unknown }) => {
        holder.bench?.logged.push({ event, code: (fields?.error as { code?: unknown } | undefined)?.code });
      },
    };
    const current = () => holder.bench?.current ?? {};
    const aspsp: Aspsp = {
      name: 'Test Bank',
      get beginAuthentication() {
        return current().beginAuthentication as NonNullable<Aspsp['beginAuthentication']>;
      },
      answerAuthentication: async (...args) =>
        current().answerAuthentication?.(...args) ?? {
          type: 'authenticated',
          psuId: 'psu-6f1c2a',
          amr: ['pwd'],
        },
      findClaims: async (...args) => current().findClaims?.(...args) ?? {},
      listAccounts: async (...args) => current().listAccounts?.(...args) ?? accounts(),
      strong: {
        connect: (confirmations) => {
          connected = confirmations;
        },
        findFactors: async (...args) => current().strong?.findFactors(...args) ?? {},
        sendCode: async (...args) => current().strong?.sendCode?.(...args),
        askInApp: async (...args) => current().strong?.askInApp?.(...args),
        exempts: async (...args) => current().strong?.exempts?.(...args) ?? false,
      },
    };
    let connected: Confirmations | undefined;
    const server = await startServer(config, { aspsp, log, ...parts });
    const bench = new PagesBench(bank, server);
    holder.bench = bench;
    bench.confirmations = connected;
    return bench;
  }

  private constructor(bank: TestBank, server: RunningServer) {
    this.bank = bank;
    this.server = server;
    this.tpp = new Tpp(bank);
    const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
      Number(new URL(url).port),
    );
    this.to = { ports: { front, mtls, health: 0 } };
  }

  async close(): Promise<void> {
    this.tpp.close();
    await this.server.close();
    await this.bank.remove();
  }
}

/** A customer's browser, at the first page of an authorization. */
export class Customer {
  readonly #bench: PagesBench;
  readonly #cookies = new Map<string, string>();
  path = '';
  #verifier = '';
  page: Answer = { status: 0, headers: {}, text: '', json: {} };

  private constructor(bench: PagesBench) {
    this.#bench = bench;
  }

  static async opens(
    bench: PagesBench,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<Customer> {
    const customer = new Customer(bench);
    const { requestUri, verifier } = await bench.tpp.pushed(bench.to, parameters);
    customer.#verifier = verifier;
    const query = new URLSearchParams({ client_id: bench.tpp.clientId, request_uri: requestUri });
    await customer.#get(`/authorize?${query}`);
    return customer;
  }

  /** At the pages of a request that was pushed already. */
  static async at(bench: PagesBench, clientId: string, requestUri: string): Promise<Customer> {
    const customer = new Customer(bench);
    await customer.#get(
      `/authorize?${new URLSearchParams({ client_id: clientId, request_uri: requestUri })}`,
    );
    return customer;
  }

  /** Also the back button: the pages are not cached. */
  reload(path = this.path): Promise<void> {
    return this.#get(path);
  }

  /** Sends the form of the page; `step` may be that of an earlier page. Follows the way on, up to the TPP. */
  async send(values: Values, action = 'login'): Promise<void> {
    this.#see(await this.submit(values, action));
    await this.#follow();
  }

  /** Sends the form, and leaves the page as it is. */
  submit(values: Values, action = 'login'): Promise<Answer> {
    const hidden = Object.fromEntries(
      [...this.page.text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map((one) => one.slice(1)),
    );
    const all: Values = { ...hidden, action, ...values };
    const form = new URLSearchParams(
      Object.entries(all).flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
    );
    return this.#bench.tpp.browse(this.#bench.to, this.path, { form, cookies: this.#cookies });
  }

  /** Goes on from the answer to a form, as the browser does with the last of several. */
  async goOn(answer: Answer): Promise<void> {
    this.#see(answer);
    await this.#follow();
  }

  /** Clicks the link of the page that leads back to the TPP. */
  async goBack(): Promise<void> {
    const [, url = ''] = /id="back" href="([^"]+)"/.exec(this.page.text) ?? [];
    await this.#get(new URL(url).pathname);
  }

  /** What the TPP has got: the parameters of its redirect URI. */
  get atTpp(): Record<string, string> {
    const { location } = this.page.headers;
    return Object.fromEntries(new URL(String(location)).searchParams);
  }

  /** Allows the first account: the tokens. */
  async allow(): Promise<Record<string, unknown>> {
    const [, account = ''] = /name="account" value="([^"]*)"/.exec(this.page.text) ?? [];
    await this.send({ account }, 'approve');
    return this.redeem();
  }

  async redeem(): Promise<Record<string, unknown>> {
    const code = codeOf(this.page) ?? '';
    return (await this.#bench.tpp.exchange(this.#bench.to, { code, verifier: this.#verifier })).json;
  }

  get atLogin(): boolean {
    return this.page.text.includes('name="password"');
  }

  get problem(): string | undefined {
    return /id="problem">([^<]+)</.exec(this.page.text)?.[1];
  }

  get cookies(): Map<string, string> {
    return this.#cookies;
  }

  async #get(path: string): Promise<void> {
    this.path = path;
    this.#see(await this.#bench.tpp.browse(this.#bench.to, path, { cookies: this.#cookies }));
    await this.#follow();
  }

  async #follow(): Promise<void> {
    const { issuer } = this.#bench.bank.description;
    const onward = onwardOf(this.page);
    if (onward === undefined) return;
    const next = new URL(onward, issuer);
    if (next.origin === issuer) await this.#get(next.pathname + next.search);
  }

  #see(answer: Answer): void {
    this.page = answer;
    for (const field of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
      this.#cookies.set(name, value);
    }
  }
}
