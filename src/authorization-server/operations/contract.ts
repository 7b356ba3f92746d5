import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';

/** One operation of an API of this server. Its schemas check every request, and make the OpenAPI document. */
export interface Contract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch';
  /** As OpenAPI writes it, `/v1/consents/{consentId}`. */
  readonly path: `/v1/${string}`;
  readonly operationId: string;
  /** The part of the API that the operation belongs to. */
  readonly part: string;
  readonly summary: string;
  readonly params: Params;
  readonly query: Query;
  /** Of a request without a body: the schema of the empty object. */
  readonly body: Body;
  readonly status: 200 | 201;
  readonly answer: Answer;
  /** Whether the request must have an `Idempotency-Key`. */
  readonly isIdempotent: boolean;
  /** The refusals beside those that every operation may have. */
  readonly refusals: readonly ErrorCode[];
}

/** A value that a function may return without a copy. */
export type Shown<Value> = Value extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : Value extends object
    ? { readonly [Member in keyof Value]: Shown<Value[Member]> }
    : Value;
