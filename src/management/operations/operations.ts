import { clientOperations } from './client-operations.ts';
import { clientStatusOperations } from './client-status-operations.ts';
import type { ClientParts } from './client-views.ts';
import { operatorOperations } from './operator-operations.ts';

/** Every part of a server that an operation needs. */
export type ManagementParts = ClientParts;

/** All operations, by their `operationId`. */
export function managementOperations(parts: ManagementParts) {
  return {
    ...operatorOperations(),
    ...clientOperations(parts),
    ...clientStatusOperations(parts),
  };
}
