import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig, isRefusal, type OpenBankingError } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import { openFollowedList } from '../../files/followed-list.ts';
import { openRegistry } from '../../server/registers/opened-registry.ts';
import { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import type { TppRecord, TppRegistry } from '../../../tpp-registry/index.ts';
import { keptRegister } from '../../../tpp-registry/sources/eba/refresh.ts';
import { configurationFrom } from '../certificate/certificate-verify.ts';
import { mark, shown, timeText } from '../certificate/shown-text.ts';

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
  const { eba, ukDirectory } = config.registry;
  const registry = {
    ...config.registry,
    eba: eba && { ...eba, address: undefined },
    ukDirectory: ukDirectory && { ...ukDirectory, connection: undefined },
  };
  const parts = { clock: systemClock, log: silentLog, openList: openFollowedList };
  return openRegistry({ ...config, registry }, parts);
}

/** Prints the state of every source; true when none is overdue. */
export async function printSources(flags: RegistryFlags): Promise<boolean> {
  const config = await registryConfiguration(flags);
  const { file, eba, creditInstitutionsFile } = config.registry;
  const copy = eba === undefined ? undefined : await keptRegister(eba.folder);
  const end =
    copy === undefined || eba === undefined
      ? undefined
      : new Date(copy.state.fetchedAt.getTime() + eba.maxAgeSeconds * 1000);
  const overdueSince = end !== undefined && systemClock.now() > end ? end : undefined;
  const isMissing = eba !== undefined && copy === undefined;
  if (flags.json === true) {
    const register =
      copy === undefined ? null : { ...copy.state, institutions: copy.entities.length, overdueSince };
    console.log(JSON.stringify({ file, creditInstitutionsFile, eba: register }, undefined, 2));
    return overdueSince === undefined && !isMissing;
  }
  if (file !== undefined) console.log(`${mark.passed()} the bank's own list: ${file}`);
  if (copy !== undefined) {
    const { snapshotAt, fetchedAt, askedAt, recordCount, problems, problem } = copy.state;
    const sign = overdueSince === undefined && problem === undefined ? mark.passed() : mark.refused();
    console.log(
      `${sign} EBA register: ${copy.entities.length} institutions of ${recordCount} records, copy of ${timeText(snapshotAt)}`,
    );
    console.log(mark.faint(`    fetched at ${timeText(fetchedAt)}, asked for at ${timeText(askedAt)}`));
    if (overdueSince !== undefined) console.log(mark.bad(`    overdue since ${timeText(overdueSince)}`));
    if (problem !== undefined) console.log(mark.bad(`    not renewed: ${shown(problem)}`));
    for (const one of problems) console.log(mark.faint(`    left out: ${shown(one)}`));
  }
  if (isMissing)
    console.log(`${mark.refused()} EBA register: no copy yet: \`tallystick registry fetch\` or \`import\``);
  if (creditInstitutionsFile !== undefined)
    console.log(`${mark.passed()} credit institutions: ${creditInstitutionsFile}`);
  return overdueSince === undefined && !isMissing;
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
