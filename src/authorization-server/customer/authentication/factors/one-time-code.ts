import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../../clock.ts';
import type { StrongAuthenticationCalls } from '../../bank/strong-authentication-calls.ts';
import { codeMessageText } from './code-message.ts';
import {
  CHALLENGE_SECONDS,
  type Factor,
  type FactorChallenge,
  type FactorOutcome,
  type FactorQuestion,
} from './factor.ts';
import type { FactorChallengeView } from './factor-view.ts';
import type { UsedAnswers } from './used-answers.ts';

interface OneTimeCodeOptions {
  readonly clock: Clock;
  readonly secret: Buffer;
  readonly calls: Pick<StrongAuthenticationCalls, 'sendCode'>;
  readonly used: Pick<UsedAnswers, 'use'>;
}

interface CodeState {
  readonly nonce: string;
}

const NONCE_BYTES = 32;
const DIGITS = 6;
const REFERENCE_LENGTH = 4;

/**
 * A code that the bank sends: possession of the device that receives it. The code is derived from the hash of what is asked,
 * so the code of another amount or payee is another code (RTS article 5(1)(b) to (d)).
 */
export class OneTimeCodeFactor implements Factor {
  readonly name = 'code';
  readonly isLinked = true;
  readonly sendsMessage = true;
  readonly isAnsweredElsewhere = false;
  readonly #options: OneTimeCodeOptions;

  constructor(options: OneTimeCodeOptions) {
    this.#options = options;
  }

  async isAvailable({ factors }: Pick<FactorQuestion, 'factors'>): Promise<boolean> {
    return factors.code !== undefined;
  }

  async begin(question: FactorQuestion): Promise<FactorChallenge> {
    const { clock, calls } = this.#options;
    const state: CodeState = { nonce: randomBytes(NONCE_BYTES).toString('base64url') };
    const expiresAt = new Date(clock.now().getTime() + CHALLENGE_SECONDS * 1000);
    const code = this.#codeOf(question, state);
    const { occasionId, factors, ...asked } = question;
    const reference = referenceOf(state);
    const text = codeMessageText(question, { code, reference });
    await calls.sendCode({ ...asked, code, reference, text, expiresAt });
    return { state, expiresAt };
  }

  async view({ factors }: FactorQuestion, { state }: FactorChallenge): Promise<FactorChallengeView> {
    const reference = referenceOf(state as CodeState);
    return { factor: 'code', address: factors.code?.address ?? '', reference };
  }

  async verify(
    question: FactorQuestion,
    { state, expiresAt }: FactorChallenge,
    form: URLSearchParams,
  ): Promise<FactorOutcome> {
    const { clock, used } = this.#options;
    const kept = state as CodeState;
    const given = Buffer.from((form.get('answer') ?? '').replace(/\s/g, ''));
    const expected = Buffer.from(this.#codeOf(question, kept));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { type: 'refused' };
    if (expiresAt <= clock.now()) return { type: 'ended' };
    const isFirst = await used.use('code', kept.nonce, expiresAt);
    return isFirst ? { type: 'proved', amr: ['otp', 'sms'], kinds: ['possession'] } : { type: 'ended' };
  }

  /** RFC 4226 §5.3, over a nonce, the authentication and the hash of what is asked. */
  #codeOf({ occasionId, linkHash }: FactorQuestion, { nonce }: CodeState): string {
    const text = ['one-time code', nonce, occasionId, linkHash].join('\0');
    const mac = createHmac('sha256', this.#options.secret).update(text).digest();
    const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 0x0f) & 0x7fffffff;
    return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
  }
}

/** Which message is meant, of several. */
function referenceOf({ nonce }: CodeState): string {
  const hash = createHash('sha256').update(`reference\0${nonce}`).digest('hex');
  return hash.slice(0, REFERENCE_LENGTH).toUpperCase();
}
