import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { LastCheckpoint } from '../../audit/last-checkpoint.ts';
import type { CheckpointLink } from '../../audit/line/checkpoint.ts';
import { keyIdOf, openAuditKey, parsePublicKey } from '../../audit/line/signing-key.ts';
import type { AuditSource } from '../../audit/reading/audit-source.ts';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import { openAuditSource } from '../../server/audit/opened-audit.ts';
import { openStore } from '../../server/opened-store.ts';
import { registryConfiguration } from '../registry/registry-report.ts';

export interface AuditFlags {
  readonly config?: string;
  readonly sandbox?: string;
  readonly folder?: string;
  readonly key?: readonly string[];
}

/** A record, the keys of its checkpoints, and the last checkpoint of the store. */
export interface OpenedRecord {
  readonly source: AuditSource;
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** Undefined when the store has none, or no configuration names a store. */
  readonly stored: CheckpointLink | undefined;
  readonly isStoreAsked: boolean;
}

/**
 * Opens the record that the flags name. The store is asked first: a server that runs writes on.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openRecord(flags: AuditFlags): Promise<OpenedRecord> {
  const named = await Promise.all((flags.key ?? []).map(readPublicKey));
  if (flags.folder !== undefined) {
    if (named.length === 0)
      throw invalidConfig('command line', [{ path: '--key', message: 'is needed with --folder' }]);
    const source = await openAuditSource({ folder: flags.folder }, silentLog);
    return { source, keys: byId(named), stored: undefined, isStoreAsked: false };
  }
  const { audit, storage } = await auditedConfiguration(flags);
  const key = await openAuditKey(audit.signingKeyFile);
  const store = await openStore(storage, { clock: systemClock, log: silentLog });
  const stored = await new LastCheckpoint(store).find().finally(() => store.close());
  const source = await openAuditSource(audit, silentLog);
  return { source, keys: byId([key.publicKey, ...named]), stored, isStoreAsked: true };
}

/** Prints the public key of a configuration. */
export async function printKey(flags: AuditFlags): Promise<void> {
  const { audit } = await auditedConfiguration(flags);
  process.stdout.write((await openAuditKey(audit.signingKeyFile)).publicPem());
}

/** @throws ERR_CONFIG_INVALID for a configuration without a record */
async function auditedConfiguration(
  flags: AuditFlags,
): Promise<Config & { readonly audit: NonNullable<Config['audit']> }> {
  const config = await registryConfiguration(flags);
  const { audit } = config;
  if (audit === undefined) {
    const source = flags.config ?? flags.sandbox ?? '';
    throw invalidConfig(source, [{ path: 'audit', message: 'is not configured: there is no record' }]);
  }
  return { ...config, audit };
}

async function readPublicKey(file: string): Promise<KeyObject> {
  const key = parsePublicKey(await readFile(file, 'utf8'));
  if (key === undefined)
    throw invalidConfig(file, [{ path: '', message: 'must be a public key of P-256 in PEM' }]);
  return key;
}

function byId(keys: readonly KeyObject[]): ReadonlyMap<string, KeyObject> {
  return new Map(keys.map((key) => [keyIdOf(key), key]));
}
