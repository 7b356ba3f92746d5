import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig } from '../../errors.ts';
import {
  checkStoreFile,
  copyStore,
  newestRecords,
  restoreStore,
  type StoreFile,
} from '../../storage/sqlite/sqlite-copies.ts';
import { isConsentOf } from '../../consent/consent-records.ts';
import { openSecret } from '../../server/opened-secret.ts';
import { mark } from '../certificate/shown-text.ts';
import { readConfig } from '../environment.ts';

export interface CheckFlags {
  readonly config: string;
  readonly json?: true;
}

export interface BackupFlags extends CheckFlags {
  readonly out: string;
}

export interface RestoreFlags extends CheckFlags {
  readonly from: string;
}

/** Consents by which the secret is tried. */
const TRIED = 3;

/** Copies the store. @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
export async function backUp({ config: source, out, json }: BackupFlags): Promise<void> {
  const { file } = await storeOf(source);
  if (existsSync(out)) throw invalidConfig('command line', [{ path: '--out', message: 'is there already' }]);
  const store = copyStore(file, out);
  if (json === true) printJson({ file: out, ...store });
  else {
    console.log(`${mark.passed()} ${out}: ${factsOf(store)}`);
    console.log('  Of no use without secretFile: keep that file too, in another place.');
  }
}

/** Checks the store, or a copy, and whether the secret of the configuration is that of the store. */
export async function check(copy: string | undefined, { config: source, json }: CheckFlags): Promise<void> {
  const { file, secretFile } = await storeOf(source);
  const checked = copy ?? file;
  const store = checkStoreFile(checked);
  const secret = await secretState(checked, secretFile);
  if (secret === 'another') process.exitCode = 1;
  if (json === true) printJson({ file: checked, ...store, secret });
  else {
    console.log(`${mark.passed()} ${checked}: ${factsOf(store)}`);
    console.log(`${secret === 'another' ? mark.refused() : mark.passed()} ${SECRETS[secret]}`);
  }
}

/** Puts a copy in the place of the store. @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
export async function restore({ config: source, from, json }: RestoreFlags): Promise<void> {
  const { file, secretFile } = await storeOf(source);
  const now = systemClock
    .now()
    .toISOString()
    .replaceAll(/[-:]|\.\d{3}/g, '');
  const { store, replaced } = restoreStore(file, from, `${file}.replaced-${now}`);
  const secret = await secretState(file, secretFile);
  if (secret === 'another') process.exitCode = 1;
  if (json === true) {
    printJson({ file, ...store, replaced, secret });
    return;
  }
  console.log(`${mark.passed()} ${file}: ${factsOf(store)}`);
  console.log(`${secret === 'another' ? mark.refused() : mark.passed()} ${SECRETS[secret]}`);
  if (replaced !== undefined) console.log(`  The store before is kept as ${basename(replaced)}.`);
  console.log(
    '  Everything that was ended since this copy is alive again: docs/backup.md, "After a restore".',
  );
  console.log('  Before the start: tallystick keys rotate --compromised, and repeat the ends since.');
}

const SECRETS = Object.freeze({
  fits: 'the secret of secretFile is that of the store',
  another: 'the secret of secretFile is not that of the store: nothing in it can be found or read',
  untried: 'the store has no consent by which the secret could be tried',
});

/** Whether the secret reads the consents of a store. */
async function secretState(file: string, secretFile: string): Promise<keyof typeof SECRETS> {
  if (!existsSync(secretFile)) return 'another';
  const consents = newestRecords(file, { kind: 'Consent', limit: TRIED });
  if (consents.length === 0) return 'untried';
  const secret = await openSecret(secretFile);
  return consents.some((record) => isConsentOf(secret, record)) ? 'fits' : 'another';
}

/** @throws ERR_CONFIG_INVALID for a configuration without an SQLite store, or whose store is not there */
async function storeOf(source: string): Promise<{ readonly file: string; readonly secretFile: string }> {
  const { storage }: Config = await readConfig(source);
  const { file, secretFile } = storage;
  if (file !== undefined) return { file, secretFile };
  const message = 'is Redis: its own tools copy it (docs/backup.md)';
  throw invalidConfig(source, [{ path: 'storage', message }]);
}

function factsOf({ schema, bytes, records, newestAt }: StoreFile): string {
  const newest = newestAt === undefined ? '' : `, the newest of ${newestAt.toISOString()}`;
  return `whole, schema ${schema}, ${bytes} bytes, ${records} records${newest}`;
}

function printJson(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2));
}
