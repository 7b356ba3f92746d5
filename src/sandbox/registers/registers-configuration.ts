import type { EventName, Log } from '../../index.ts';
import type { SandboxDescription } from '../folder.ts';
import { pathsOf } from '../sandbox-paths.ts';

/** So that a change shows within seconds; a real register is asked every few hours. */
const REFRESH_SECONDS = 2;
/** Events of each refresh. */
const OF_EACH_REFRESH: ReadonlySet<EventName> = new Set([
  'eba-register.renewed',
  'eba-register.loaded',
  'trusted-list.renewed',
  'trusted-lists.loaded',
] as const);

/** Adds the registers that the sandbox plays to its configuration: a second trust profile, and a source beside its own list. */
export function withRegisters(
  configuration: Readonly<Record<string, unknown>>,
  folder: string,
  { registers, caFile, revocationUrl }: SandboxDescription,
): Readonly<Record<string, unknown>> {
  if (registers === undefined) return configuration;
  const { kept } = pathsOf(folder);
  const host = (url: string) => new URL(url).host;
  const revocationHost = host(revocationUrl);
  const lists = {
    profile: 'eu-qualified',
    lists: {
      folder: kept.trustedLists,
      officialJournalFile: registers.officialJournalFile,
      address: registers.listOfListsUrl,
      refreshSeconds: REFRESH_SECONDS,
      privateHosts: [host(registers.listOfListsUrl)],
    },
    revocation: { mode: 'ocsp-first', nonce: 'required', refreshSeconds: 2, hosts: [revocationHost] },
  };
  const eba = {
    folder: kept.ebaRegister,
    address: registers.ebaRegisterUrl,
    caFile,
    refreshSeconds: REFRESH_SECONDS,
    privateHosts: [host(registers.ebaRegisterUrl)],
  };
  return {
    ...configuration,
    trust: [...(configuration.trust as readonly unknown[]), lists],
    registry: { ...(configuration.registry as object), eba },
  };
}

/** A log without the events that come with each refresh, every other second. */
export function withoutRefreshes(log: Log): Log {
  return {
    emit: (name, fields) => {
      if (!OF_EACH_REFRESH.has(name)) log.emit(name, fields);
    },
  };
}
