import { createHmac } from 'node:crypto';
import type { Clock } from '../../../clock.ts';
import type { AskedConsent } from '../../../consent/consent-changes.ts';
import type { Consent } from '../../../consent/consent.ts';
import type { Consents } from '../../../consent/consents.ts';
import { canonicalHash } from '../../../consent/details/canonical-hash.ts';
import { isRefusal, OpenBankingError } from '../../../errors.ts';
import type { Store } from '../../../storage/store.ts';

interface CreationsOptions {
  readonly store: Pick<Store, 'find' | 'putIfAbsent'>;
  readonly consents: Pick<Consents, 'create' | 'find'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

/** A request to create, by which a repetition is recognised. */
interface CreationRequest {
  readonly caller: string;
  readonly idempotencyKey: string;
  readonly body: unknown;
}

const KIND = 'BankCreation';
const SECONDS = 24 * 3600;

/**
 * Creations that can be repeated for a day: by the same caller, with the same `Idempotency-Key` and the same body. The consent
 * has an identifier that follows from the key, so that a repetition after a crash at any place finds or makes the same one.
 */
export class Creations {
  readonly #options: CreationsOptions;

  constructor(options: CreationsOptions) {
    this.#options = options;
  }

  /** The consent of the request: made now, or by an earlier try. @throws ERR_BANK_IDEMPOTENCY, ERR_CONSENT_STATUS, ERR_CONSENT_INVALID */
  async once({ caller, idempotencyKey, body }: CreationRequest, asked: AskedConsent): Promise<Consent> {
    const { store, consents, clock } = this.#options;
    const key = this.#hash('key', JSON.stringify([caller, idempotencyKey]));
    const begun = { body: this.#hash('body', canonicalHash(body)), at: clock.now().getTime() };
    const expiresAt = new Date(begun.at + SECONDS * 1000);
    if (!(await store.putIfAbsent(KIND, key, { value: begun, expiresAt }))) {
      const first = (await store.find(KIND, key))?.value as typeof begun | undefined;
      if (first !== undefined && first.body !== begun.body)
        throw new OpenBankingError('ERR_BANK_IDEMPOTENCY', {});
      begun.at = first?.at ?? begun.at;
    }
    const consentId = asked.consentId ?? key;
    try {
      return await consents.create({ ...asked, consentId });
    } catch (error) {
      if (!isRefusal(error, 'ERR_CONSENT_STATUS')) throw error;
      const made = await consents.find(consentId);
      // An id that the bank chose may be that of another consent.
      const isOwn = made !== undefined && made.createdAt.getTime() >= begun.at && madeBy(made) === caller;
      if (!isOwn) throw error;
      return made;
    }
  }

  #hash(purpose: string, text: string): string {
    return createHmac('sha256', this.#options.secret)
      .update(`${KIND}\0${purpose}\0${text}`)
      .digest('base64url');
  }
}

function madeBy({ history: [first] }: Consent): string | undefined {
  return first?.from === undefined && first?.by.kind === 'bank' ? first.by.id : undefined;
}
