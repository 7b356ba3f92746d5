import { type AuditParts, auditOperations } from './audit-operations.ts';
import { type BlockParts, blockOperations } from './block-operations.ts';
import { type CertificateParts, certificateOperations } from './certificate-operations.ts';
import { clientOperations } from './client-operations.ts';
import { clientStatusOperations } from './client-status-operations.ts';
import type { ClientParts } from './client-views.ts';
import { type ConsentParts, consentOperations } from './consent-operations.ts';
import { type KeyParts, keyOperations } from './key-operations.ts';
import { operatorOperations } from './operator-operations.ts';
import { type OverviewParts, overviewOperations } from './overview-operations.ts';
import { type RegisterParts, registerOperations } from './register-operations.ts';
import { type TppParts, tppOperations } from './tpp-operations.ts';

/** Every part of a server that an operation needs. */
export type ManagementParts = ClientParts &
  ConsentParts &
  TppParts &
  CertificateParts &
  BlockParts &
  OverviewParts &
  KeyParts &
  RegisterParts &
  AuditParts;

/** All operations, by their `operationId`. */
export function managementOperations(parts: ManagementParts) {
  return {
    ...operatorOperations(),
    ...overviewOperations(parts),
    ...tppOperations(parts),
    ...certificateOperations(parts),
    ...clientOperations(parts),
    ...clientStatusOperations(parts),
    ...consentOperations(parts),
    ...keyOperations(parts),
    ...registerOperations(parts),
    ...blockOperations(parts),
    ...auditOperations(parts),
  };
}
