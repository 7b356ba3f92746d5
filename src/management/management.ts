import type { z } from 'zod';
import { findRefusal } from '../authorization-server/request/oauth-error.ts';
import { type AuditGate, OPEN_GATE } from '../audit/audit-gate.ts';
import type { Clock } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import type { EventFields, Log } from '../events.ts';
import type { Store } from '../storage/store.ts';
import type { ManagementCall, ManagementOperation } from './operations/contract.ts';
import { assertVersion, versionOf } from './operations/versions.ts';
import { assertMay, type ManagementListenerName, type Operator } from './operators/operator.ts';
import { Repetitions } from './repetitions.ts';

type Operations = Readonly<Record<string, ManagementOperation>>;
type ContractOf<Operation> =
  Operation extends ManagementOperation<infer P, infer Q, infer B, infer A>
    ? {
        readonly params: z.input<P>;
        readonly query: z.input<Q>;
        readonly body: z.input<B>;
        readonly answer: z.output<A>;
      }
    : never;
type OptionalWhereEmpty<Name extends string, Value> =
  Record<string, never> extends Value
    ? { readonly [Member in Name]?: Value }
    : { readonly [Member in Name]: Value };

/** The caller of an operation, and the fields of a change. */
export interface CallFacts {
  readonly operator: Operator;
  readonly listener: ManagementListenerName;
  readonly requestId: string;
  /** Of a creation or change. */
  readonly idempotencyKey?: string | undefined;
  /** Of a change: the ETag of the answer that the operator has seen. */
  readonly ifMatch?: string | undefined;
}

/** Arguments of an operation before they are checked. */
export type CallOf<Operation> = CallFacts &
  OptionalWhereEmpty<'params', ContractOf<Operation>['params']> &
  OptionalWhereEmpty<'query', ContractOf<Operation>['query']> &
  OptionalWhereEmpty<'body', ContractOf<Operation>['body']>;

export interface Answered<Value = unknown> {
  readonly value: Value;
  /** The ETag, where the operation has one. */
  readonly version?: string | undefined;
}

export interface ManagementOptions<All extends Operations> {
  readonly operations: All;
  readonly store: Store;
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly log: Log;
  /** Holds changes back whose line cannot be written. Default: none. */
  readonly audit?: AuditGate | undefined;
}

interface RawCall extends CallFacts {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/**
 * The one gate to all operations, for the API and for the pages of the console: role, form, reason, version, repetition,
 * and one event for each change and for each refusal.
 */
export class Management<All extends Operations = Operations> {
  readonly operations: All;
  readonly #repetitions: Repetitions;
  readonly #log: Log;
  readonly #audit: AuditGate;
  /** Refusals that have their event. */
  readonly #reported = new WeakSet<object>();

  constructor(options: ManagementOptions<All>) {
    this.operations = options.operations;
    this.#repetitions = new Repetitions(options);
    this.#log = options.log;
    this.#audit = options.audit ?? OPEN_GATE;
  }

  /**
   * Carries out an operation: `management.call('readTpp', { operator, …, params: { number } })`.
   *
   * @throws ERR_MANAGEMENT_*, and the refusals of the operation
   */
  async call<Id extends keyof All & string>(
    id: Id,
    call: CallOf<All[Id]>,
  ): Promise<Answered<ContractOf<All[Id]>['answer']>> {
    const operation = this.operations[id];
    if (operation === undefined) throw new TypeError(`no operation ${id}`);
    return (await this.run(operation, call)) as Answered<ContractOf<All[Id]>['answer']>;
  }

  /** As `call`, for an operation that its route has found. */
  async run(operation: ManagementOperation, call: RawCall): Promise<Answered> {
    const { contract } = operation;
    try {
      assertMay(call.operator, contract.right);
      const checked = {
        operator: call.operator,
        params: parsed(contract.params, call.params, 'path'),
        query: parsed(contract.query, call.query, 'query'),
        body: parsed(contract.body, call.body, 'body'),
      };
      if (contract.kind === 'read') return answered(operation, await operation.run(checked, undefined));
      return await this.#change(operation, { ...call, ...checked });
    } catch (error) {
      this.report(error, { ...fieldsOf(operation, call), target: targetOf(call.params) });
      throw error;
    }
  }

  /** One event for a refusal, however often it is reported on its way out. */
  report(error: unknown, fields: EventFields): void {
    const key = typeof error === 'object' && error !== null ? error : {};
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    const refusal = findRefusal(error);
    this.#log.emit(refusal === undefined ? 'server.unexpected' : 'management.refused', {
      ...fields,
      error: refusal ?? error,
    });
  }

  async #change(
    operation: ManagementOperation,
    call: CallFacts & ManagementCall<unknown, unknown, unknown>,
  ): Promise<Answered> {
    const { operator, params, body, ifMatch, idempotencyKey = '' } = call;
    if (!IDEMPOTENCY_KEY.test(idempotencyKey)) {
      throw requestFault('header.Idempotency-Key', 'must be 1 to 128 printable ASCII characters');
    }
    this.#audit.assertAvailable();
    const { operationId } = operation.contract;
    const content = [operationId, params, body, ifMatch];
    const { answer, isFirst } = await this.#repetitions.once({ operator, idempotencyKey, content }, () =>
      this.#carryOut(operation, call),
    );
    if (isFirst) {
      this.#log.emit('management.changed', {
        ...fieldsOf(operation, call),
        target: targetOf(params) || targetOf(answer.value),
        reason: String((body as { readonly reason?: unknown }).reason),
        outcome: operationId,
      });
    }
    await this.#audit.durable();
    return answer;
  }

  async #carryOut(
    operation: ManagementOperation,
    call: CallFacts & ManagementCall<unknown, unknown, unknown>,
  ): Promise<Answered> {
    const { present } = operation;
    if (present === undefined) return answered(operation, await operation.run(call, undefined));
    if (call.ifMatch === undefined) throw new OpenBankingError('ERR_MANAGEMENT_VERSION_MISSING', {});
    const { shown, record } = await present.find(call);
    assertVersion(call.ifMatch, versionOf(present.schema, shown));
    return answered(operation, await operation.run(call, record));
  }
}

/** A fault of a request, with its place. */
export function requestFault(
  member: string,
  problem: string,
  cause?: unknown,
): OpenBankingError<'ERR_MANAGEMENT_REQUEST'> {
  return new OpenBankingError('ERR_MANAGEMENT_REQUEST', { member, problem }, { cause });
}

/** Cut to the schema: no member leaves that the document does not name. */
function answered({ contract }: ManagementOperation, found: unknown): Answered {
  const value = contract.answer.parse(found);
  return contract.isVersioned ? { value, version: versionOf(contract.answer, found) } : { value };
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown, place: string): z.output<Schema> {
  const { data, error } = schema.safeParse(value ?? {});
  if (error === undefined) return data;
  const [issue] = error.issues;
  throw requestFault([place, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'is not valid');
}

function fieldsOf({ contract }: ManagementOperation, call: CallFacts): EventFields {
  return {
    requestId: call.requestId,
    listener: call.listener,
    method: contract.method.toUpperCase(),
    route: contract.path,
    operator: call.operator.name,
    role: call.operator.roles.join(' '),
  };
}

/** The identifiers in the path of a request, or of what was made. */
function targetOf(params: unknown): string {
  if (typeof params !== 'object' || params === null) return '';
  const named = Object.entries(params).filter(([name]) => /^(number|thumbprint|.*Id|client_id)$/.test(name));
  return named.map(([name, value]) => `${name} ${String(value)}`).join(', ');
}
