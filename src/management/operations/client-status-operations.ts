import { z } from 'zod';
import type { ClientStatus } from '../../authorization-server/clients/client-records.ts';
import { OpenBankingError } from '../../errors.ts';
import {
  changeFound,
  clientRefusal,
  clientRefusals,
  type ClientParts,
  ofClient,
  presentClient,
} from './client-views.ts';
import { changing } from './contract.ts';

interface Step {
  readonly operationId: string;
  readonly word: 'approve' | 'disable' | 'enable';
  readonly from: ClientStatus;
  readonly to: ClientStatus;
  readonly summary: string;
}

/** Clients: approved, disabled, enabled, ended. */
export function clientStatusOperations(parts: ClientParts) {
  return {
    approveClient: step(parts, {
      operationId: 'approveClient',
      word: 'approve',
      from: 'awaiting-approval',
      to: 'active',
      summary: 'Approve a client that waits for the bank',
    }),
    disableClient: step(parts, {
      operationId: 'disableClient',
      word: 'disable',
      from: 'active',
      to: 'disabled',
      summary: 'Disable a client, which keeps its grants and may do nothing',
    }),
    enableClient: step(parts, {
      operationId: 'enableClient',
      word: 'enable',
      from: 'disabled',
      to: 'active',
      summary: 'Undo a disable',
    }),
    deleteClient: deletion(parts),
  };
}

function step(parts: ClientParts, { operationId, word, from, to, summary }: Step) {
  return changing(
    {
      ...ofClient,
      operationId,
      path: `/v1/clients/{clientId}/${word}`,
      right: 'clients',
      summary,
      body: {},
      refusals: clientRefusals,
    },
    presentClient(parts),
    async (_call, found) => {
      const { status, client } = found.record;
      if (status !== from) throw clientRefusal(client.client_id, `the client is ${status}`);
      return changeFound(parts, found, { status: to });
    },
  );
}

function deletion({ clients, ...parts }: ClientParts) {
  return changing(
    {
      ...ofClient,
      operationId: 'deleteClient',
      path: '/v1/clients/{clientId}/delete',
      right: 'clients',
      summary: 'End a client with every grant, token and consent',
      body: {},
      answer: z.object({ clientId: z.string(), status: z.literal('deleted') }),
      isVersioned: false,
      refusals: clientRefusals,
    },
    presentClient({ clients, ...parts }),
    async ({ params: { clientId } }, found) => {
      // An end that broke off is finished.
      if (found.record.status !== 'ending') {
        if (!(await clients.change(found, { status: 'ending' }))) {
          throw new OpenBankingError('ERR_MANAGEMENT_VERSION', { found: 'changed in between' });
        }
      }
      await clients.end(clientId);
      return { clientId, status: 'deleted' as const };
    },
  );
}
