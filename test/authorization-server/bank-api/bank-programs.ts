import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { systemClock } from '../../../src/clock.ts';
import type { CertificateFiles, SandboxDescription } from '../../../src/sandbox/folder.ts';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import { freePort } from '../../free-port.ts';
import { CLIENT_AUTH } from '../../resource-server/test-bank.ts';

export interface BankRequest {
  readonly method?: string;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface BankAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: members are asserted, not typed
  readonly json: any;
}

/** The programs of a bank: their CA, their certificates, and the section of the configuration that names them. */
export interface BankPrograms {
  readonly folder: string;
  readonly url: string;
  readonly anchorsFile: string;
  readonly certificates: Readonly<Record<ProgramName, CertificateFiles>>;
  /** `bankApi` of a configuration. */
  readonly section: Readonly<Record<string, unknown>>;
  /** A caller with a certificate, or without one. */
  caller(
    certificate: CertificateFiles | undefined,
    description: Pick<SandboxDescription, 'caFile'>,
  ): Promise<BankCaller>;
  remove(): Promise<void>;
}

/** Calls the bank API. */
export interface BankCaller {
  (path: string, request?: BankRequest): Promise<BankAnswer>;
  close(): Promise<void>;
}

type ProgramName = 'core' | 'app' | 'reporting' | 'stranger' | 'impostor';

/** `core` may everything, `app` interactions and approvals, `reporting` events; the others are no callers. */
export async function createBankPrograms(): Promise<BankPrograms> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-programs-'));
  const now = systemClock.now().getTime();
  const period = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 86_400_000) };
  const [own, other] = await Promise.all([
    createAuthority({ name: 'Bank Programs CA', ...period }),
    createAuthority({ name: 'Bank Programs CA', ...period }),
  ]);
  const anchorsFile = join(folder, 'programs-ca.pem');
  await writeFile(anchorsFile, own.certificatePem);
  const issue = async (file: ProgramName, commonName: string, by = own): Promise<CertificateFiles> => {
    const issued = await by.issue({
      profile: 'server',
      subject: { commonName },
      keyType: 'ec-p256',
      deviation: { extendedKeyUsage: [CLIENT_AUTH] },
      ...period,
    });
    const files = { certificateFile: join(folder, `${file}.pem`), keyFile: join(folder, `${file}.key`) };
    await writeFile(files.certificateFile, issued.certificatePem);
    await writeFile(files.keyFile, issued.privateKeyPem, { mode: 0o600 });
    return files;
  };
  const [core, app, reporting, stranger, impostor] = await Promise.all([
    issue('core', 'core'),
    issue('app', 'app'),
    issue('reporting', 'reporting'),
    issue('stranger', 'stranger'),
    issue('impostor', 'core', other),
  ]);
  const port = await freePort();
  const url = `https://localhost:${port}`;
  const callerOf = (name: string, may: readonly string[]) => ({
    name,
    may,
    tls_client_auth_subject_dn: `CN=${name}`,
  });
  return {
    folder,
    url,
    anchorsFile,
    certificates: { core, app, reporting, stranger, impostor },
    section: {
      url,
      listen: port,
      anchorsFile,
      callers: [
        callerOf('core', ['consents', 'events', 'interactions', 'approvals']),
        callerOf('app', ['interactions', 'approvals']),
        callerOf('reporting', ['events']),
      ],
    },
    caller: (certificate, { caFile }) => openCaller(url, certificate, caFile),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function openCaller(
  url: string,
  certificate: CertificateFiles | undefined,
  caFile: string,
): Promise<BankCaller> {
  const ca = await readFile(caFile, 'utf8');
  const own =
    certificate === undefined
      ? {}
      : {
          cert: await readFile(certificate.certificateFile, 'utf8'),
          key: await readFile(certificate.keyFile, 'utf8'),
        };
  const dispatcher = new Agent({ connect: { ca, ...own } });
  const call = async (
    path: string,
    { method, body, text, headers }: BankRequest = {},
  ): Promise<BankAnswer> => {
    const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${url}${path}`, {
      dispatcher,
      method: method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: { ...(sent === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(sent === undefined ? {} : { body: sent }),
    });
    const received = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers as Headers,
      text: received,
      json: isJson ? JSON.parse(received) : {},
    };
  };
  return Object.assign(call, { close: () => dispatcher.destroy() });
}
