import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { invalidConfig } from '../../errors.ts';
import { makeFolder, pathsOf } from '../../sandbox/folder.ts';
import type { Nca } from '../../sandbox/pki/issue-options.ts';
import { SANDBOX_NCA } from '../../sandbox/pki/tpps.ts';
import { freePort } from '../../sandbox/ports.ts';
import { TESTER_FILE, type TesterFolder } from './tester-folder.ts';
import { CLIENT_IDS, HANDED_OVER, PreparedFolder } from './prepared-folder.ts';
import { writeRegistrations } from './registration-files.ts';

export interface PrepareOptions {
  readonly folder: string;
  readonly now: Date;
  readonly isReset: boolean;
  /** Base URL of CRLs and OCSP in the certificates. Default: a free port of loopback. */
  readonly revocationUrl?: string | undefined;
  readonly nca?: Nca | undefined;
  readonly scope: string;
  readonly redirectUri: string;
}

/**
 * Makes a CA, its certificates, good and broken, and the registrations for the server under test.
 *
 * @throws ERR_CONFIG_INVALID for a folder that is prepared already, unless it is reset
 */
export async function prepareFolder(options: PrepareOptions): Promise<PreparedFolder> {
  const { now, isReset, nca = SANDBOX_NCA, scope, redirectUri } = options;
  const folder = resolve(options.folder);
  if (existsSync(join(folder, TESTER_FILE))) {
    const message =
      'is prepared already; --reset makes a new CA, which the server must then be told to trust';
    if (!isReset) throw invalidConfig('--prepare', [{ path: folder, message }]);
    await removePrepared(folder);
  } else if (existsSync(pathsOf(folder).state)) {
    throw invalidConfig('--prepare', [
      { path: folder, message: 'is the folder of a sandbox: choose another' },
    ]);
  }
  const url = new URL(options.revocationUrl ?? `http://127.0.0.1:${await freePort()}`);
  const revocationPort = Number(url.port || 80);
  const revocationUrl = url.href.replace(/\/$/, '');
  const notAfter = await makeFolder(folder, {
    ports: { revocation: revocationPort },
    revocationUrl,
    now,
    nca,
    authorityPrefix: 'Tallystick Conformance',
  });
  const tester: TesterFolder = {
    version: 1,
    notAfter,
    rootFile: join(HANDED_OVER, 'trust-this-root.pem'),
    intermediatesFile: join(HANDED_OVER, 'intermediates.pem'),
    clientsFile: join(HANDED_OVER, 'clients.yaml'),
    revocationUrl,
    revocationPort,
    scope,
    redirectUri,
    nca,
    clients: { ...CLIENT_IDS },
  };
  await mkdir(join(folder, HANDED_OVER), { recursive: true, mode: 0o700 });
  const prepared = new PreparedFolder(folder, tester);
  await writeRegistrations(prepared);
  await writeFile(join(folder, TESTER_FILE), `${JSON.stringify(tester, undefined, 2)}\n`, { mode: 0o600 });
  return prepared;
}

/** Removes the files that preparing makes, and no other file of the folder. */
async function removePrepared(folder: string): Promise<void> {
  const made = ['pki', 'tpps', 'broken', HANDED_OVER, 'registry.yaml', 'revocations.json', TESTER_FILE];
  await Promise.all(made.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}
