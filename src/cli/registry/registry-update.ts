import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { invalidConfig } from '../../errors.ts';
import { type EventName, logTo } from '../../events.ts';
import { EbaUpkeep } from '../../server/registers/eba-upkeep.ts';
import { UkDirectoryUpkeep } from '../../server/registers/uk-directory-upkeep.ts';
import { importEbaRegister, MAX_ZIP_BYTES } from '../../../tpp-registry/sources/eba/refresh.ts';
import { importUkDirectory } from '../../../tpp-registry/sources/uk-directory/refresh.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { printSources, registryConfiguration, type RegistryFlags } from './registry-report.ts';
import { sourceCopies } from './source-copies.ts';

type Registry = Config['registry'];

const NOT_RENEWED: readonly EventName[] = ['eba-register.not-renewed', 'uk-directory.not-renewed'];

/** Asks every register that has an address now; true when their newest copies are in their folders. */
export async function fetchRegister(flags: RegistryFlags): Promise<boolean> {
  const config = await registryConfiguration(flags);
  assertFetched(config.registry);
  const problems: string[] = [];
  const log = logTo((name, _definition, { error }) => {
    if (NOT_RENEWED.includes(name)) problems.push(error instanceof Error ? error.message : String(error));
  });
  const before = systemClock.now();
  showProgress('asking the registers: a copy of the EBA register has 20 MB and 330,000 records');
  const parts = { proxy: proxyOf(config.outbound), clock: systemClock, log };
  const { eba, ukDirectory } = config.registry;
  const upkeeps = new Map<string, Pick<EbaUpkeep, 'refreshNow' | 'close'> | undefined>([
    ['eba', eba && (await EbaUpkeep.open(eba, parts))],
    ['ukDirectory', ukDirectory && (await UkDirectoryUpkeep.open(ukDirectory, parts))],
  ]);
  try {
    for (const { field, name, copy } of await sourceCopies(config)) {
      // The first opening of a folder has fetched already.
      const isAsked = copy !== undefined && copy.askedAt >= before;
      const upkeep = upkeeps.get(field);
      if (upkeep === undefined || isAsked) continue;
      if (!(await upkeep.refreshNow())) console.log(`${name}: another process is asking.`);
    }
  } finally {
    await Promise.all([...upkeeps.values()].map((upkeep) => upkeep?.close()));
  }
  showProgress('');
  for (const problem of problems) console.log(mark.bad(`not renewed: ${shown(problem)}`));
  await printSources(flags);
  return problems.length === 0;
}

/** Replaces the line of progress, on a terminal only. */
function showProgress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${line}`);
}

/** Reads a ZIP of the EBA register, or a list of the UK directory, into the folder of the source. */
export async function importRegister(
  file: string,
  flags: RegistryFlags & { readonly date?: string },
): Promise<void> {
  const { registry } = await registryConfiguration(flags);
  const facts = isDirectoryList(file)
    ? await importedDirectory(file, folderOf('ukDirectory', registry, flags))
    : await importedRegister(file, folderOf('eba', registry, flags), flags.date);
  if (flags.json === true) console.log(JSON.stringify(facts.json));
  else console.log(`Imported: ${facts.text}.`);
}

/** A list of the UK directory is JSON, a copy of the EBA register a ZIP. */
export function isDirectoryList(file: string): boolean {
  return extname(file) === '.json';
}

/** The folder of a source. @throws ERR_CONFIG_INVALID when the configuration has no such source */
export function folderOf(field: 'eba' | 'ukDirectory', registry: Registry, flags: RegistryFlags): string {
  const source = registry[field];
  if (source !== undefined) return source.folder;
  const from = flags.config ?? flags.sandbox ?? '';
  throw invalidConfig(from, [{ path: `registry.${field}`, message: 'is not configured' }]);
}

/** @throws ERR_CONFIG_INVALID when nothing is fetched */
export function assertFetched({ eba, ukDirectory }: Registry): void {
  if (eba?.address !== undefined || ukDirectory?.connection !== undefined) return;
  const path = eba === undefined && ukDirectory !== undefined ? 'ukDirectory.connection' : 'eba.address';
  throw invalidConfig('configuration', [
    { path: `registry.${path}`, message: 'is absent: nothing is fetched' },
  ]);
}

interface Imported {
  readonly json: object;
  readonly text: string;
}

export async function importedRegister(file: string, folder: string, date?: string): Promise<Imported> {
  const content = await readBounded(file);
  const snapshotAt = dateOf(file, date);
  const { state, entities } = await importEbaRegister(content, {
    folder,
    source: file,
    snapshotAt,
    clock: systemClock,
  });
  const institutions = entities.length;
  return {
    json: { ...state, institutions },
    text: `${institutions} institutions of ${state.recordCount} records`,
  };
}

export async function importedDirectory(file: string, folder: string): Promise<Imported> {
  const content = await readBounded(file);
  const { state, participants } = await importUkDirectory(content, {
    folder,
    source: file,
    clock: systemClock,
  });
  return {
    json: { ...state, participants: participants.length },
    text: `${participants.length} participants`,
  };
}

async function readBounded(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size <= MAX_ZIP_BYTES) return readFile(file);
  throw invalidConfig(file, [{ path: '', message: `has more than ${MAX_ZIP_BYTES} bytes` }]);
}

/** The date of a copy, from the name that the register gives its files: `download-PSDMD-202611290000.zip`. */
function dateOf(file: string, date?: string): Date {
  const named = /(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})\.zip$/.exec(basename(file));
  const [, year, month, day, hour, minute] = named ?? [];
  const text = date ?? `${year}-${month}-${day}T${hour}:${minute}:00Z`;
  const at = new Date(text);
  const isDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:00Z)?$/.test(text) && !Number.isNaN(at.getTime());
  if (isDate) return at;
  const message = 'is needed, such as 2026-11-29: the file name has no date';
  throw invalidConfig('command line', [{ path: '--date', message }]);
}
