import { X509Certificate } from 'node:crypto';
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import type { SandboxTpp } from '../../../src/sandbox/sandbox-description.ts';
import { BANK_MODULE, type Bank, freePorts, isReady, type Ports } from '../../durability/bank.ts';
import { freePort } from '../../free-port.ts';
import type { BareOptions } from './bare-server.ts';
import type { Burst, Tally } from './generator.ts';
import { isListening } from '../../listening.ts';

/** A server that is measured. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly host: string;
  readonly child: ChildProcess;
  /** Of our server, and of bare oidc-provider, which has one port for all. */
  readonly ports: Ports;
  /** From the start of the process until it is ready, and its CPU; of our server. */
  readonly start?: { readonly seconds: number; readonly cpuSeconds: number };
  /** Other processes whose work is the contender's too: its Redis. */
  readonly besides?: readonly number[];
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const MAIN = here('../../../src/cli/main.ts');
/** Beyond its first workers, and the first second of a server. */
const SETTLING_MILLISECONDS = 2000;

/** Bare oidc-provider with its in-memory adapter. */
export async function startBare(
  bank: Bank,
  format: 'jwt' | 'opaque',
  { registers = false }: { readonly registers?: boolean } = {},
): Promise<Contender> {
  const paths = pathsOf(bank.folder);
  const port = await freePort();
  const options: BareOptions = {
    ...{ port, format, registers },
    issuer: bank.description.issuer,
    resource: bank.description.resourceUrl,
    clients: bareClients(bank),
    caFiles: [paths.root, paths.intermediates],
    certificateFile: paths.server.certificateFile,
    keyFile: paths.server.keyFile,
  };
  const child = spawn(process.execPath, [here('./bare-server.ts'), JSON.stringify(options)], {
    // Its warnings about what is for developers only.
    stdio: ['ignore', 'ignore', openSync(join(bank.folder, `bare-${port}.err`), 'w')],
  });
  while (!(await isListening(port))) await sleep(50);
  await sleep(SETTLING_MILLISECONDS);
  const ports = { front: port, mtls: port, health: 0 };
  return {
    ...{ name: `bare, memory, ${format}`, port, ports, child },
    host: new URL(bank.description.issuer).host,
  };
}

/** The two clients of the TPP that sends the requests, as our server has them. */
function bareClients(bank: Bank): BareOptions['clients'] {
  const tpp = tppOf(bank);
  const { d, ...publicKey } = JSON.parse(readFileSync(tpp.signingKeyFile, 'utf8')) as Record<string, string>;
  const { tls_client_auth: mtls, private_key_jwt: jwt } = tpp.clients;
  const common = {
    tls_client_certificate_bound_access_tokens: true,
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: 'openid accounts',
  };
  return [
    {
      ...{ ...common, client_id: mtls.client_id, response_types: ['code'] },
      redirect_uris: [...mtls.redirect_uris],
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: new X509Certificate(readFileSync(tpp.certificateFile)).subject,
    },
    {
      ...{ ...common, client_id: jwt.client_id, response_types: ['code'] },
      redirect_uris: [...jwt.redirect_uris],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [publicKey] },
    },
  ];
}

/** The TPP that sends the requests. */
export function tppOf(bank: Bank): SandboxTpp {
  const tpp = bank.description.tpps.find(({ name }) => name === 'money-one');
  if (tpp === undefined) throw new Error('no TPP');
  return tpp;
}

/** `tallystick serve`, with every check on, and its log in a file. One TPP stands for many, so that its limit is a high one. */
export async function startOwn(
  bank: Bank,
  name: string,
  { bankModule = BANK_MODULE, ...more }: { readonly bankModule?: string; readonly [member: string]: unknown },
): Promise<Contender> {
  const ports = await freePorts();
  const file = join(bank.folder, name.replaceAll(/\W+/g, '-'));
  writeFileSync(`${file}.mjs`, bankModule);
  const configuration = bank.configuration(ports, {
    aspspModule: `${file}.mjs`,
    requestLimits: { perTpp: 100_000_000 },
    ...more,
  });
  writeFileSync(`${file}.json`, JSON.stringify(configuration));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', `${file}.json`], {
    stdio: ['ignore', openSync(`${file}.log`, 'w'), 'inherit'],
  });
  while (!(await isReady({ ports }))) await sleep(50);
  const start = { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: cpuSecondsOf({ child }) };
  await sleep(SETTLING_MILLISECONDS);
  const { host } = new URL(bank.description.mtlsUrl);
  return { name, ports, port: ports.mtls, host, child, start };
}

/** A generator in a process of its own. */
export function startLoad() {
  const child = fork(here('./generator.ts'), { execPath: process.execPath, execArgv: [] });
  return {
    pid: child.pid ?? 0,
    close: () => void child.kill(),
    /**
     * `onConnected` is called when all connections are open, just before the first request.
     *
     * @throws when a connection ends, or the generator does
     */
    send: (burst: Burst, onConnected?: () => void): Promise<Tally> =>
      new Promise((resolve, reject) => {
        const onExit = () => reject(new Error('the generator has ended'));
        const onMessage = (answer: Tally | { readonly fault: string } | 'connected') => {
          if (answer === 'connected') {
            onConnected?.();
            return;
          }
          child.off('exit', onExit).off('message', onMessage);
          if ('fault' in answer) reject(new Error(answer.fault));
          else resolve(answer);
        };
        child.once('exit', onExit).on('message', onMessage);
        child.send(burst);
      }),
  };
}

export type Generator = ReturnType<typeof startGenerator>;

/** A generator that sends as a TPP of the bank; a token by client credentials, unless another burst is asked for. */
export function startGenerator(bank: Bank) {
  const load = startLoad();
  const tpp = tppOf(bank);
  return {
    ...load,
    burst: (
      { port, host }: Contender,
      seconds: number,
      more: Partial<Burst> = {},
      onConnected?: () => void,
    ): Promise<Tally> => {
      const burst = {
        ...{ port, host, seconds, connections: 16, caFile: bank.description.caFile },
        ...{ certificateFile: tpp.certificateFile, keyFile: tpp.keyFile },
        body: `grant_type=client_credentials&scope=accounts&client_id=${tpp.clients.tls_client_auth.client_id}`,
        ...more,
      };
      return load.send(burst, onConnected);
    },
  };
}

/** Holds processes, and what they start later, to one core. Linux. */
export function pin(core: number, ...pids: readonly (number | undefined)[]): void {
  for (const pid of pids) execFileSync('taskset', ['-apc', String(core), String(pid)], { stdio: 'ignore' });
}

/** CPU seconds that a server, its workers and the processes besides have used. Linux. */
export function cpuSecondsOf({ child, besides = [] }: Pick<Contender, 'child' | 'besides'>): number {
  const whole = (pid: number): number =>
    childrenOf(pid)
      .map(whole)
      .reduce((sum, one) => sum + one, cpuSecondsOfProcess(pid));
  return [child.pid ?? 0, ...besides].map(whole).reduce((sum, one) => sum + one, 0);
}

/** CPU seconds of one process, with all of its threads. Linux. */
export function cpuSecondsOfProcess(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The processes that a process has started. Linux. */
export function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}
