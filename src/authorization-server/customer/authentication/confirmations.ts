import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { OpenBankingError } from '../../../errors.ts';
import { identifierHash, PayloadEncryption } from '../../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../../storage/store.ts';
import type { Confirmation, ConfirmationRequest, Confirmations } from '../bank/strong-authentication.ts';

export interface ConfirmationsOptions {
  readonly store: Pick<Store, 'find' | 'put' | 'putIfAbsent' | 'listByIndex' | 'consume'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

/** The answer of a customer in the bank's app. */
export type AppAnswer =
  | { readonly answer: 'confirmed'; readonly linkHash: string; readonly amr: readonly string[] }
  | { readonly answer: 'rejected' };

const QUESTION = 'AppQuestion';
const ANSWER = 'AppAnswer';
const ID_BYTES = 32;

const confirmationSchema = z.strictObject({
  linkHash: z.string().max(100),
  amr: z.array(z.string().min(1).max(40)).min(1).max(10),
});

/**
 * Questions that customers answer in the bank's app, and their answers: encrypted, found by keyed hashes. The first answer
 * of a question stays, whichever process it reaches.
 */
export class AppConfirmations implements Confirmations {
  readonly #options: ConfirmationsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** Stores a question before the bank asks it. */
  async open(question: Omit<ConfirmationRequest, 'confirmationId'>): Promise<ConfirmationRequest> {
    const request = { ...question, confirmationId: randomBytes(ID_BYTES).toString('base64url') };
    const id = this.#hash(QUESTION, request.confirmationId);
    await this.#options.store.put(QUESTION, id, {
      value: this.#encryption.encrypt(request, boundTo(QUESTION, id)),
      expiresAt: request.expiresAt,
      indexes: { psu: this.#hash('psu', request.psuId) },
    });
    return request;
  }

  /** The answer of a question, if there is one. */
  async answerOf(confirmationId: string): Promise<AppAnswer | undefined> {
    const id = this.#hash(ANSWER, confirmationId);
    const record = await this.#options.store.find(ANSWER, id);
    return record && (this.#encryption.decrypt(record.value, boundTo(ANSWER, id)) as AppAnswer);
  }

  /** Uses an answer: true for one caller (RTS article 4(1)). */
  use(confirmationId: string): Promise<boolean> {
    return this.#options.store.consume(ANSWER, this.#hash(ANSWER, confirmationId));
  }

  async find(confirmationId: string): Promise<ConfirmationRequest | undefined> {
    const request = await this.#question(confirmationId);
    return request === undefined || (await this.answerOf(confirmationId)) !== undefined ? undefined : request;
  }

  async waitingFor(psuId: string): Promise<readonly ConfirmationRequest[]> {
    const records = await this.#options.store.listByIndex(QUESTION, 'psu', this.#hash('psu', psuId));
    const waiting = await Promise.all(
      records.map(async (record) => {
        const request = this.#restored(record);
        return (await this.answerOf(request.confirmationId)) === undefined ? [request] : [];
      }),
    );
    return waiting.flat();
  }

  confirm(confirmationId: string, confirmation: Confirmation): Promise<'confirmed' | 'rejected'> {
    return this.#answer(confirmationId, (request) => {
      const { data, error } = confirmationSchema.safeParse(confirmation);
      // Never the value.
      if (data === undefined)
        throw invalid(`${error.issues[0]?.path.join('.') ?? ''} is not of the contract`);
      if (data.linkHash !== request.linkHash) throw invalid('linkHash is not that of the question');
      return { answer: 'confirmed', ...data };
    });
  }

  reject(confirmationId: string): Promise<'confirmed' | 'rejected'> {
    return this.#answer(confirmationId, () => ({ answer: 'rejected' }));
  }

  async #answer(
    confirmationId: string,
    answerTo: (request: ConfirmationRequest) => AppAnswer,
  ): Promise<'confirmed' | 'rejected'> {
    const request = await this.#question(confirmationId);
    if (request === undefined) {
      throw new OpenBankingError('ERR_APPROVAL_OVER', { problem: 'there is no such question' });
    }
    const id = this.#hash(ANSWER, confirmationId);
    const given = answerTo(request);
    const value = this.#encryption.encrypt(given, boundTo(ANSWER, id));
    const { store } = this.#options;
    if (await store.putIfAbsent(ANSWER, id, { value, expiresAt: request.expiresAt })) return given.answer;
    return (await this.answerOf(confirmationId))?.answer ?? given.answer;
  }

  async #question(confirmationId: string): Promise<ConfirmationRequest | undefined> {
    const record = await this.#options.store.find(QUESTION, this.#hash(QUESTION, confirmationId));
    const request = record && this.#restored(record);
    return request !== undefined && request.expiresAt > this.#options.clock.now() ? request : undefined;
  }

  #restored({ id, value }: StoredRecord): ConfirmationRequest {
    const stored = this.#encryption.decrypt(value, boundTo(QUESTION, id)) as StoredQuestion;
    return { ...stored, expiresAt: new Date(stored.expiresAt) };
  }
}

type StoredQuestion = Omit<ConfirmationRequest, 'expiresAt'> & { readonly expiresAt: string };

function boundTo(kind: string, id: string): string {
  return `${kind}\0${id}`;
}

function invalid(problem: string): OpenBankingError<'ERR_APPROVAL_INVALID'> {
  return new OpenBankingError('ERR_APPROVAL_INVALID', { problem });
}
