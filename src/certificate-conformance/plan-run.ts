import type { ExchangeOptions } from './target/exchange.ts';
import { type Answer, ask } from './target/answer.ts';
import type { ClientRequests } from './target/client-requests.ts';
import { type Door, doorsOf, type OpenDoor } from './target/doors.ts';
import type { FreshCertificate } from './folder/fresh-certificate.ts';
import type { Presented } from './folder/prepared-folder.ts';
import type { ClientName } from './folder/prepared-folder.ts';
import { type Result, RULE, type Rule, type Way } from './rules.ts';

export interface PlanOptions {
  readonly requests: ClientRequests;
  readonly exchange: ExchangeOptions;
  /** Leads the customer from the authorization URL to the callback, whose URL it returns. */
  readonly authorize?: ((url: URL) => Promise<URL>) | undefined;
  readonly fresh: FreshCertificate;
  /** Paths for which the server has asked the revocation service since the last call. */
  readonly takeRevocationRequests: () => readonly string[];
  /** Called with the results of each rule, in the order of the plan. */
  readonly report: (results: readonly Result[]) => void;
}

const NO_NEED = 'accepted: pushing needs no certificate here, as FAPI 2.0 allows';
/** After so many answers in a row that did not come in time, a way is given up. */
const MAX_LATE = 3;
const REVOCATION_RULES = ['revoked-by-crl', 'revoked-by-ocsp', 'revoked-intermediate'];

/** The certificate of a rule in one way, or the reason why the rule is not tried there; undefined: it is not of this way. */
type Trial = { readonly presented: Presented | undefined; readonly client?: ClientName } | string | undefined;

/** The results so far, and which ways are still tried. */
export class PlanRun {
  readonly requests: ClientRequests;
  readonly results: Result[] = [];
  readonly #options: PlanOptions;
  readonly #doors: readonly Door[];
  readonly #shut = new Map<Way, string>();
  readonly #late = new Map<Way, number>();
  /** Ways where a certificate need not be presented. */
  readonly #optional = new Set<Way>();

  constructor(options: PlanOptions) {
    this.#options = options;
    this.requests = options.requests;
    this.#doors = doorsOf(options.requests);
  }

  /** Tries the good certificate, and shuts the ways where it is not accepted. */
  async openDoors(good: Presented): Promise<void> {
    await this.everywhere(RULE.good, () => ({ presented: good }));
    for (const { way, rule, outcome } of this.results) {
      if (rule === RULE.good && outcome === 'failed') {
        this.#shut.set(way, 'the good certificate is not accepted here, so a refusal proves nothing');
      }
    }
    await this.#findOptional();
  }

  /** FAPI 2.0 lets `private_key_jwt` clients push without a certificate: there an accepted one need not be judged. */
  async #findOptional(): Promise<void> {
    const door = this.#doors.find(({ way }) => way === 'par private_key_jwt');
    if (door === undefined || 'shut' in door || this.#shut.has(door.way)) return;
    const { verdict } = await this.ask(() => door.request(undefined), door);
    if (verdict === 'accepted') this.#optional.add(door.way);
  }

  /** Tries one rule in each way. */
  async everywhere(rule: Rule, trial: (door: OpenDoor) => Trial): Promise<void> {
    const results: Result[] = [];
    for (const door of this.#doors) {
      const result = await this.#tried(rule, door, trial);
      if (result !== undefined) results.push(result);
    }
    this.add(results);
  }

  async #tried(rule: Rule, door: Door, trial: (door: OpenDoor) => Trial): Promise<Result | undefined> {
    const { way } = door;
    const shut = 'shut' in door ? door.shut : this.#shut.get(way);
    if ('shut' in door || shut !== undefined) return notTried(rule, way, shut ?? '');
    const what = trial(door);
    if (what === undefined) return undefined;
    if (typeof what === 'string') return notTried(rule, way, what);
    this.#options.takeRevocationRequests();
    const answer = await this.ask(() => door.request(what.presented, what.client), door);
    this.#countLate(way, answer);
    if (this.#optional.has(way) && rule.expects === 'refused' && answer.verdict === 'accepted') {
      return notTried(rule, way, NO_NEED);
    }
    return resultOf(rule, way, REVOCATION_RULES.includes(rule.id) ? this.#withRequests(answer) : answer);
  }

  ask(request: Parameters<typeof ask>[0], { success }: Pick<OpenDoor, 'success'>): Promise<Answer> {
    return ask(request, success, this.#options.exchange);
  }

  /** Records and reports the results of one rule. */
  add(results: readonly Result[]): void {
    this.results.push(...results);
    this.#options.report(results);
  }

  /** The first way in which the good certificate is accepted. */
  get openDoor(): OpenDoor | undefined {
    return this.#doors.find((door): door is OpenDoor => !('shut' in door) && !this.#shut.has(door.way));
  }

  /** Whether the good certificate is accepted in this way. */
  isOpen(way: Way): boolean {
    return this.#doors.some((door) => door.way === way && !('shut' in door)) && !this.#shut.has(way);
  }

  #countLate(way: Way, { verdict }: Answer): void {
    const count = verdict === 'late' ? (this.#late.get(way) ?? 0) + 1 : 0;
    this.#late.set(way, count);
    if (count >= MAX_LATE) this.#shut.set(way, `${MAX_LATE} answers in a row did not come in time`);
  }

  /** A server that accepts a revoked certificate has either not asked for CRL and OCSP, or does not heed the answer. */
  #withRequests(answer: Answer): Answer {
    if (answer.verdict !== 'accepted') return answer;
    const paths = [...new Set(this.#options.takeRevocationRequests().map((path) => path.slice(0, 20)))];
    const asked =
      paths.length === 0 ? 'the server has asked neither CRL nor OCSP' : `asked: ${paths.join(' ')}`;
    return { ...answer, text: `${answer.text}; ${asked}` };
  }
}

export function notTried(rule: Rule, way: Way, reason: string): Result {
  return { rule, way, outcome: 'not tried', answer: reason };
}

export function resultOf(rule: Rule, way: Way, { verdict, text }: Answer): Result {
  if (verdict === 'unknown') return notTried(rule, way, text);
  return { rule, way, outcome: verdict === rule.expects ? 'passed' : 'failed', answer: text };
}
