import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { invalidConfig, isRefusal } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import { EbaUpkeep } from '../../server/registers/eba-upkeep.ts';
import { UkDirectoryUpkeep } from '../../server/registers/uk-directory-upkeep.ts';
import { AuthorisationStatus, type NamedTpp } from '../../tpp/authorisation-status.ts';
import { ListDocument } from '../../../tpp-registry/list-document.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { registryConfiguration, type RegistryFlags, registryOfFiles } from './registry-report.ts';
import {
  assertFetched,
  folderOf,
  importedDirectory,
  importedRegister,
  isDirectoryList,
} from './registry-update.ts';

/** A change of the decision about the TPP of registered clients. */
interface Change {
  readonly authorizationNumber: string;
  readonly clients: readonly string[];
  readonly before: string;
  readonly after: string;
}

/** Prints what a newer copy of the register changes for the TPPs of the clients that are registered here. */
export async function printDifference(file: string | undefined, flags: RegistryFlags): Promise<void> {
  const config = await registryConfiguration(flags);
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-register-'));
  try {
    const after = await newerConfiguration(config, { file, flags, folder });
    const tpps = await registeredTpps(config);
    print(await changesOf(tpps, { before: config, after }), { of: tpps.size, flags });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The configuration with newer copies of the public sources in a folder of their own. */
async function newerConfiguration(
  config: Config,
  newer: { readonly file: string | undefined; readonly flags: RegistryFlags; readonly folder: string },
): Promise<Config> {
  const { registry } = config;
  const { file, flags, folder } = newer;
  const eba = registry.eba && { ...registry.eba, folder: join(folder, 'eba') };
  const ukDirectory = registry.ukDirectory && { ...registry.ukDirectory, folder: join(folder, 'uk') };
  if (file !== undefined && isDirectoryList(file)) {
    const changed = { ...registry, ukDirectory };
    await importedDirectory(file, folderOf('ukDirectory', changed, flags));
    return { ...config, registry: changed };
  }
  if (file !== undefined) {
    const changed = { ...registry, eba };
    await importedRegister(file, folderOf('eba', changed, flags));
    return { ...config, registry: changed };
  }
  assertFetched(registry);
  const parts = { proxy: proxyOf(config.outbound), clock: systemClock, log: silentLog };
  const register = eba && (await EbaUpkeep.open(eba, parts));
  await register?.close();
  const directory = ukDirectory && (await UkDirectoryUpkeep.open(ukDirectory, parts));
  await directory?.close();
  const changed = {
    ...registry,
    eba: register === undefined ? registry.eba : eba,
    ukDirectory: directory === undefined ? registry.ukDirectory : ukDirectory,
  };
  return { ...config, registry: changed };
}

interface Registered {
  readonly tpp: NamedTpp;
  readonly clients: string[];
}

async function registeredTpps(config: Config): Promise<ReadonlyMap<string, Registered>> {
  const { clients, clientsFile } = config;
  const listed = clientsFile === undefined ? [] : clientsIn(await readFile(clientsFile), clientsFile);
  const tpps = new Map<string, Registered>();
  for (const client of [...clients, ...listed]) {
    const { authorization_number: authorizationNumber, nca, client_id: clientId } = client;
    const key = `${authorizationNumber} ${nca ?? ''}`;
    const known = tpps.get(key) ?? { tpp: { authorizationNumber, nca }, clients: [] };
    known.clients.push(clientId);
    tpps.set(key, known);
  }
  return tpps;
}

const namedClient = z.looseObject({
  client_id: z.string(),
  authorization_number: z.string(),
  nca: z.string().optional(),
});

/** The names in a clients file. Whether the server would take the clients is not checked. */
function clientsIn(content: Buffer, source: string): z.infer<typeof namedClient>[] {
  const document = new ListDocument(content, {
    list: 'clients',
    invalid: (problems) => invalidConfig(source, problems),
  });
  const clients = [...document.entries()].flatMap((entry) => namedClient.safeParse(entry).data ?? []);
  document.assertSound();
  return clients;
}

async function changesOf(
  tpps: ReadonlyMap<string, Registered>,
  configs: { readonly before: Config; readonly after: Config },
): Promise<readonly Change[]> {
  const [before, after] = await Promise.all([
    registryOfFiles(configs.before),
    registryOfFiles(configs.after),
  ]);
  const { hostCountry } = configs.before;
  try {
    const said = (registry: typeof before, tpp: NamedTpp) => {
      const decided = new AuthorisationStatus({ registry, hostCountry }).decide(tpp);
      return isRefusal(decided) ? decided.code : [...decided.roles].toSorted().join(' ') || 'no role here';
    };
    return [...tpps.values()]
      .map(({ tpp, clients }) => ({
        authorizationNumber: tpp.authorizationNumber,
        clients,
        before: said(before, tpp),
        after: said(after, tpp),
      }))
      .filter((change) => change.before !== change.after);
  } finally {
    await Promise.all([before.close(), after.close()]);
  }
}

function print(
  changes: readonly Change[],
  { of, flags }: { readonly of: number; readonly flags: RegistryFlags },
): void {
  if (flags.json === true) {
    console.log(JSON.stringify({ tpps: of, changes }, undefined, 2));
    return;
  }
  for (const { authorizationNumber, clients, before, after } of changes) {
    const sign = after.startsWith('ERR_') ? mark.refused() : mark.passed();
    console.log(`${sign} ${shown(authorizationNumber)}: ${before} → ${after}`);
    console.log(mark.faint(`    clients: ${clients.map(shown).join(', ')}`));
  }
  console.log(`${changes.length} of ${of} TPPs with clients here change.`);
}
