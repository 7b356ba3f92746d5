import type { EventName, Log } from '../../index.ts';
import type { SandboxDescription } from '../folder.ts';
import { pathsOf } from '../sandbox-paths.ts';
import { UK_CLIENT_ID } from './register-plans.ts';
import { SCIM_PATH, TOKEN_PATH } from './uk-directory.ts';

/** So that a change shows within seconds; a real register is asked every few hours. */
const REFRESH_SECONDS = 2;
/** Events of each refresh. */
const OF_EACH_REFRESH: ReadonlySet<EventName> = new Set([
  'eba-register.renewed',
  'eba-register.loaded',
  'uk-directory.renewed',
  'uk-directory.loaded',
  'trusted-list.renewed',
  'trusted-lists.loaded',
] as const);

/** Adds the registers that the sandbox plays to its configuration: a second trust profile, and sources beside its own list. */
export function withRegisters(
  configuration: Readonly<Record<string, unknown>>,
  folder: string,
  { registers, caFile, revocationUrl }: SandboxDescription,
): Readonly<Record<string, unknown>> {
  if (registers === undefined) return configuration;
  const { kept, registers: files } = pathsOf(folder);
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
  const { ukDirectoryUrl } = registers;
  const { certificateFile, keyFile: privateKeyFile, signingKeyFile } = files.ukClient;
  const ukDirectory = {
    folder: kept.ukDirectory,
    connection: {
      address: `${ukDirectoryUrl}${SCIM_PATH}`,
      tokenEndpoint: `${ukDirectoryUrl}${TOKEN_PATH}`,
      clientId: UK_CLIENT_ID,
      ...{ signingKeyFile, signingKeyId: 'sandbox', certificateFile, privateKeyFile, caFile },
      privateHosts: [host(ukDirectoryUrl)],
    },
    refreshSeconds: REFRESH_SECONDS,
  };
  const uk = {
    profile: 'uk-obie',
    directory: { jwksUri: `${registers.softwareDirectoryUrl}/jwks` },
  };
  const { profiles, ...registration } = configuration.registration as {
    readonly profiles: readonly unknown[];
  };
  const { privateHosts, ...clientKeys } = configuration.clientKeys as {
    readonly privateHosts: readonly string[];
  };
  return {
    ...configuration,
    // The UK first: the profile of certificates takes every JWT.
    registration: { ...registration, profiles: [uk, ...profiles] },
    clientKeys: { ...clientKeys, privateHosts: [...privateHosts, host(ukDirectoryUrl)] },
    trust: [...(configuration.trust as readonly unknown[]), lists],
    registry: { ...(configuration.registry as object), eba, ukDirectory },
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
