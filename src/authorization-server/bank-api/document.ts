import { type Description, openApiDocument } from '../operations/open-api.ts';
import type { Operation } from './contract.ts';

const DESCRIPTION: Description = {
  info: {
    title: 'Tallystick bank API',
    version: '1',
    description:
      'For the programs of the bank: consents and intents, their changes, login and consent in an application of the bank, approvals on a device. Every caller presents a certificate of the CA that `bankApi.anchorsFile` names.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: 'https://bank-api.bank.example', description: '`bankApi.url` of the configuration' }],
  security: [{ certificate: [] }],
  securitySchemes: { certificate: { type: 'mutualTLS' } },
  refusals: [
    'ERR_CERT_MISSING',
    'ERR_BANK_CALLER_UNKNOWN',
    'ERR_BANK_CALLER_PART',
    'ERR_BANK_REQUEST',
    'ERR_STORAGE_UNAVAILABLE',
  ],
  refusalOfRepetition: 'ERR_BANK_IDEMPOTENCY',
};

/** The OpenAPI document of the bank API. */
export function bankApiDocument(operations: readonly Pick<Operation, 'contract'>[]): object {
  return openApiDocument(
    operations.map(({ contract }) => contract),
    DESCRIPTION,
  );
}
