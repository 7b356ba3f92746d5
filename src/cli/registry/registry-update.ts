import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { invalidConfig } from '../../errors.ts';
import { logTo } from '../../events.ts';
import { EbaUpkeep } from '../../server/registers/eba-upkeep.ts';
import { importEbaRegister, keptRegister, MAX_ZIP_BYTES } from '../../../tpp-registry/sources/eba/refresh.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { printSources, registryConfiguration, type RegistryFlags } from './registry-report.ts';

type EbaRegister = NonNullable<Config['registry']['eba']>;

/** Asks the register now; true when its newest copy is in the folder. */
export async function fetchRegister(flags: RegistryFlags): Promise<boolean> {
  const config = await registryConfiguration(flags);
  const eba = ebaOf(config, flags);
  if (eba.address === undefined) {
    throw invalidConfig('configuration', [
      { path: 'registry.eba.address', message: 'is absent: nothing is fetched' },
    ]);
  }
  const problems: string[] = [];
  const log = logTo((name, _definition, { error }) => {
    if (name === 'eba-register.not-renewed')
      problems.push(error instanceof Error ? error.message : String(error));
  });
  const before = systemClock.now();
  const upkeep = await EbaUpkeep.open(eba, { proxy: proxyOf(config.outbound), clock: systemClock, log });
  try {
    // The first opening of a folder has fetched already.
    const askedAt = (await keptRegister(eba.folder))?.state.askedAt;
    const isAsked = askedAt !== undefined && askedAt >= before;
    if (!isAsked && !(await upkeep?.refreshNow())) console.log('Another process is asking.');
  } finally {
    await upkeep?.close();
  }
  for (const problem of problems) console.log(mark.bad(`not renewed: ${shown(problem)}`));
  await printSources(flags);
  return problems.length === 0;
}

/** Reads a ZIP into the folder. */
export async function importRegister(
  file: string,
  flags: RegistryFlags & { readonly date?: string },
): Promise<void> {
  const eba = ebaOf(await registryConfiguration(flags), flags);
  const copy = await importEbaRegister(await readZip(file), {
    folder: eba.folder,
    source: file,
    snapshotAt: dateOf(file, flags.date),
    clock: systemClock,
  });
  if (flags.json === true) console.log(JSON.stringify({ ...copy.state, institutions: copy.entities.length }));
  else console.log(`Imported: ${copy.entities.length} institutions of ${copy.state.recordCount} records.`);
}

/** The EBA register of a configuration. @throws ERR_CONFIG_INVALID */
export function ebaOf({ registry: { eba } }: Config, flags: RegistryFlags): EbaRegister {
  if (eba !== undefined) return eba;
  const source = flags.config ?? flags.sandbox ?? '';
  throw invalidConfig(source, [{ path: 'registry.eba', message: 'is not configured' }]);
}

export async function readZip(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size <= MAX_ZIP_BYTES) return readFile(file);
  throw invalidConfig(file, [{ path: '', message: `has more than ${MAX_ZIP_BYTES} bytes` }]);
}

/** The date of a copy, from the name that the register gives its files: `download-PSDMD-202611290000.zip`. */
export function dateOf(file: string, date?: string): Date {
  const named = /(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})\.zip$/.exec(basename(file));
  const [, year, month, day, hour, minute] = named ?? [];
  const text = date ?? `${year}-${month}-${day}T${hour}:${minute}:00Z`;
  const at = new Date(text);
  const isDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:00Z)?$/.test(text) && !Number.isNaN(at.getTime());
  if (isDate) return at;
  const message = 'is needed, such as 2026-11-29: the file name has no date';
  throw invalidConfig('command line', [{ path: '--date', message }]);
}
