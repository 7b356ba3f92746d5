import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { vi } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import type { CertificateFiles, SandboxDescription } from '../../src/sandbox/folder.ts';
import { type RunningSandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts';
import { freeSandboxPorts } from '../free-port.ts';
import { layFolder } from '../sandbox/made-folders.ts';

/** A sandbox in a folder of its own, on free ports, with the means to talk to it. */
export interface TestSandbox extends RunningSandbox {
  readonly folder: string;
  /** A request over TLS, with a certificate if one is given. Nothing is followed, nothing is thrown for a status. */
  send(url: string, init?: TestRequest): Promise<TestResponse>;
  /** POST of a form to the mTLS listener with the certificate of a TPP. */
  post(tpp: string, path: string, form: Record<string, string>): Promise<TestResponse>;
  /** Events of the log with these fields, newest last; waits until the first is written. */
  events(fields: Record<string, unknown>): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

interface TestRequest {
  readonly certificate?: CertificateFiles;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | URLSearchParams;
}

interface TestResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export async function startTestSandbox(
  options: Pick<
    SandboxOptions,
    'store' | 'redirectUris' | 'certificatesDemanded' | 'amendConfiguration' | 'strongAuthentication'
  > = {},
): Promise<TestSandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-test-'));
  const freeFolder = await layFolder(folder);
  const sandbox = await startSandbox({
    folder,
    ports: await freeSandboxPorts(),
    isAudited: false,
    ...options,
  }).catch(async (error: unknown) => {
    await freeFolder();
    throw error;
  });
  const agents = new Map<string, Agent>();
  const agentFor = async (certificate: CertificateFiles | undefined): Promise<Agent> => {
    const key = certificate?.certificateFile ?? '';
    const known = agents.get(key);
    if (known !== undefined) return known;
    const agent = new Agent({ connect: await tlsOptions(sandbox.description, certificate) });
    agents.set(key, agent);
    return agent;
  };
  const send = async (url: string, init: TestRequest = {}): Promise<TestResponse> => {
    const { certificate, ...rest } = init;
    const response = await fetch(url, {
      ...rest,
      redirect: 'manual',
      dispatcher: await agentFor(certificate),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers as Headers,
      text,
      json: isJson ? JSON.parse(text) : {},
    };
  };
  return {
    ...sandbox,
    folder,
    send,
    post: (tpp, path, form) =>
      send(`${sandbox.description.mtlsUrl}${path}`, {
        method: 'POST',
        certificate: tppNamed(sandbox.description, tpp),
        body: new URLSearchParams(form),
      }),
    events: (fields) =>
      vi.waitUntil(
        async () => {
          const lines = (await readFile(sandbox.logFile, 'utf8')).split('\n').slice(0, -1);
          const found = lines
            .map((line) => JSON.parse(line))
            .filter((event) => Object.entries(fields).every(([name, value]) => event[name] === value));
          return found.length > 0 && found;
        },
        { timeout: 5000 },
      ),
    stop: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      await sandbox.close();
      await freeFolder();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function tlsOptions(description: SandboxDescription, certificate: CertificateFiles | undefined) {
  const ca = await readFile(description.caFile, 'utf8');
  if (certificate === undefined) return { ca };
  const [cert, key] = await Promise.all([
    readFile(certificate.certificateFile, 'utf8'),
    readFile(certificate.keyFile, 'utf8'),
  ]);
  // A broken certificate may have a key that OpenSSL would not present otherwise.
  return { ca, cert, key, ciphers: 'DEFAULT@SECLEVEL=0' };
}
