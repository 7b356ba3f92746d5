import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi';
import { z } from 'zod';
import { CATALOGUE, type ErrorCode } from '../../error-catalogue.ts';
import type { Contract } from './contract.ts';
import { PROBLEM_TYPE, problemSchema, statusOf } from './problem.ts';

/** The document of an API, beside its operations. */
export interface Description {
  readonly info: ZodOpenApiObject['info'];
  readonly servers: NonNullable<ZodOpenApiObject['servers']>;
  readonly security: NonNullable<ZodOpenApiObject['security']>;
  readonly securitySchemes: NonNullable<ZodOpenApiObject['components']>['securitySchemes'];
  /** Refusals that every operation may have. */
  readonly refusals: readonly ErrorCode[];
  /** The refusal of an `Idempotency-Key` that was used for another request. */
  readonly refusalOfRepetition: ErrorCode;
  /** Members of an operation of this API alone. */
  readonly extend?: (contract: Contract) => Extension;
}

/** The part of an operation that only one API has. */
export interface Extension {
  readonly description: string;
  /** Further fields of the request's head. */
  readonly requestHeaders?: Readonly<Record<string, z.ZodType>>;
  /** Fields of the answer's head. */
  readonly answerHeaders?: Readonly<Record<string, z.ZodType>>;
  /** Beside those of the contract. */
  readonly refusals?: readonly ErrorCode[];
}

const IDEMPOTENCY_KEY = z
  .string()
  .min(1)
  .max(128)
  .meta({ description: 'Of your choice, one for each creation: a repetition with it creates nothing more.' });

/** The OpenAPI 3.1 document of the contracts. */
export function openApiDocument(contracts: readonly Contract[], described: Description): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const contract of contracts) {
    paths[contract.path] = {
      ...paths[contract.path],
      [contract.method]: operationObject(contract, described),
    };
  }
  const { info, servers, security, securitySchemes = {} } = described;
  return createDocument({
    openapi: '3.1.1',
    info,
    servers,
    security,
    components: { securitySchemes },
    paths: paths satisfies ZodOpenApiPathsObject,
  });
}

function operationObject(contract: Contract, described: Description): ZodOpenApiOperationObject {
  const { operationId, part, summary, method, body, answer, status, isIdempotent } = contract;
  const extension: Partial<Extension> = described.extend?.(contract) ?? {};
  const { description, requestHeaders = {}, answerHeaders, refusals = [] } = extension;
  const asked = { ...(isIdempotent ? { 'Idempotency-Key': IDEMPOTENCY_KEY } : {}), ...requestHeaders };
  const header = Object.keys(asked).length === 0 ? {} : { header: z.object(asked) };
  return {
    operationId,
    tags: [part],
    summary,
    ...(description === undefined ? {} : { description }),
    requestParams: { path: objectOf(contract.params), query: objectOf(contract.query), ...header },
    ...(method === 'get'
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      [status]: {
        description: 'done',
        ...(answerHeaders === undefined ? {} : { headers: z.object(answerHeaders) }),
        content: { 'application/json': { schema: answer } },
      },
      ...refusalObjects([
        ...described.refusals,
        ...contract.refusals,
        ...refusals,
        ...(isIdempotent ? [described.refusalOfRepetition] : []),
      ]),
    },
  };
}

function refusalObjects(codes: readonly ErrorCode[]) {
  const byStatus = Map.groupBy(new Set(codes), (code) => statusOf({ code, class: CATALOGUE[code].class }));
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      String(status),
      { description: ofStatus.join(', '), content: { [PROBLEM_TYPE]: { schema: problemSchema } } },
    ]),
  );
}

function objectOf(schema: z.ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema;
  throw new TypeError('the parameters of an operation must be an object');
}
