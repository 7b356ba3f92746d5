import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { z } from 'zod';
import { CATALOGUE, type ErrorCode } from '../../error-catalogue.ts';
import type { Contract } from './contract.ts';
import { PROBLEM_TYPE, problemSchema, statusOf } from './problem.ts';

/** Refusals that every operation may have. */
const COMMON: readonly ErrorCode[] = [
  'ERR_CERT_MISSING',
  'ERR_BANK_CALLER_UNKNOWN',
  'ERR_BANK_CALLER_PART',
  'ERR_BANK_REQUEST',
  'ERR_STORAGE_UNAVAILABLE',
];
const IDEMPOTENCY_KEY = z
  .string()
  .min(1)
  .max(128)
  .meta({ description: 'Of your choice, one for each creation: a repetition with it creates nothing more.' });

/** The OpenAPI 3.1 document of the contracts. */
export function openApiDocument(contracts: readonly Contract[]): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const contract of contracts) {
    paths[contract.path] = { ...paths[contract.path], [contract.method]: operationObject(contract) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Tallystick bank API',
      version: '1',
      description:
        'For the programs of the bank: consents and intents, their changes, login and consent in an application of the bank, approvals on a device. Every caller presents a certificate of the CA that `bankApi.anchorsFile` names.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'https://bank-api.bank.example', description: '`bankApi.url` of the configuration' }],
    security: [{ certificate: [] }],
    components: { securitySchemes: { certificate: { type: 'mutualTLS' } } },
    paths: paths satisfies ZodOpenApiPathsObject,
  });
}

function operationObject(contract: Contract): ZodOpenApiOperationObject {
  const { operationId, part, summary, method, body, answer, status, isIdempotent } = contract;
  const asked = isIdempotent ? { header: z.object({ 'Idempotency-Key': IDEMPOTENCY_KEY }) } : {};
  return {
    operationId,
    tags: [part],
    summary,
    requestParams: { path: objectOf(contract.params), query: objectOf(contract.query), ...asked },
    ...(method === 'get'
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      [status]: { description: 'done', content: { 'application/json': { schema: answer } } },
      ...refusalObjects([
        ...COMMON,
        ...contract.refusals,
        ...(isIdempotent ? ['ERR_BANK_IDEMPOTENCY' as const] : []),
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
