import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { tppNamed } from '../curl-lines.ts';
import type { CustomerAnswer } from './demo-browser.ts';
import { connectTpp, type DemoTpp, type DemoTppOptions } from './demo-tpp.ts';
import { answerOnPhone } from './phone.ts';
import { confirmedBy } from './second-element.ts';
import type { SandboxDescription } from '../folder.ts';

/** One step of the walk: the attempt and its outcome, in one line. */
export interface DemoStep {
  /** Title of the part of the walk to which the step belongs. */
  readonly part: string;
  readonly title: string;
  readonly isRight: boolean;
  readonly happened: string;
}

interface ApiCall {
  readonly tpp: DemoTpp;
  readonly token: string | undefined;
  /** The refusal that has to come; absent: the bank has to answer. */
  readonly code?: string;
  readonly describe?: (body: Record<string, unknown>) => string;
}

/** The connections of the TPPs, and the report of each step. */
export class Walk {
  readonly description: SandboxDescription;
  readonly #report: (step: DemoStep) => void;
  readonly #open: DemoTpp[] = [];
  #part = '';
  isRight = true;

  constructor(description: SandboxDescription, report: (step: DemoStep) => void) {
    this.description = description;
    this.#report = report;
  }

  /** Begins a part of the walk: its steps have this title. */
  begin(part: string): void {
    this.#part = part;
  }

  async connect(name: string, options: Partial<DemoTppOptions> = {}): Promise<DemoTpp> {
    const { description } = this;
    const tpp = await connectTpp({ description, tpp: tppNamed(description, name), ...options });
    this.#open.push(tpp);
    return tpp;
  }

  /** A step that has to succeed; undefined when it did not. */
  async succeeds<T>(
    title: string,
    run: () => Promise<T>,
    describe: (value: T) => string,
  ): Promise<T | undefined> {
    try {
      const value = await run();
      this.#step(title, true, describe(value));
      return value;
    } catch (error) {
      this.#step(title, false, describeError(error));
      return undefined;
    }
  }

  /** A step that has to be refused, with this code in the answer. */
  async isRefused(title: string, code: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
      this.#step(title, false, 'it was allowed');
    } catch (error) {
      const happened = describeError(error);
      this.#step(title, happened.includes(code), happened);
    }
  }

  /** A call of the bank's API. */
  async calls(title: string, { tpp, token = '', code, describe }: ApiCall): Promise<void> {
    const { status, body } = await tpp.call('/accounts', token);
    const text = status === 200 ? (describe?.(body) ?? '') : String(body.error_description ?? '');
    const isRight = code === undefined ? status === 200 : status === 401 && text.includes(code);
    this.#step(title, isRight, [`HTTP ${status}`, text].filter(Boolean).join(', '));
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((tpp) => tpp.close()));
  }

  #step(title: string, isRight: boolean, happened: string): void {
    this.isRight &&= isRight;
    this.#report({ part: this.#part, title, isRight, happened });
  }
}

function describeError(error: unknown): string {
  if (error instanceof oauth.ResponseBodyError) {
    return `HTTP ${error.status} ${error.error}, ${error.error_description ?? ''}`;
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    const [challenge] = error.cause;
    return `HTTP ${error.status}, ${challenge?.parameters.error_description ?? ''}`;
  }
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** The start of each thumbprint to which an access token is bound. */
export function boundTo({ access_token: token }: { readonly access_token: string }): string {
  const { cnf = {} } = decodeJwt<{ readonly cnf?: Record<string, string> }>(token);
  const digests = Object.values(cnf).map((digest) => `${digest.slice(0, 12)}…`);
  return digests.join(' and ') || 'NOTHING';
}

/** The decision of the first customer, who confirms on the phone what the browser shows. */
export function answerOf({ description }: Walk): CustomerAnswer {
  const [customer] = description.customers;
  if (customer === undefined) throw new TypeError('the sandbox has no customer');
  const { username } = customer;
  const confirm = (comparison: string) => answerOnPhone(description, 'approve', { username, comparison });
  return { decision: 'allow', ...customer, second: confirmedBy(confirm) };
}
