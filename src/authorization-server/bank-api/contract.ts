import type { z } from 'zod';
import type { Contract, Shown } from '../operations/contract.ts';

/** The parts of the bank API, each of which a caller has or has not. */
export const BANK_API_PARTS = ['consents', 'events', 'interactions', 'approvals'] as const;
export type BankApiPart = (typeof BANK_API_PARTS)[number];

/** One operation of the bank API. */
interface BankContract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> extends Contract<Params, Query, Body, Answer> {
  readonly method: 'get' | 'post' | 'patch';
  readonly part: BankApiPart;
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
  readonly contract: BankContract;
  run(call: BankCall<unknown, unknown, unknown>): Promise<unknown>;
}

/** Joins a contract and its function. The function's arguments have the types of the contract's schemas. */
export function operation<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Answer extends z.ZodType,
>(
  contract: BankContract<Params, Query, Body, Answer>,
  run: (call: BankCall<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<Shown<z.input<Answer>>>,
): Operation {
  return { contract, run: run as Operation['run'] };
}
