import { hostname, userInfo } from 'node:os';
import { clientEntry } from '../../authorization-server/clients/client-entry.ts';
import type { ClientRecord, ClientStatus } from '../../authorization-server/clients/client-records.ts';
import { systemClock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { type EventName, type Log, silentLog } from '../../events.ts';
import { createLog } from '../../log.ts';
import { type CommandRecord, recorded } from '../../server/audit/command-audit.ts';
import { type ClientUpkeep, openClientUpkeep } from '../../server/client-upkeep.ts';
import { openStore } from '../../server/opened-store.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { registryConfiguration, type RegistryFlags } from '../registry/registry-report.ts';

export type ClientFlags = RegistryFlags;

export interface ListFlags extends ClientFlags {
  readonly status?: ClientStatus;
  readonly tpp?: string;
  readonly limit: number;
  readonly after?: string;
}

/** Reads the clients of the configuration that the flags name. */
export async function withClients<T>(
  flags: ClientFlags,
  work: (upkeep: ClientUpkeep) => Promise<T>,
): Promise<T> {
  const config = await registryConfiguration(flags);
  return withUpkeep(await openClientUpkeep(config, { clock: systemClock, log: silentLog }), work);
}

/** Changes clients of the store. Each event is a line of the audit record too, with the user and host of the command. */
export async function changingClients<T>(
  flags: ClientFlags,
  work: (upkeep: ClientUpkeep, record: CommandRecord) => Promise<T>,
): Promise<T> {
  const config = await registryConfiguration(flags);
  const parts = { clock: systemClock, log: commandLog(), openStore };
  return recorded(config, parts, async ({ log: recording, gate }) => {
    const log = ofCaller(recording);
    const upkeep = await openClientUpkeep(config, { clock: systemClock, log });
    return withUpkeep(upkeep, () => work(upkeep, { log, gate }));
  });
}

async function withUpkeep<T>(upkeep: ClientUpkeep, work: (upkeep: ClientUpkeep) => Promise<T>): Promise<T> {
  try {
    return await work(upkeep);
  } finally {
    await upkeep.close();
  }
}

/** The events that a running server has for the same change, on standard error. */
function commandLog(): Log {
  const log = createLog({ destination: process.stderr });
  return {
    emit: (event, fields) => {
      if (OF_CHANGES.has(event)) log.emit(event, fields);
    },
  };
}

function ofCaller(log: Log): Log {
  const caller = `${userInfo().username}@${hostname()}`;
  return { emit: (event, fields) => log.emit(event, { ...fields, caller } as typeof fields) };
}

const OF_CHANGES: ReadonlySet<EventName> = new Set([
  'client.status',
  'clients.end.unfinished',
  'audit.unavailable',
  'audit.checkpoint.failed',
]);

/** Prints a page of the clients of the store. @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
export async function listClients(flags: ListFlags): Promise<void> {
  const { found, next } = await withClients(flags, (upkeep) => pageOf(upkeep, flags));
  if (flags.json === true) {
    console.log(JSON.stringify({ clients: found.map(facts), next }, undefined, 2));
    return;
  }
  for (const { client, status, origin, createdAt } of found) {
    const { client_id: id, client_name: name, authorization_number: number } = client;
    const sign = status === 'active' ? mark.passed() : mark.refused();
    console.log(`${sign} ${mark.strong(shown(id))} ${shown(name)} (${shown(number)}): ${status}`);
    console.log(mark.faint(`    ${origin}, since ${createdAt}`));
  }
  console.log(`${found.length} clients.${next === undefined ? '' : ` More: --after ${shown(next)}`}`);
}

async function pageOf({ clients }: ClientUpkeep, { status, tpp, limit, after }: ListFlags) {
  const found: ClientRecord[] = [];
  let next = after;
  do {
    const page = await clients.page(
      tpp !== undefined
        ? { authorizationNumber: tpp }
        : status === undefined || status === 'active'
          ? 'all'
          : { status },
      { limit: limit - found.length, ...(next === undefined ? {} : { after: next }) },
    );
    // The store has no index of the active ones, which are nearly all.
    found.push(...page.clients.filter((one) => status === undefined || one.status === status));
    next = page.next;
  } while (next !== undefined && found.length < limit);
  return { found, next };
}

/** Prints one client. @throws ERR_CLIENT_REGISTRATION when there is none */
export async function showClient(clientId: string, flags: ClientFlags): Promise<void> {
  const shownFacts = await withClients(flags, async ({ clients, files }) => {
    const named = files.find(clientId);
    if (named !== undefined) return { ...clientEntry(named), origin: 'file' };
    const record = await clients.findRecord(clientId);
    if (record === undefined) throw unknown(clientId);
    return facts(record);
  });
  if (flags.json === true) console.log(JSON.stringify(shownFacts, undefined, 2));
  else {
    for (const [name, value] of Object.entries(shownFacts)) {
      if (value === undefined) continue;
      console.log(`${name}: ${shown(typeof value === 'string' ? value : JSON.stringify(value))}`);
    }
  }
}

/** The client with the facts of its record, without the hashes of its registration access tokens. */
function facts({ client, status, origin, createdAt, changedAt, registration }: ClientRecord) {
  const { profile, softwareId, statement } = registration ?? {};
  return {
    ...clientEntry(client),
    status,
    origin,
    createdAt,
    changedAt,
    registration: registration && { profile, softwareId, statement },
  };
}

/** Changes one client. @throws ERR_CLIENT_REGISTRATION when its status forbids that, or a file names it */
export async function changeClient(
  change: 'approve' | 'disable' | 'enable' | 'delete',
  clientId: string,
  flags: ClientFlags,
): Promise<void> {
  await changingClients(flags, async ({ clients, files, end }) => {
    if (files.has(clientId)) {
      throw refusal(clientId, 'a file names the client: change the file');
    }
    if ((await clients.findRecord(clientId)) === undefined) throw unknown(clientId);
    await (change === 'delete' ? end(clientId) : clients[change](clientId));
  });
  const status = { approve: 'active', enable: 'active', disable: 'disabled', delete: 'deleted' }[change];
  console.log(
    flags.json === true
      ? JSON.stringify({ client_id: clientId, status })
      : `${mark.passed()} ${shown(clientId)}: ${status}`,
  );
}

function unknown(clientId: string): OpenBankingError {
  return refusal(clientId, 'the store has no such client');
}

function refusal(clientId: string, problem: string): OpenBankingError {
  return new OpenBankingError('ERR_CLIENT_REGISTRATION', { clientId, problem });
}
