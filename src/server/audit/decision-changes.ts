import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { PresentedTpp, TppAuthenticator, TppEvaluation } from '../../tpp/authenticate.ts';

/** More TPP certificates than Europe has. */
const MAX_REMEMBERED = 10_000;
/** Refused certificates that were never seen, of which strangers can make any number: so many in an hour are explained. */
const STRANGERS_PER_HOUR = 60;
const HOUR_MILLISECONDS = 3_600_000;
const PEM_LINE = 64;
const ACCEPTED = 'accepted';

export interface DecisionChangesOptions {
  readonly authenticator: TppAuthenticator;
  readonly clock: Clock;
  readonly log: Log;
  /** Keeps a certificate and its chain, by the hexadecimal SHA-256 of the certificate. Never throws. */
  readonly keepCertificate: (fingerprint: string, pem: string) => Promise<void>;
}

/** Reports the decision about a certificate, with every rule, when it is another one than the last; and the first. */
export class DecisionChanges implements TppAuthenticator {
  readonly authenticateSeal: TppAuthenticator['authenticateSeal'];
  readonly evaluate: TppAuthenticator['evaluate'];
  readonly #options: DecisionChangesOptions;
  readonly #outcomes = new LRUCache<string, string>({ max: MAX_REMEMBERED });
  #strangers = 0;
  #hourEnds = 0;

  constructor(options: DecisionChangesOptions) {
    this.#options = options;
    this.authenticateSeal = (presented) => options.authenticator.authenticateSeal(presented);
    this.evaluate = (presented) => options.authenticator.evaluate(presented);
  }

  async authenticate(presented: PresentedTpp): ReturnType<TppAuthenticator['authenticate']> {
    try {
      const tpp = await this.#options.authenticator.authenticate(presented);
      this.#note(presented, ACCEPTED);
      return tpp;
    } catch (error) {
      // A part that does not answer decides nothing.
      if (isRefusal(error) && error.class !== 'unavailable') this.#note(presented, error.code);
      throw error;
    }
  }

  #note(presented: PresentedTpp, outcome: string): void {
    const thumbprint = presented.thumbprint ?? createHash('sha256').update(presented.der).digest('base64url');
    const before = this.#outcomes.get(thumbprint);
    if (before === outcome) return;
    if (before === undefined && outcome !== ACCEPTED && !this.#mayExplainStranger()) return;
    this.#outcomes.set(thumbprint, outcome);
    void this.#explain(presented, thumbprint);
  }

  #mayExplainStranger(): boolean {
    const now = this.#options.clock.now().getTime();
    if (now >= this.#hourEnds) {
      this.#hourEnds = now + HOUR_MILLISECONDS;
      this.#strangers = 0;
    }
    this.#strangers += 1;
    return this.#strangers <= STRANGERS_PER_HOUR;
  }

  async #explain(presented: PresentedTpp, thumbprint: string): Promise<void> {
    const { authenticator, keepCertificate, log } = this.#options;
    const fingerprint = Buffer.from(thumbprint, 'base64url').toString('hex');
    try {
      const evaluation = await authenticator.evaluate(presented);
      await keepCertificate(fingerprint, pemOf([presented.der, ...(presented.intermediates ?? [])]));
      log.emit('tpp.decision.changed', { fingerprint, ...factsOf(evaluation) });
    } catch (error) {
      log.emit('tpp.decision.unexplained', { fingerprint, error });
    }
  }
}

function factsOf(evaluation: TppEvaluation) {
  const refusal = 'refusal' in evaluation ? evaluation.refusal : undefined;
  const details: Readonly<Record<string, unknown>> = refusal?.details ?? {};
  const number = 'tpp' in evaluation ? evaluation.tpp.authorizationNumber : details.authorizationNumber;
  return {
    outcome: refusal?.code ?? ACCEPTED,
    ...(typeof number === 'string' ? { authorizationNumber: number } : {}),
    steps: evaluation.steps.map(({ rule, clause, found, refusal: own }) => ({
      ...{ rule, clause },
      ...(found === undefined ? {} : { found }),
      ...(own === undefined ? {} : { refused: own.code }),
    })),
  };
}

function pemOf(chain: readonly Uint8Array[]): string {
  return chain
    .map(
      (der) =>
        Buffer.from(der)
          .toString('base64')
          .match(new RegExp(`.{1,${PEM_LINE}}`, 'g')) ?? [],
    )
    .map((lines) => ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'))
    .join('');
}
