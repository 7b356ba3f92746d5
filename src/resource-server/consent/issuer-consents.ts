import { jwtVerify } from 'jose';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { OutboundRequest, OutboundResponse } from '../../remote/outbound.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { Authorization } from '../token/access-token.ts';
import { ALGORITHMS } from '../token/compact-signature.ts';
import type { KeySource } from '../token/issuer-keys.ts';
import { answered, IssuerQuestions } from '../token/issuer-questions.ts';
import { type ConsentInformation, parseConsentInformation } from './consent-information.ts';

export interface IssuerConsentsOptions {
  readonly issuer: string;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly clockToleranceSeconds: number;
  /** `https://<mTLS host of the authorization server>/consent-information/`. */
  readonly endpoint: string;
  readonly clientId: string;
  readonly response: 'signed' | 'plain';
  /** Oldest answer that decides: how long an ended consent can live on here. */
  readonly maxAgeSeconds: number;
  readonly maxConsents: number;
  readonly maxBytes: number;
  /** Sends a question over mTLS with this resource server's certificate. */
  readonly ask: (url: string, request: OutboundRequest) => Promise<OutboundResponse>;
}

/** An answer about one consent; without `information`, the issuer knows no such consent for this API. */
interface Answer {
  readonly information?: ConsentInformation;
  readonly etag?: string | undefined;
  readonly bytes: number;
}

interface KeptConsent {
  readonly source: Refreshable<Answer>;
  bytes: number;
}

const SIGNED_TYPE = 'application/consent-information+jwt';
/** The answer's own age: an old signed answer must not stand in for a new one. */
const MAX_ANSWER_AGE_SECONDS = 30;
/** After a failure the issuer gets no question about the same consent for this long. */
const COOL_DOWN_SECONDS = 1;
/** Memory of an entry besides its answer, and of an answer for each of its bytes, rounded up. */
const ENTRY_BYTES = 1000;
const MEMORY_FACTOR = 4;

/**
 * The consents behind access tokens, as the issuer answers about them: one question at a time about a consent, none
 * while the last answer is young enough. Without an answer there is no consent.
 */
export class IssuerConsents {
  readonly #options: IssuerConsentsOptions;
  readonly #questions: IssuerQuestions;
  /** The consent that was needed longest ago comes first. */
  readonly #kept = new Map<string, KeptConsent>();
  #bytes = 0;

  constructor(options: IssuerConsentsOptions) {
    this.#options = options;
    this.#questions = new IssuerQuestions({
      clock: options.clock,
      unavailable: (problem, cause) => this.#unavailable(problem, cause),
    });
  }

  /**
   * The consent of a proven authorization, which the customer has authorised and which has not ended.
   *
   * @throws ERR_CONSENT_ABSENT for a token of the TPP alone; ERR_CONSENT_INACTIVE; ERR_CONSENT_UNAVAILABLE
   */
  async consentOf(authorization: Authorization): Promise<ConsentInformation> {
    const { consentId, clientId, subject } = authorization;
    if (consentId === undefined) throw new OpenBankingError('ERR_CONSENT_ABSENT', {});
    const kept = this.#keptOf(consentId, clientId);
    const { information } = (await kept.source.fresh(this.#options.maxAgeSeconds)).value;
    const status = information === undefined ? 'unknown' : this.#statusOf(information);
    if (information === undefined || status !== 'authorised') {
      throw new OpenBankingError('ERR_CONSENT_INACTIVE', { consentId, status });
    }
    if (information.clientId !== clientId || information.subject !== subject) {
      throw this.#unavailable('the answer is about another client or customer');
    }
    return information;
  }

  #statusOf({ status, expiresAt }: ConsentInformation): string {
    return status === 'authorised' && expiresAt <= this.#options.clock.now() ? 'expired' : status;
  }

  #keptOf(consentId: string, clientId: string): KeptConsent {
    const kept = this.#kept.get(consentId) ?? this.#sourceOf(consentId, clientId);
    this.#kept.delete(consentId);
    this.#kept.set(consentId, kept);
    this.#makeRoom();
    return kept;
  }

  #sourceOf(consentId: string, clientId: string): KeptConsent {
    const { clock } = this.#options;
    const source: Refreshable<Answer> = createRefreshable({
      clock,
      coolDownSeconds: COOL_DOWN_SECONDS,
      read: async () => {
        const answer = await this.#read(consentId, clientId, source.last?.value);
        if (this.#kept.get(consentId) === kept) {
          this.#bytes += answer.bytes - kept.bytes;
          kept.bytes = answer.bytes;
          this.#makeRoom();
        }
        return answer;
      },
    });
    const kept: KeptConsent = { source, bytes: ENTRY_BYTES };
    this.#bytes += ENTRY_BYTES;
    return kept;
  }

  #makeRoom(): void {
    const { maxConsents, maxBytes } = this.#options;
    for (const [consentId, { bytes }] of this.#kept) {
      if (this.#kept.size <= maxConsents && this.#bytes <= maxBytes) return;
      this.#kept.delete(consentId);
      this.#bytes -= bytes;
    }
  }

  async #read(consentId: string, clientId: string, last: Answer | undefined): Promise<Answer> {
    const { response: form, issuer, endpoint } = this.#options;
    const isSigned = form === 'signed';
    // "Unchanged" has no signature: a signed answer is asked for anew.
    const etag = isSigned ? undefined : last?.etag;
    const headers = {
      accept: isSigned ? SIGNED_TYPE : 'application/json',
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
    };
    const url = `${endpoint}${encodeURIComponent(consentId)}?client_id=${encodeURIComponent(this.#options.clientId)}`;
    const response = await this.#questions.ask(clientId, async () =>
      answered(await this.#options.ask(url, { headers }), issuer),
    );
    if (response.status === 304 && etag !== undefined && last !== undefined) return last;
    if (response.status === 404) return { bytes: ENTRY_BYTES };
    try {
      return await this.#answerIn(response, consentId);
    } catch (cause) {
      throw this.#unavailable('no usable answer', cause);
    }
  }

  async #answerIn({ status, headers, body }: OutboundResponse, consentId: string): Promise<Answer> {
    if (status !== 200) throw new Error(`unexpected status ${status}`);
    const isSigned = this.#options.response === 'signed';
    const [contentType = ''] = (headers.get('content-type') ?? '').split(';');
    if (contentType.trim().toLowerCase() !== (isSigned ? SIGNED_TYPE : 'application/json')) {
      throw new Error('unexpected content type');
    }
    const text = body.toString('utf8');
    const information = parseConsentInformation(isSigned ? await this.#signed(text) : JSON.parse(text));
    if (information.consentId !== consentId) throw new Error('the answer is about another consent');
    const bytes = ENTRY_BYTES + MEMORY_FACTOR * body.length;
    return Object.freeze({ information, etag: headers.get('etag') ?? undefined, bytes });
  }

  async #signed(text: string): Promise<unknown> {
    const { keys, issuer, clientId, clock, clockToleranceSeconds } = this.#options;
    const { payload } = await jwtVerify(text, keys, {
      algorithms: [...ALGORITHMS],
      typ: 'consent-information+jwt',
      issuer,
      audience: clientId,
      currentDate: clock.now(),
      clockTolerance: clockToleranceSeconds,
      maxTokenAge: MAX_ANSWER_AGE_SECONDS,
      requiredClaims: ['iat', 'consent_information'],
    });
    return payload.consent_information;
  }

  #unavailable(problem: string, cause?: unknown): OpenBankingError<'ERR_CONSENT_UNAVAILABLE'> {
    const details = { issuer: this.#options.issuer, problem };
    return new OpenBankingError('ERR_CONSENT_UNAVAILABLE', details, { cause });
  }
}
