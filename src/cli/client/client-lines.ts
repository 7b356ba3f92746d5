import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';
import { clientEntry } from '../../authorization-server/clients/client-entry.ts';
import {
  clientSchema,
  findRuleProblems,
  registeredClient,
} from '../../authorization-server/clients/client-schema.ts';
import type { RegisteredClient } from '../../authorization-server/clients/registered-client.ts';
import { invalidConfig, type Problem } from '../../errors.ts';
import type { ClientUpkeep } from '../../server/client-upkeep.ts';
import { changingClients, type ClientFlags, withClients } from './client-changes.ts';

const PAGE = 500;
const MAX_LINE = 65_536;
const MAX_LINES = 200_000;
/** As many as a person reads. */
const MAX_PROBLEMS = 100;

/** Prints each active client of the store as an entry of `clientsFile`. */
export async function exportClients(flags: ClientFlags): Promise<void> {
  await withClients(flags, async ({ clients }) => {
    let after: string | undefined;
    let left = 0;
    do {
      const page = await clients.page('all', { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const { client, status } of page.clients) {
        if (status === 'active') console.log(JSON.stringify(clientEntry(client)));
        else left += 1;
      }
      after = page.next;
    } while (after !== undefined);
    if (left > 0) console.error(`${left} clients are not active, and were left out.`);
  });
}

interface Judged {
  readonly added: readonly RegisteredClient[];
  /** Clients that the store has already, member by member. */
  readonly known: number;
  readonly problems: readonly Problem[];
}

/**
 * Adds the clients of JSON lines to the store, when every line is good. A second run adds the rest of one that broke off.
 *
 * @throws ERR_CONFIG_INVALID with the lines that are refused, ERR_STORAGE_UNAVAILABLE
 */
export async function importClients(file: string, flags: ClientFlags): Promise<void> {
  const source = file === '-' ? 'standard input' : file;
  await changingClients(flags, async (upkeep, { log, gate }) => {
    const { added, known, problems } = await judgedLines(linesOf(file), upkeep);
    if (problems.length > 0) throw invalidConfig(source, [...problems, NOTHING]);
    let count = 0;
    try {
      for (const client of added) {
        await upkeep.clients.register(client);
        count += 1;
        const { client_id: clientId, authorization_number: authorizationNumber } = client;
        log.emit('client.status', { clientId, authorizationNumber, outcome: 'active' });
        await gate.durable();
      }
    } catch (error) {
      console.error(`${count} of ${added.length} clients were added before the import broke off.`);
      throw error;
    }
    console.log(
      flags.json === true
        ? JSON.stringify({ added: count, known })
        : `${count} clients added, ${known} were there already.`,
    );
  });
}

const NOTHING: Problem = { path: '(whole file)', message: 'nothing was added' };

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: file === '-' ? process.stdin : createReadStream(file) });
}

async function judgedLines(lines: AsyncIterable<string>, upkeep: ClientUpkeep): Promise<Judged> {
  const added: RegisteredClient[] = [];
  const problems: Problem[] = [];
  const places = new Map<string, number>();
  let [at, known] = [0, 0];
  for await (const line of lines) {
    at += 1;
    if (line.trim() === '') continue;
    const note = (message: string) => problems.push({ path: `line ${at}`, message });
    if (problems.length >= MAX_PROBLEMS || at > MAX_LINES) {
      note(`is not judged: at most ${MAX_LINES} lines and ${MAX_PROBLEMS} problems`);
      break;
    }
    const { client, faults } = clientOf(line, upkeep);
    for (const fault of faults) note(fault);
    if (client === undefined || faults.length > 0) continue;
    const { client_id: clientId } = client;
    const place = places.get(clientId);
    places.set(clientId, at);
    if (place !== undefined) note(`client_id ${clientId} is also in line ${place}`);
    else if (await isKnown(client, upkeep)) known += 1;
    else if ((await upkeep.clients.findRecord(clientId)) !== undefined)
      note(`the store has another client of the client_id ${clientId}`);
    else added.push(client);
  }
  return { added, known, problems };
}

function clientOf(line: string, { files, rules }: ClientUpkeep) {
  if (line.length > MAX_LINE) return { faults: [`has more than ${MAX_LINE} characters`] };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { faults: ['is not JSON'] };
  }
  const { data, error } = clientSchema.safeParse(value);
  if (data === undefined) {
    return { faults: error.issues.map(({ path, message }) => [path.join('.'), message].join(' ').trim()) };
  }
  const faults = findRuleProblems(data, rules).map(({ message }) => message);
  if (files.has(data.client_id)) faults.push(`a file names a client of the client_id ${data.client_id}`);
  return { client: registeredClient(data), faults };
}

async function isKnown(client: RegisteredClient, { clients }: ClientUpkeep): Promise<boolean> {
  const record = await clients.findRecord(client.client_id);
  return record !== undefined && isDeepStrictEqual(clientEntry(record.client), clientEntry(client));
}
