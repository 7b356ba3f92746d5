import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { invalidConfig } from '../../errors.ts';
import { type CertificateFiles, describeTpp, pathsOf, type SandboxTpp } from '../../sandbox/folder.ts';
import { TPP_PLANS } from '../../sandbox/pki/tpps.ts';
import { readTesterFolder, type TesterFolder } from './tester-folder.ts';

/** A certificate with what is sent along, and its key, in PEM. */
export interface Presented {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** The clients that a server registers for the plan. */
export type ClientName = 'tls' | 'jwt' | 'other' | 'withdrawn';

/** The TPP of each client, in the words of the sandbox's TPPs. */
export const TPP_OF: Readonly<Record<ClientName, string>> = {
  tls: 'money-one',
  jwt: 'money-one',
  other: 'money-two',
  withdrawn: 'gone-fintech',
};

export const CLIENT_IDS: Readonly<Record<ClientName, string>> = {
  tls: 'conformance-one-tls',
  jwt: 'conformance-one-jwt',
  other: 'conformance-two-tls',
  withdrawn: 'conformance-withdrawn-tls',
};

/** Sent alone, since nothing leads from these to the issuing CA. */
const SENT_ALONE = ['missing-intermediate', 'unknown-issuer'];

/** The sub-folder for the operator of the server. */
export const HANDED_OVER = 'for-the-server';

/** @throws ERR_CONFIG_INVALID when the folder is not prepared, or its certificates have ended */
export async function openPreparedFolder(path: string, now: Date): Promise<PreparedFolder> {
  const folder = resolve(path);
  const tester = await readTesterFolder(folder);
  if (new Date(tester.notAfter) < now) {
    throw invalidConfig(folder, [
      { path: '--dir', message: 'its certificates have ended: prepare it with --reset' },
    ]);
  }
  return new PreparedFolder(folder, tester);
}

/** A folder with a CA, certificates of TPPs, and the keys of clients. */
export class PreparedFolder {
  readonly folder: string;
  readonly tester: TesterFolder;

  constructor(folder: string, tester: TesterFolder) {
    this.folder = folder;
    this.tester = tester;
  }

  /** The same folder, registered under other ids. */
  withClientIds(ids: Partial<Readonly<Record<ClientName, string>>>): PreparedFolder {
    return new PreparedFolder(this.folder, { ...this.tester, clients: { ...this.tester.clients, ...ids } });
  }

  clientId(name: ClientName): string {
    return this.tester.clients[name] ?? CLIENT_IDS[name];
  }

  /** The files of a client's TPP. */
  tppOf(name: ClientName): SandboxTpp {
    const plan = TPP_PLANS.find((one) => one.name === TPP_OF[name]);
    if (plan === undefined) throw new TypeError(`there is no TPP of the client ${name}`);
    return describeTpp(
      this.folder,
      { ...plan, nca: this.tester.nca },
      {
        redirectUris: [this.tester.redirectUri],
      },
    );
  }

  /** The good certificate of a client's TPP, with its issuing CA. */
  good(name: ClientName): Promise<Presented> {
    return this.#presented(this.tppOf(name), true);
  }

  renewed(name: ClientName): Promise<Presented> {
    return this.#presented(this.tppOf(name).renewed, true);
  }

  /** A certificate of the broken set, with the path that is sent along: its issuing CA, where the set names no other. */
  async broken(name: string): Promise<Presented> {
    return this.#presented(pathsOf(this.folder).broken(name), !SENT_ALONE.includes(name));
  }

  async #presented(files: CertificateFiles, isSentWithIssuer: boolean): Promise<Presented> {
    const [own, keyPem, issuer] = await Promise.all([
      readFile(files.certificateFile, 'utf8'),
      readFile(files.keyFile, 'utf8'),
      readFile(pathsOf(this.folder).issuingCa, 'utf8'),
    ]);
    const isAlone = own.split('-----BEGIN CERTIFICATE-----').length === 2;
    return { certificatePem: isAlone && isSentWithIssuer ? own + issuer : own, keyPem };
  }
}
