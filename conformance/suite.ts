import { lookup } from 'node:dns/promises';
import { request } from 'node:https';
import { connect } from 'node:tls';

/** A module of a plan, as the suite names it when the plan is made. */
export interface PlannedModule {
  readonly testModule: string;
  readonly variant?: unknown;
}

/** An entry of a module's log. Only the members that are read here. */
export interface LogEntry {
  readonly result?: string;
  readonly src?: string;
  readonly msg?: string;
  readonly requirements?: readonly string[];
}

interface SuiteOptions {
  /** PEM of a CA, for a suite whose certificate the system does not know. */
  readonly caPem?: string | undefined;
  /** API token of a suite that is not in developer mode. */
  readonly token?: string | undefined;
}

const ANSWER_SECONDS = 120;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The suite cannot be reached, or answered a call with an error. */
export class SuiteError extends Error {}

/** The REST API of a running conformance suite. */
export class Suite {
  readonly #address: URL;
  readonly #options: SuiteOptions;

  constructor(address: URL, options: SuiteOptions = {}) {
    this.#address = address;
    this.#options = options;
  }

  /** Version and revision: `5.2.4 (12f2a4d)`. */
  async version(): Promise<string> {
    const { version, revision } = (await this.#call('GET', 'server')) as Readonly<Record<string, string>>;
    return `${version ?? 'unknown'}${revision === undefined ? '' : ` (${revision})`}`;
  }

  async createPlan(
    plan: string,
    variant: Readonly<Record<string, string>>,
    configuration: unknown,
  ): Promise<{ readonly id: string; readonly modules: readonly PlannedModule[] }> {
    const query = { planName: plan, variant: JSON.stringify(variant) };
    return (await this.#call('POST', 'plan', query, configuration)) as Awaited<
      ReturnType<Suite['createPlan']>
    >;
  }

  /** Makes a module of a plan and returns its identifier. */
  async createModule(plan: string, module: PlannedModule): Promise<string> {
    const query = { test: module.testModule, plan, variant: JSON.stringify(module.variant ?? {}) };
    const { id } = (await this.#call('POST', 'runner', query)) as { readonly id: string };
    return id;
  }

  async startModule(id: string): Promise<void> {
    await this.#call('POST', `runner/${id}`);
  }

  async cancelModule(id: string): Promise<void> {
    await this.#call('DELETE', `runner/${id}`);
  }

  async info(id: string): Promise<{ readonly status: string; readonly result?: string | null }> {
    return (await this.#call('GET', `info/${id}`)) as Awaited<ReturnType<Suite['info']>>;
  }

  async log(id: string): Promise<readonly LogEntry[]> {
    return (await this.#call('GET', `log/${id}`)) as readonly LogEntry[];
  }

  #call(
    method: string,
    path: string,
    query: Readonly<Record<string, string>> = {},
    body?: unknown,
  ): Promise<unknown> {
    const url = new URL(`/api/${path}?${new URLSearchParams(query)}`, this.#address);
    const { caPem, token } = this.#options;
    return new Promise((resolve, reject) => {
      const fail = (problem: string) =>
        reject(new SuiteError(`${method} ${url.origin}/api/${path}: ${problem}`));
      const call = request(url, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        signal: AbortSignal.timeout(ANSWER_SECONDS * 1000),
        // A certificate that is trusted itself is known by its key, whatever name it has.
        ...(caPem === undefined
          ? {}
          : { ca: caPem, allowPartialTrustChain: true, checkServerIdentity: () => undefined }),
      });
      call.on('error', (error) => fail(error.message));
      call.on('response', (answer) => {
        const parts: Buffer[] = [];
        let bytes = 0;
        answer.on('data', (part: Buffer) => {
          bytes += part.length;
          if (bytes > MAX_ANSWER_BYTES) answer.destroy(new Error('the answer is too long'));
          else parts.push(part);
        });
        answer.on('error', (error) => fail(error.message));
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const { statusCode = 0 } = answer;
          if (statusCode < 200 || statusCode > 299) fail(`${statusCode} ${text.slice(0, 600)}`);
          else resolve(parsedAnswer(text, fail));
        });
      });
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function parsedAnswer(text: string, fail: (problem: string) => void): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return fail(`the answer is not JSON: ${text.slice(0, 200)}`);
  }
}

/**
 * The certificate of a suite on this machine, which made it itself: PEM, to be trusted for this run. Undefined for a suite
 * elsewhere, whose certificate the system must know.
 *
 * @throws SuiteError when nothing listens there
 */
export async function certificateOfLocalSuite(address: URL): Promise<string | undefined> {
  const host = address.hostname.replace(/^\[|\]$/g, '');
  const found = await lookup(host).catch(() => undefined);
  if (found === undefined || !/^(127\.|::1$)/.test(found.address)) return undefined;
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host, port: Number(address.port || 443), rejectUnauthorized: false, timeout: 10_000 },
      () => {
        const { raw } = socket.getPeerCertificate();
        socket.destroy();
        resolve(
          `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
        );
      },
    );
    const fail = (problem: string) => {
      socket.destroy();
      reject(new SuiteError(`no suite answers at ${address.origin}: ${problem}`));
    };
    socket.on('timeout', () => fail('no answer within ten seconds'));
    socket.on('error', (error) => fail(error.message));
  });
}
