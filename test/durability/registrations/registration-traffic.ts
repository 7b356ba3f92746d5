import { setTimeout as sleep } from 'node:timers/promises';
import type { BankProcess } from '../bank.ts';
import type { Answer, Tpp } from '../tpp.ts';

/** A client whose registration was answered. */
interface AnsweredClient {
  readonly clientId: string;
  readonly token: string;
  redirectUri: string;
}

/** The TPP and the two processes that the client is used at, and the list of what should not have been. */
export interface RegistrationStage {
  readonly tpp: Tpp;
  readonly processes: readonly [BankProcess, BankProcess];
  readonly faults: string[];
}

/** Registration as the traffic needs it, for the configuration of a bank. */
export const REGISTRATION = Object.freeze({
  registration: {
    profiles: [{ profile: 'certificate' }],
    allowLoopbackRedirects: true,
    quotas: { clients: 1000, requestsPerHour: 100_000 },
  },
});
const KEPT_OF = 4;
/** Of those that were verified after an earlier failover. */
const SAMPLE = 10;
const WAIT_MILLISECONDS = 50;

/** Clients that a TPP registers, changes and deletes in two processes, and what the answers promised. */
export class RegistrationTraffic {
  readonly counts = { registered: 0, changed: 0, deleted: 0 };
  readonly #stage: RegistrationStage;
  readonly #alive: AnsweredClient[] = [];
  readonly #deleted: AnsweredClient[] = [];
  #verified = 0;

  constructor(stage: RegistrationStage) {
    this.#stage = stage;
  }

  /** A client registers at one process, acts at the other one, changes there, and most clients are deleted. */
  async round(number: number): Promise<void> {
    const [one, two] = this.#sides(number);
    const { tpp } = this.#stage;
    const { status, json } = await tpp.register(one, this.#members(tpp.redirectUri));
    if (status !== 201) return;
    this.counts.registered += 1;
    const client = {
      clientId: String(json.client_id),
      token: String(json.registration_access_token),
      redirectUri: tpp.redirectUri,
    };
    await this.#expect('a new client at the other process', client, { to: two, statuses: [200, 503] });
    await this.#change(client, two);
    if (number % KEPT_OF !== 0) await this.#delete(client, { one, two });
    else this.#alive.push(client);
    await sleep(WAIT_MILLISECONDS);
  }

  /** Clients that are there act and have what was answered; deleted ones are refused. */
  async verify(): Promise<void> {
    const from = this.#verified;
    this.#verified = Math.max(this.#alive.length, this.#deleted.length);
    const chosen = <T>(list: readonly T[]) => [...list.slice(from), ...sampled(list.slice(0, from))];
    for (const [at, client] of chosen([...this.#alive]).entries()) {
      const to = this.#sides(at)[0];
      await this.#expect('a client', client, { to, statuses: [200] });
      const { status, json } = await this.#answered(() =>
        this.#stage.tpp.manage(to, client, { method: 'GET' }),
      );
      if (status !== 200 || String(json.redirect_uris) !== client.redirectUri) {
        this.#fault(`a change is lost: ${status} ${JSON.stringify(json.redirect_uris)}`);
      }
    }
    for (const [at, client] of chosen([...this.#deleted]).entries()) {
      const to = this.#sides(at)[0];
      await this.#expect('a deleted client', client, { to, statuses: [400] });
      const { status } = await this.#answered(() => this.#stage.tpp.manage(to, client, { method: 'GET' }));
      if (status !== 401) this.#fault(`a deleted client is there again: ${status}`);
    }
  }

  /** An answer that did not come leaves the old or the new: the next one says which. */
  async #change(client: AnsweredClient, to: BankProcess): Promise<void> {
    const redirectUri = `${client.redirectUri}/changed`;
    const body = { ...this.#members(redirectUri), client_id: client.clientId };
    const { status } = await this.#answered(() =>
      this.#stage.tpp.manage(to, client, { method: 'PUT', body }),
    );
    if (status !== 200) return this.#fault(`a change of a client: ${status}`);
    client.redirectUri = redirectUri;
    this.counts.changed += 1;
  }

  /** Repeated until it is answered: a delete that was done without its answer is refused the second time. */
  async #delete(
    client: AnsweredClient,
    { one, two }: { readonly one: BankProcess; readonly two: BankProcess },
  ): Promise<void> {
    let isFirst = true;
    const { status } = await this.#answered(async () => {
      const answer = await this.#stage.tpp.manage(one, client, { method: 'DELETE' });
      if (answer.status === 503) isFirst = false;
      return answer;
    });
    if (status !== 204 && (isFirst || status !== 401)) return this.#fault(`a delete: ${status}`);
    this.counts.deleted += 1;
    this.#deleted.push(client);
    await this.#expect('a deleted client at the other process', client, { to: two, statuses: [400, 503] });
  }

  async #expect(
    what: string,
    { clientId }: AnsweredClient,
    { to, statuses }: { readonly to: BankProcess; readonly statuses: readonly number[] },
  ): Promise<void> {
    const form = { client_id: clientId, grant_type: 'client_credentials', scope: 'accounts' };
    const ask = () => this.#stage.tpp.post(to, '/token', form);
    const { status, text } = await (statuses.includes(503) ? ask() : this.#answered(ask));
    if (!statuses.includes(status)) this.#fault(`${what}: ${status} ${text}`);
  }

  #members(redirectUri: string) {
    return {
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'client_credentials'],
      token_endpoint_auth_method: 'tls_client_auth',
      scope: 'openid accounts',
    };
  }

  #fault(fault: string): void {
    this.#stage.faults.push(fault);
  }

  #sides(number: number): readonly [BankProcess, BankProcess] {
    const [one, two] = this.#stage.processes;
    return number % 2 === 0 ? [one, two] : [two, one];
  }

  async #answered(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const answer = await ask();
      if (answer.status !== 503) return answer;
      await sleep(WAIT_MILLISECONDS);
    }
  }
}

function sampled<T>(list: readonly T[]): readonly T[] {
  return list.toSorted(() => Math.random() - 0.5).slice(0, SAMPLE);
}

/** Whether an answer is a success, or a refusal that the traffic judges. */
export function isExpectedAtRegistration(path: string, { status, json }: Answer): boolean {
  if (status === 400) return path === '/token' && json.error === 'invalid_client';
  if (status === 401) return path.startsWith('/register/');
  return [200, 201, 204].includes(status);
}
