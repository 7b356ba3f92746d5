import { z } from 'zod';
import type { Contract, Shown } from '../../authorization-server/operations/contract.ts';
import type { Operator, Right } from '../operators/operator.ts';

/** One operation of the management API, and of the pages of the console. */
export interface ManagementContract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> extends Contract<Params, Query, Body, Answer> {
  readonly right: Right;
  /** A `change` names the version of what it changes; a `creation` makes something new. Both have a reason. */
  readonly kind: 'read' | 'creation' | 'change';
  /** Whether the answer has an ETag, for a later change. */
  readonly isVersioned: boolean;
}

/** A request that has passed the schemas of its contract. */
export interface ManagementCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly operator: Operator;
}

/** The present state of what a change changes: as an operation shows it, and as `run` needs it. */
export interface Present {
  readonly shown: unknown;
  readonly record: unknown;
}

/** A contract with its functions. The type parameters are for callers within the program. */
export interface ManagementOperation<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly contract: ManagementContract<Params, Query, Body, Answer>;
  /** Of a change: reads what it changes, and the schema by which it is shown. */
  readonly present?: {
    readonly schema: z.ZodType;
    find(call: ManagementCall<unknown, unknown, unknown>): Promise<Present>;
  };
  run(call: ManagementCall<unknown, unknown, unknown>, record: unknown): Promise<unknown>;
}

type Described<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> = Pick<
  ManagementContract<P, Q, B, A>,
  'path' | 'operationId' | 'part' | 'summary' | 'right' | 'params' | 'answer'
> &
  Partial<Pick<ManagementContract<P, Q, B, A>, 'refusals' | 'isVersioned' | 'method'>>;

export const none = z.strictObject({});
type None = typeof none;
type Run<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType, Record> = (
  call: ManagementCall<z.output<P>, z.output<Q>, z.output<B>>,
  record: Record,
) => Promise<Shown<z.input<A>>>;

/** Why the operator changes something; kept in the audit record. */
const reasonSchema = z
  .string()
  .trim()
  .min(3, 'must be 3 to 500 characters that say why')
  .max(500, 'must be 3 to 500 characters that say why')
  .meta({ description: 'Why, in your words: kept with the change in the audit record.' });

/** An operation that changes nothing. */
export function reading<
  P extends z.ZodType,
  A extends z.ZodType,
  Q extends z.ZodType = None,
  B extends z.ZodType = None,
>(
  described: Described<P, Q, B, A> & { readonly query?: Q; readonly body?: B },
  run: (call: ManagementCall<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Shown<z.input<A>>>,
): ManagementOperation<P, Q, B, A> {
  const contract = {
    method: 'get' as const,
    query: none as unknown as Q,
    body: none as unknown as B,
    isVersioned: false,
    refusals: [],
    ...described,
    kind: 'read' as const,
    status: 200 as const,
    isIdempotent: false,
  };
  return { contract, run: run as ManagementOperation['run'] };
}

/** An operation that makes something new. */
export function creating<P extends z.ZodType, S extends z.ZodRawShape, A extends z.ZodType>(
  described: Described<P, None, z.ZodType, A> & { readonly body: S },
  run: Run<P, None, WithReason<S>, A, undefined>,
): ManagementOperation<P, None, WithReason<S>, A> {
  const contract = { ...reasoned(described), kind: 'creation' as const, status: 201 as const };
  return { contract, run: run as ManagementOperation['run'] };
}

/** An operation that changes something which `present` shows. */
export function changing<
  P extends z.ZodType,
  S extends z.ZodRawShape,
  A extends z.ZodType,
  Found extends z.ZodType,
  Record,
>(
  described: Described<P, None, z.ZodType, A> & { readonly body: S },
  present: {
    /** The schema of the answer that had the ETag. */
    readonly schema: Found;
    find(call: {
      readonly params: z.output<P>;
      readonly operator: Operator;
    }): Promise<{ readonly shown: Shown<z.input<Found>>; readonly record: Record }>;
  },
  run: Run<P, None, WithReason<S>, A, Record>,
): ManagementOperation<P, None, WithReason<S>, A> {
  const contract = { ...reasoned(described), kind: 'change' as const, status: 200 as const };
  const find = present.find as NonNullable<ManagementOperation['present']>['find'];
  return { contract, present: { schema: present.schema, find }, run: run as ManagementOperation['run'] };
}

/** The members that creations and changes share. */
function reasoned<P extends z.ZodType, S extends z.ZodRawShape, A extends z.ZodType>(
  described: Described<P, None, z.ZodType, A> & { readonly body: S },
) {
  return {
    method: 'post' as const,
    isVersioned: true,
    refusals: [],
    ...described,
    query: none,
    body: withReason(described.body),
    isIdempotent: true,
  };
}

type WithReason<S extends z.ZodRawShape> = z.ZodObject<S & { reason: typeof reasonSchema }, z.core.$strict>;

function withReason<S extends z.ZodRawShape>(shape: S): WithReason<S> {
  return z.strictObject({ ...shape, reason: reasonSchema }) as WithReason<S>;
}
