import type { LoginAttempt, LoginAttempts } from './login-attempts.ts';
import type { Occasion, Progress } from './occasion.ts';

/** An answer whose attempts are counted. */
export interface CountedAnswer {
  readonly ofOccasion: LoginAttempt;
  readonly all: readonly LoginAttempt[];
}

/** Whose places an answer takes: of the request, of the name that was typed, and of the customer who is known already. */
export class AttemptCounts {
  readonly #attempts: LoginAttempts;

  constructor(attempts: LoginAttempts) {
    this.#attempts = attempts;
  }

  /** Counts an answer before anything judges it. `over`: of the request; `blocked`: of the customer. @throws ERR_STORAGE_UNAVAILABLE */
  async begin(
    occasion: Occasion,
    { customerName, proved }: Pick<Progress, 'customerName' | 'proved'>,
  ): Promise<CountedAnswer | 'over' | 'blocked'> {
    const ofOccasion = await this.#attempts.begin('interaction', occasion.id);
    if (ofOccasion === undefined) return 'over';
    const all = [ofOccasion];
    const ofCustomer = [
      ...(customerName === undefined ? [] : [['customer', customerName] as const]),
      ...(proved === undefined ? [] : [['psu', proved.psuId] as const]),
    ];
    for (const [subject, name] of ofCustomer) {
      const attempt = await this.#attempts.begin(subject, name);
      if (attempt === undefined) {
        await this.#attempts.takeBack(all.slice(1));
        return ofOccasion.isLast ? 'over' : 'blocked';
      }
      all.push(attempt);
    }
    return { ofOccasion, all };
  }

  /** The answer was right, or nothing judged it. */
  takeBack({ all }: CountedAnswer): Promise<void> {
    return this.#attempts.takeBack(all);
  }

  /** Ends the counts of a customer who has logged in, also of messages. */
  async forget({ customerName, proved }: Pick<Progress, 'customerName' | 'proved'>): Promise<void> {
    const ofPsu = (['psu', 'message'] as const).map((subject) => ({ subject, name: proved?.psuId }));
    await this.#attempts.forget([{ subject: 'customer', name: customerName }, ...ofPsu]);
  }

  /** Whether this customer may be sent one more message; every message counts, whatever becomes of it. */
  async mayMessage(psuId: string): Promise<boolean> {
    return (await this.#attempts.begin('message', psuId)) !== undefined;
  }
}
