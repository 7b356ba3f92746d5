import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { OpenList } from '../../files/followed-list.ts';
import { CombinedRegistry, type PublicSource } from '../../../tpp-registry/combined.ts';
import { openListedRegistry } from '../../../tpp-registry/file-source.ts';
import type { TppRegistry } from '../../../tpp-registry/index.ts';
import { EbaSource } from '../../../tpp-registry/sources/eba/eba-source.ts';
import { parseOverrides } from '../../../tpp-registry/sources/eba/overrides.ts';
import { registerFileOf } from '../../../tpp-registry/sources/eba/refresh.ts';
import { ebaRegisterReader, unpackedRegister } from '../../../tpp-registry/sources/eba/register-reader.ts';
import { FileSource } from '../../../tpp-registry/sources/file-source.ts';
import {
  ukDirectoryReader,
  unpackedDirectory,
} from '../../../tpp-registry/sources/uk-directory/directory-reader.ts';
import { directoryFileOf } from '../../../tpp-registry/sources/uk-directory/refresh.ts';
import { UkDirectorySource } from '../../../tpp-registry/sources/uk-directory/uk-directory-source.ts';
import { EbaUpkeep } from './eba-upkeep.ts';
import { UkDirectoryUpkeep } from './uk-directory-upkeep.ts';

export interface RegistryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly openList: OpenList;
}

interface OpenedSource {
  readonly source: PublicSource;
  readonly close: () => Promise<void>;
}

/**
 * Opens the registry of a configuration: the bank's own list, and public registers where there are any.
 *
 * @throws ERR_CONFIG_INVALID, ERR_REGISTRY_INVALID, ERR_REGISTER_*, ERR_OUTBOUND_*
 */
export async function openRegistry(
  config: Pick<Config, 'registry' | 'outbound' | 'hostCountry'>,
  parts: RegistryParts,
): Promise<TppRegistry> {
  const { clock, log, openList } = parts;
  const { file, pollSeconds, eba, ukDirectory, creditInstitutionsFile, whenSourcesDiffer } = config.registry;
  const openFile = (path: string) => openListedRegistry({ file: path, pollSeconds, clock, log }, openList);
  const own = file === undefined ? undefined : await openFile(file);
  const isPublic = [eba, ukDirectory, creditInstitutionsFile].some((source) => source !== undefined);
  if (own !== undefined && !isPublic) return own;
  const opened: OpenedSource[] = [];
  if (eba !== undefined) opened.push(await openEba({ ...config, eba }, parts));
  if (ukDirectory !== undefined) opened.push(await openUkDirectory({ ...config, ukDirectory }, parts));
  if (creditInstitutionsFile !== undefined) {
    const institutions = await openFile(creditInstitutionsFile);
    const current = new FileSource('credit institutions', institutions);
    // A list that the bank keeps is as old as the bank lets it be.
    const source = { current, maxAgeSeconds: Number.MAX_SAFE_INTEGER, overdue: 'refuse' as const };
    opened.push({ source, close: () => institutions.close() });
  }
  return new CombinedRegistry({
    own,
    sources: opened.map(({ source }) => source),
    whenSourcesDiffer,
    clock,
    log,
    close: async () => {
      await Promise.all([own?.close(), ...opened.map(({ close }) => close())]);
    },
  });
}

async function openEba(
  config: Pick<Config, 'registry' | 'outbound' | 'hostCountry'> & {
    readonly eba: NonNullable<Config['registry']['eba']>;
  },
  { clock, log, openList }: RegistryParts,
): Promise<OpenedSource> {
  const { eba, hostCountry, outbound, registry } = config;
  if (hostCountry === undefined) {
    const message = 'is required with registry.eba: roles and passports are by country';
    throw invalidConfig('configuration', [{ path: 'hostCountry', message }]);
  }
  const { overridesFile, maxAgeSeconds, overdue } = eba;
  const overrides =
    overridesFile === undefined
      ? []
      : parseOverrides(await readRequired(overridesFile, 'registry.eba.overridesFile'), overridesFile);
  const upkeep = await EbaUpkeep.open(eba, { proxy: proxyOf(outbound), clock, log });
  try {
    const followed = await openList({
      reader: ebaRegisterReader,
      source: { file: registerFileOf(eba.folder) },
      name: 'eba-register',
      log,
      pollSeconds: registry.pollSeconds,
      onChange: (records) => {
        source.current = new EbaSource(unpackedRegister(records), { hostCountry, clock, overrides });
      },
    });
    const source = {
      current: new EbaSource(unpackedRegister(followed.current), { hostCountry, clock, overrides }),
      maxAgeSeconds,
      overdue,
    };
    return {
      source,
      close: async () => void (await Promise.all([followed.close(), upkeep?.close()])),
    };
  } catch (error) {
    await upkeep?.close();
    throw error;
  }
}

async function openUkDirectory(
  config: Pick<Config, 'registry' | 'outbound'> & {
    readonly ukDirectory: NonNullable<Config['registry']['ukDirectory']>;
  },
  { clock, log, openList }: RegistryParts,
): Promise<OpenedSource> {
  const { ukDirectory, outbound, registry } = config;
  const { folder, maxAgeSeconds, overdue } = ukDirectory;
  const upkeep = await UkDirectoryUpkeep.open(ukDirectory, { proxy: proxyOf(outbound), clock, log });
  try {
    const followed = await openList({
      reader: ukDirectoryReader,
      source: { file: directoryFileOf(folder) },
      name: 'uk-directory',
      log,
      pollSeconds: registry.pollSeconds,
      onChange: (records) => {
        source.current = new UkDirectorySource(unpackedDirectory(records));
      },
    });
    const source = {
      current: new UkDirectorySource(unpackedDirectory(followed.current)),
      maxAgeSeconds,
      overdue,
    };
    return {
      source,
      close: async () => void (await Promise.all([followed.close(), upkeep?.close()])),
    };
  } catch (error) {
    await upkeep?.close();
    throw error;
  }
}
