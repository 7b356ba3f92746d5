import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig, isRefusal, type OpenBankingError } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import { openFollowedList } from '../../files/followed-list.ts';
import { openRegistry } from '../../server/registers/opened-registry.ts';
import { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import type { TppRecord, TppRegistry } from '../../../tpp-registry/index.ts';
import { configurationFrom } from '../certificate/certificate-verify.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { isInOrder, printSource, sourceCopies, sourceJson } from './source-copies.ts';

export interface RegistryFlags {
  readonly config?: string;
  readonly sandbox?: string;
  readonly json?: true;
}

/** The configuration that the flags name. */
export function registryConfiguration(flags: RegistryFlags): Promise<Config> {
  if (flags.config === undefined && flags.sandbox === undefined) {
    throw invalidConfig('command line', [{ path: '--config', message: 'is needed, or --sandbox' }]);
  }
  return configurationFrom(flags);
}

/** The registry of a configuration as its files are now: nothing is fetched. */
export function registryOfFiles(config: Config): Promise<TppRegistry> {
  const parts = { clock: systemClock, log: silentLog, openList: openFollowedList };
  return openRegistry({ ...config, registry: offlineRegistry(config.registry) }, parts);
}

/** The registers of a configuration without their addresses. */
export function offlineRegistry(registry: Config['registry']): Config['registry'] {
  const { eba, ukDirectory } = registry;
  return {
    ...registry,
    eba: eba && { ...eba, address: undefined },
    ukDirectory: ukDirectory && { ...ukDirectory, connection: undefined },
  };
}

/** Prints the state of every source; true when none is overdue or missing. */
export async function printSources(flags: RegistryFlags): Promise<boolean> {
  const config = await registryConfiguration(flags);
  const { file, creditInstitutionsFile } = config.registry;
  const sources = await sourceCopies(config);
  const isGood = sources.every(isInOrder);
  if (flags.json === true) {
    const copies = Object.fromEntries(sources.map((source) => [source.field, sourceJson(source)]));
    console.log(
      JSON.stringify({ file, creditInstitutionsFile, eba: null, ukDirectory: null, ...copies }, undefined, 2),
    );
    return isGood;
  }
  if (file !== undefined) console.log(`${mark.passed()} the bank's own list: ${file}`);
  for (const source of sources) printSource(source);
  if (creditInstitutionsFile !== undefined)
    console.log(`${mark.passed()} credit institutions: ${creditInstitutionsFile}`);
  return isGood;
}

/** Prints each source about a TPP, and the decision; true when the TPP may act. */
export async function printTpp(authorizationNumber: string, flags: RegistryFlags): Promise<boolean> {
  const config = await registryConfiguration(flags);
  const registry = await registryOfFiles(config);
  try {
    const sources = registry.explain?.(authorizationNumber) ?? [];
    const status = new AuthorisationStatus({ registry, hostCountry: config.hostCountry });
    const decided = status.decide({ authorizationNumber, nca: undefined });
    const isRefused = isRefusal(decided);
    if (flags.json === true) {
      console.log(JSON.stringify({ authorizationNumber, sources, ...decidedJson(decided) }, undefined, 2));
    } else {
      console.log(mark.strong(shown(authorizationNumber)));
      for (const line of sources) console.log(`  ${shown(line)}`);
      console.log(isRefused ? `${mark.refused()} ${decided.code}: ${decided.rule}` : recordLine(decided));
    }
    return !isRefused;
  } finally {
    await registry.close();
  }
}

function decidedJson(decided: TppRecord | OpenBankingError): object {
  if (isRefusal(decided))
    return { refusal: { code: decided.code, rule: decided.rule, details: decided.details } };
  return { record: { ...decided, roles: [...decided.roles] } };
}

function recordLine({ legalName, country, roles, passportedCountries, statusSince }: TppRecord): string {
  const held = [...roles].join(' ') || 'no role here';
  const elsewhere = passportedCountries.length === 0 ? '' : `, also in ${passportedCountries.join(' ')}`;
  return `${mark.passed()} ${shown(legalName)}, ${country}${elsewhere}: ${held}, since ${statusSince.toISOString().slice(0, 10)}`;
}
