import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** An answer of an API, to be sent again. */
export interface KeptAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Requests that a demonstration repeats; the oldest are forgotten. */
const MAX_KEPT = 1000;
/** UK Read/Write API: a key is valid for 24 hours. */
const TTL_MILLISECONDS = 24 * 60 * 60 * 1000;

/**
 * Answers to requests with an idempotency key: the same request again has the same answer, and is carried out once, also
 * when both come at the same time. A request that failed may be sent again.
 */
export class RepeatedRequests {
  readonly #kept = new LRUCache<string, { readonly bodyHash: string; readonly answer: Promise<KeptAnswer> }>({
    max: MAX_KEPT,
    ttl: TTL_MILLISECONDS,
  });

  /** Undefined for a key that came with another body before. */
  async answerTo(
    request: {
      readonly caller: string;
      readonly route: string;
      readonly key: string;
      readonly body: unknown;
    },
    run: () => Promise<KeptAnswer>,
  ): Promise<KeptAnswer | undefined> {
    const id = JSON.stringify([request.caller, request.route, request.key]);
    const bodyHash = createHash('sha256').update(JSON.stringify(request.body)).digest('base64url');
    const known = this.#kept.get(id);
    if (known !== undefined) return known.bodyHash === bodyHash ? known.answer : undefined;
    const answer = run();
    this.#kept.set(id, { bodyHash, answer });
    try {
      return await answer;
    } catch (error) {
      this.#kept.delete(id);
      throw error;
    }
  }
}
