import { z } from 'zod';
import {
  type ClientEntry,
  type ClientRules,
  clientSchema,
  findRuleProblems,
  registeredClient,
} from '../../authorization-server/clients/client-schema.ts';
import {
  CLIENT_STATUSES,
  changeFound,
  clientRefusal,
  clientRefusals,
  clientViewSchema,
  type ClientParts,
  findClient,
  ofClient,
  presentClient,
  viewOf,
  viewOfNamed,
} from './client-views.ts';
import { creating, changing, none, reading } from './contract.ts';
import { afterOf, nextField, pageFields, tppField } from './fields.ts';

/** Clients of a TPP that files have, on one page. */
const MAX_OF_FILES = 100;

/** Clients: seen, made, changed. */
export function clientOperations(parts: ClientParts) {
  const { clients, rules } = parts;
  return {
    listClients: listing(parts),
    readClient: reading(
      {
        ...ofClient,
        operationId: 'readClient',
        path: '/v1/clients/{clientId}',
        right: 'view',
        summary: 'A client',
        isVersioned: true,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      ({ params: { clientId } }) => findClient(parts, clientId),
    ),
    createClient: creating(
      {
        part: 'clients',
        operationId: 'createClient',
        path: '/v1/clients',
        right: 'clients',
        summary: 'A new client, in the store',
        params: none,
        body: { client: clientSchema },
        answer: clientViewSchema,
        refusals: ['ERR_CLIENT_REGISTRATION'],
      },
      async ({ body: { client } }) => {
        assertRules(client, rules);
        return viewOf(
          await clients.add({ client: registeredClient(client), status: 'active', origin: 'bank' }),
        );
      },
    ),
    changeClient: changing(
      {
        ...ofClient,
        method: 'put',
        operationId: 'changeClient',
        path: '/v1/clients/{clientId}',
        right: 'clients',
        summary: 'Another registration of a client, as a whole',
        body: { client: clientSchema },
        refusals: clientRefusals,
      },
      presentClient(parts),
      async ({ body: { client } }, found) => {
        const { client_id: id, authorization_number: number } = found.record.client;
        if (client.client_id !== id) throw clientRefusal(id, 'another client_id is another client');
        if (client.authorization_number !== number)
          throw clientRefusal(id, 'another TPP has clients of its own');
        assertRules(client, rules);
        return changeFound(parts, found, { client: registeredClient(client) });
      },
    ),
  };
}

function listing({ clients }: ClientParts) {
  return reading(
    {
      part: 'clients',
      operationId: 'listClients',
      path: '/v1/clients',
      right: 'view',
      summary: 'Clients of the store, in pages; of one TPP those of files too, on the first page',
      params: none,
      query: z
        .strictObject({ ...pageFields, tpp: tppField.optional(), status: z.enum(CLIENT_STATUSES).optional() })
        .refine(({ tpp, status }) => tpp === undefined || status === undefined, {
          error: 'must not be beside status',
          path: ['tpp'],
        }),
      answer: z.object({ clients: z.array(clientViewSchema), next: nextField }),
    },
    async ({ query: { tpp, status, ...page } }) => {
      const selection =
        tpp !== undefined
          ? { authorizationNumber: tpp }
          : status === undefined || status === 'active'
            ? 'all'
            : { status };
      const found = await clients.page(selection, afterOf(page));
      // The store has no index of the active ones, which are nearly all.
      const stored = found.clients.filter((one) => status === undefined || one.status === status);
      const named =
        tpp === undefined || page.after !== undefined ? [] : clients.namedOfTpp(tpp, MAX_OF_FILES);
      return {
        clients: [...named.map(viewOfNamed), ...stored.map(viewOf)],
        ...(found.next === undefined ? {} : { next: found.next }),
      };
    },
  );
}

function assertRules(client: ClientEntry, rules: ClientRules): void {
  for (const { message } of findRuleProblems(client, rules)) throw clientRefusal(client.client_id, message);
}
