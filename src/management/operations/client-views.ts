import { z } from 'zod';
import { clientEntry } from '../../authorization-server/clients/client-entry.ts';
import type { ClientRecord, FoundClient } from '../../authorization-server/clients/client-records.ts';
import type { ClientRules } from '../../authorization-server/clients/client-schema.ts';
import type { Clients } from '../../authorization-server/clients/clients.ts';
import type { RegisteredClient } from '../../authorization-server/clients/registered-client.ts';
import { OpenBankingError } from '../../errors.ts';
import { clientIdField, instantField } from './fields.ts';

export interface ClientParts {
  readonly clients: Pick<
    Clients,
    'findNamed' | 'namedOfTpp' | 'findToChange' | 'page' | 'add' | 'change' | 'end'
  >;
  /** Rules of the configuration for every client. */
  readonly rules: ClientRules;
}

export const CLIENT_STATUSES = ['active', 'awaiting-approval', 'disabled', 'ending'] as const;

export const clientViewSchema = z
  .object({
    clientId: z.string(),
    name: z.string(),
    authorizationNumber: z.string(),
    status: z.enum(CLIENT_STATUSES),
    origin: z.enum(['file', 'bank', 'registration', 'first-sight']).meta({
      description: '`file`: an entry of the configuration or of `clientsFile`, which is changed there.',
    }),
    createdAt: instantField.optional(),
    changedAt: instantField.optional(),
    registration: z
      .object({ profile: z.string(), softwareId: z.string().optional() })
      .optional()
      .meta({ description: 'Of a client that its TPP registered.' }),
    client: z
      .looseObject({ client_id: z.string() })
      .meta({ description: 'In the names of RFC 7591, as an entry of `clients`.' }),
  })
  .meta({ id: 'Client' });
export type ClientView = z.infer<typeof clientViewSchema>;

/** The members that the operations of one client share. */
export const ofClient = {
  part: 'clients',
  params: z.strictObject({ clientId: clientIdField }),
  answer: clientViewSchema,
} as const;
export const clientRefusals = [
  'ERR_MANAGEMENT_NOT_FOUND',
  'ERR_MANAGEMENT_FIXED',
  'ERR_CLIENT_REGISTRATION',
] as const;

/** The client that a change is about. */
export function presentClient(parts: ClientParts) {
  return {
    schema: clientViewSchema,
    find: async ({ params: { clientId } }: { readonly params: { readonly clientId: string } }) => {
      const record = await toChange(parts, clientId);
      return { shown: viewOf(record.record), record };
    },
  };
}

/** Changes the client that was found, and no later version of it. @throws ERR_MANAGEMENT_VERSION */
export async function changeFound(
  { clients }: ClientParts,
  found: FoundClient,
  change: Parameters<Clients['change']>[1],
): Promise<ClientView> {
  const { client_id: clientId } = found.record.client;
  if (!(await clients.change(found, change))) {
    throw new OpenBankingError('ERR_MANAGEMENT_VERSION', { found: 'changed in between' });
  }
  const after = await clients.findToChange(clientId);
  if (after === undefined) throw unknown(clientId);
  return viewOf(after.record);
}

/** A client of the files or of the store. */
export async function findClient({ clients }: ClientParts, clientId: string): Promise<ClientView> {
  const named = clients.findNamed(clientId);
  if (named !== undefined) return viewOfNamed(named);
  const found = await clients.findToChange(clientId);
  if (found === undefined) throw unknown(clientId);
  return viewOf(found.record);
}

async function toChange({ clients }: ClientParts, clientId: string): Promise<FoundClient> {
  if (clients.findNamed(clientId) !== undefined) {
    throw new OpenBankingError('ERR_MANAGEMENT_FIXED', { kind: 'client', id: clientId });
  }
  const found = await clients.findToChange(clientId);
  if (found === undefined) throw unknown(clientId);
  return found;
}

export function viewOf({
  client,
  status,
  origin,
  createdAt,
  changedAt,
  registration,
}: ClientRecord): ClientView {
  const { profile, softwareId } = registration ?? {};
  return {
    ...factsOf(client),
    status,
    origin,
    createdAt,
    changedAt,
    ...(profile === undefined
      ? {}
      : { registration: { profile, ...(softwareId === undefined ? {} : { softwareId }) } }),
  };
}

export function viewOfNamed(client: RegisteredClient): ClientView {
  return { ...factsOf(client), status: 'active', origin: 'file' };
}

function factsOf(client: RegisteredClient) {
  return {
    clientId: client.client_id,
    name: client.client_name,
    authorizationNumber: client.authorization_number,
    client: { ...clientEntry(client), client_id: client.client_id },
  };
}

function unknown(id: string): OpenBankingError {
  return new OpenBankingError('ERR_MANAGEMENT_NOT_FOUND', { kind: 'client', id });
}

export function clientRefusal(clientId: string, problem: string): OpenBankingError {
  return new OpenBankingError('ERR_CLIENT_REGISTRATION', { clientId, problem });
}
