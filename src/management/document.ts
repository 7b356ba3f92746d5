import { z } from 'zod';
import { type Description, openApiDocument } from '../authorization-server/operations/open-api.ts';
import type { ManagementContract, ManagementOperation } from './operations/contract.ts';
import { rolesWith } from './operators/operator.ts';

const ETAG = z.string().meta({ description: 'The version of what the answer shows, for `If-Match`.' });
const IF_MATCH = z.string().meta({
  description:
    'The ETag of the answer in which you saw what you change. Without it 428; of another version 412.',
});
const VERSIONED = {
  requestHeaders: { 'If-Match': IF_MATCH },
  refusals: ['ERR_MANAGEMENT_VERSION_MISSING', 'ERR_MANAGEMENT_VERSION'],
} as const;

const DESCRIPTION: Description = {
  info: {
    title: 'Tallystick management API',
    version: '1',
    description:
      'For the people who run the server. Every change has a reason, is attributed to its operator, is made once for each Idempotency-Key, and counts in all processes within a second.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [
    { url: 'http://127.0.0.1:9000', description: 'loopback, `listen.health` of the configuration' },
    { url: 'https://management.bank.example', description: '`management.url` of the configuration' },
  ],
  security: [{ certificate: [] }, { bearer: [] }],
  securitySchemes: {
    certificate: { type: 'mutualTLS', description: 'A certificate of `management.callers`.' },
    bearer: {
      type: 'http',
      scheme: 'bearer',
      description: 'Of `tallystick console --token`, on the loopback listener only; good for 15 minutes.',
    },
  },
  refusals: [
    'ERR_MANAGEMENT_UNKNOWN',
    'ERR_MANAGEMENT_ROLE',
    'ERR_MANAGEMENT_ORIGIN',
    'ERR_MANAGEMENT_REQUEST',
    'ERR_STORAGE_UNAVAILABLE',
  ],
  refusalOfRepetition: 'ERR_MANAGEMENT_IDEMPOTENCY',
  extend: (contract) => {
    const { right, kind, isVersioned } = contract as ManagementContract;
    return {
      description: `Roles: ${rolesWith(right).join(', ')}.`,
      ...(kind === 'change' ? VERSIONED : {}),
      ...(isVersioned ? { answerHeaders: { ETag: ETAG } } : {}),
    };
  },
};

/** The OpenAPI document of the management API. */
export function managementDocument(operations: Readonly<Record<string, ManagementOperation>>): object {
  return openApiDocument(
    Object.values(operations).map(({ contract }) => contract),
    DESCRIPTION,
  );
}
