import { createHash } from 'node:crypto';
import { type Clock, epochSeconds } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { ClaimProof } from '../dpop/dpop-replay.ts';
import type { Authorization } from '../token/access-token.ts';
import type {
  AnswerSigner,
  AnswerToSign,
  ReceivedRequest,
  SignatureFormat,
  SignatureProof,
  SignedFields,
} from './signature-format.ts';

export interface MessageSignatureParts {
  readonly format: SignatureFormat;
  readonly request: 'required' | 'if-present';
  readonly signer: AnswerSigner | undefined;
  readonly maxBodyBytes: number;
  readonly maxAnswerBytes: number;
  /** Absent: a signature may come again while it is fresh. */
  readonly claimOnce: ClaimProof | undefined;
  readonly clock: Clock;
}

/** The signatures of a route: which requests must be signed and how, and who signs its answers. */
export class MessageSignatures {
  /** Longest body that is received before the decision. */
  readonly maxBodyBytes: number;
  /** Longest answer that is signed. */
  readonly maxAnswerBytes: number;
  readonly #parts: MessageSignatureParts;

  constructor(parts: MessageSignatureParts) {
    this.maxBodyBytes = parts.maxBodyBytes;
    this.maxAnswerBytes = parts.maxAnswerBytes;
    this.#parts = parts;
    Object.freeze(this);
  }

  /** Whether answers are signed. */
  get signsAnswers(): boolean {
    return this.#parts.signer !== undefined;
  }

  /**
   * Verifies the signature of a request by the client of its token; undefined for a request that need not be signed and
   * is not.
   *
   * @throws ERR_SIGNATURE_*
   */
  async verify(request: ReceivedRequest, authorization: Authorization): Promise<SignatureProof | undefined> {
    const { format, request: need, clock } = this.#parts;
    if (!format.isSigned(request)) {
      if (need === 'required' && format.isNeeded(request))
        throw new OpenBankingError('ERR_SIGNATURE_MISSING', {});
      return undefined;
    }
    const now = epochSeconds(clock.now());
    const { keyId, covered, uniqueName, staleFrom } = await format.verifyRequest(request, {
      authorization,
      now,
    });
    await this.#claim(authorization, uniqueName, staleFrom);
    return Object.freeze({ keyId, covered: Object.freeze(covered) });
  }

  /** @throws ERR_SIGNATURE_SIGNER when the bank's key cannot be used */
  async signAnswer(answer: AnswerToSign): Promise<SignedFields> {
    const { format, signer, clock } = this.#parts;
    if (signer === undefined || format.signAnswer === undefined) return {};
    try {
      return await format.signAnswer(answer, signer, epochSeconds(clock.now()));
    } catch (cause) {
      if (isRefusal(cause)) throw cause;
      throw new OpenBankingError('ERR_SIGNATURE_SIGNER', { keyId: signer.keyId }, { cause });
    }
  }

  async #claim(
    { clientId }: Authorization,
    uniqueName: string | undefined,
    staleFrom: number | undefined,
  ): Promise<void> {
    const { claimOnce } = this.#parts;
    if (claimOnce === undefined) return;
    if (uniqueName === undefined || staleFrom === undefined) {
      const problem = uniqueName === undefined ? 'there is no nonce' : 'there is no date';
      throw new OpenBankingError('ERR_SIGNATURE_REPLAYED', { problem });
    }
    const id = createHash('sha256')
      .update(JSON.stringify(['signature', clientId, uniqueName]))
      .digest('base64url');
    if (!(await claimOnce(id, new Date(staleFrom * 1000), clientId))) {
      throw new OpenBankingError('ERR_SIGNATURE_REPLAYED', { problem: 'it was used before' });
    }
  }
}
