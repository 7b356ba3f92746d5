import type { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';

/** The parts of the bank API, each of which a caller has or has not. */
export const BANK_API_PARTS = ['consents', 'events', 'interactions', 'approvals'] as const;
export type BankApiPart = (typeof BANK_API_PARTS)[number];

/** One operation of the bank API. Its schemas check every request, and make the OpenAPI document. */
export interface Contract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'patch';
  /** As OpenAPI writes it, `/v1/consents/{consentId}`. */
  readonly path: `/v1/${string}`;
  readonly operationId: string;
  readonly part: BankApiPart;
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

/** A request that has passed the schemas of its contract. */
export interface BankCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The name of the caller in the configuration. */
  readonly caller: string;
  /** Of an idempotent request, else empty. */
  readonly idempotencyKey: string;
  /** Aborted when the caller has gone, or the server stops. */
  readonly signal: AbortSignal;
}

/** A contract with the function that carries it out. */
export interface Operation {
  readonly contract: Contract;
  run(call: BankCall<unknown, unknown, unknown>): Promise<unknown>;
}

/** A value that a function may return without a copy. */
type Shown<Value> = Value extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : Value extends object
    ? { readonly [Member in keyof Value]: Shown<Value[Member]> }
    : Value;

/** Joins a contract and its function. The function's arguments have the types of the contract's schemas. */
export function operation<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
>(
  contract: Contract<Params, Query, Body, Answer>,
  run: (call: BankCall<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<Shown<z.input<Answer>>>,
): Operation {
  return { contract, run: run as Operation['run'] };
}
