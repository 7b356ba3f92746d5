import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Authority, createAuthority } from '../../../src/sandbox/pki/pki.ts';
import { freePort } from '../../free-port.ts';
import { type Bank, isReady, openBank, type Ports } from '../../durability/bank.ts';
import type { Attack, Target } from './attack.ts';
import { childrenOf } from './process-attacks.ts';

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const MAIN = here('../../../src/cli/main.ts');
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
/** Takes no width; three bytes of UTF-8. */
const INVISIBLE = '\u200b';

/** A bank whose server is started anew for each attack, as `tallystick serve` runs it. */
export interface AttackedBank {
  readonly bank: Bank;
  start(attack: Attack): Promise<AttackedServer>;
  close(): Promise<void>;
}

interface Usage {
  readonly cpuSeconds: number;
  readonly megabytes: number;
  readonly descriptors: number;
}

export interface AttackedServer {
  readonly ports: Ports;
  readonly gatewayPort: number;
  readonly pid: number;
  /** Starts the attack; resolves to its report. */
  attack(seconds: number): Promise<string>;
  /** CPU seconds, resident megabytes and open descriptors of all processes of the server. */
  usage(): Usage;
  /** Lines of the log about faults of the program. */
  unexpected(): readonly string[];
  /** Lines of the log, and megabytes of the store with its write-ahead log. */
  left(): { readonly lines: number; readonly storeMegabytes: number };
  stop(): Promise<void>;
}

export async function openAttackedBank(): Promise<AttackedBank> {
  const bank = await openBank();
  const authority = await createAuthority({ name: 'Bank Internal CA', ...PERIOD });
  await writeStrangers(bank.folder);
  await writeApi(bank.folder, authority);
  writeFileSync(
    join(bank.folder, 'aspsp.ts'),
    `import { demoAspsp } from ${JSON.stringify(here('../../../src/sandbox/bank/customers.ts'))};
export const createAspsp = async () => demoAspsp();`,
  );
  return {
    bank,
    start: async (attack) => {
      const ports = {
        front: Number(new URL(bank.description.issuer).port),
        mtls: Number(new URL(bank.description.mtlsUrl).port),
        health: await freePort(),
      };
      const store = join(bank.folder, `attacked-${performance.now()}.sqlite`);
      const server = serve(bank, attack, { ports, store });
      const gatewayPort = attack.measured === 'gateway' ? await freePort() : 0;
      await until(() => isReady({ ports }));
      const gateway = gatewayPort === 0 ? undefined : await startGateway(bank, gatewayPort);
      return {
        ports,
        gatewayPort,
        pid: server.pid ?? 0,
        attack: (seconds) => run(attack, targetOf(bank, { ports, gatewayPort, server, seconds })),
        usage: () => usageOf(server.pid ?? 0),
        unexpected: () =>
          readFileSync(logOf(bank), 'utf8')
            .split('\n')
            .filter((line) => line.includes('server.unexpected')),
        left: () => ({
          lines: readFileSync(logOf(bank), 'utf8').split('\n').length - 1,
          storeMegabytes: Math.ceil((bytesOf(store) + bytesOf(`${store}-wal`)) / 1e6),
        }),
        stop: async () => {
          gateway?.kill('SIGKILL');
          for (const pid of childrenOf(server.pid ?? 0)) process.kill(pid, 'SIGKILL');
          server.kill('SIGKILL');
          await sleep(300);
        },
      };
    },
    close: () => bank.close(),
  };
}

const logOf = ({ folder }: Bank) => join(folder, 'attacked.json.log');
const bytesOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function serve(
  bank: Bank,
  attack: Attack,
  { ports, store }: { readonly ports: Ports; readonly store: string },
): ChildProcess {
  const file = join(bank.folder, 'attacked.json');
  const more = {
    aspspModule: 'aspsp.ts',
    storage: { file: store, secretFile: 'bank.secret' },
    accessToken: { format: 'opaque' },
    // As a bank runs it: the limits by address count for loopback too.
    connections: undefined,
    clientLimits: undefined,
    resourceServers: [
      {
        client_id: 'accounts-api',
        resource: bank.description.resourceUrl,
        anchorsFile: 'api-ca.pem',
        tls_client_auth_subject_dn: 'CN=accounts-api',
      },
    ],
    ...attack.configuration,
  };
  writeFileSync(file, JSON.stringify(bank.configuration(ports, more)));
  const out = attack.log === 'full' ? openSync('/dev/full', 'w') : openSync(logOf(bank), 'w');
  const limit = attack.descriptors === undefined ? '' : `ulimit -n ${attack.descriptors}; `;
  const program = [process.execPath, ...(attack.nodeFlags ?? []), MAIN];
  return spawn('bash', ['-c', `${limit}exec "$0" "$@"`, ...program, 'serve', '--config', file], {
    stdio: ['ignore', attack.log === 'not read' ? 'pipe' : out, 'ignore'],
  });
}

async function startGateway(bank: Bank, port: number): Promise<ChildProcess> {
  const { issuer, mtlsUrl, resourceUrl, caFile } = bank.description;
  const file = join(bank.folder, 'gateway.json');
  const configuration = {
    listen: { host: '127.0.0.1', port },
    issuer,
    audience: resourceUrl,
    caFile,
    introspection: {
      endpoint: `${mtlsUrl}/introspect`,
      clientId: 'accounts-api',
      certificateFile: 'api.pem',
      privateKeyFile: 'api.key',
    },
    proxy: 'nginx',
    clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.0/8'] },
    routes: [{ path: '/accounts', methods: ['GET'], scopes: ['accounts'], roles: [] }],
  };
  writeFileSync(file, JSON.stringify(configuration));
  const gateway = spawn(process.execPath, [MAIN, 'gateway', '--config', file], { stdio: 'ignore' });
  const refused = `http://127.0.0.1:${port}/authorize`;
  await until(() =>
    fetch(refused).then(
      (answer) => answer.status > 0,
      () => false,
    ),
  );
  return gateway;
}

async function run(attack: Attack, target: Target): Promise<string> {
  const attacker = fork(here('./attacker.ts'), {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  attacker.send({ name: attack.name, target });
  const timer = setTimeout(() => attacker.kill('SIGKILL'), (target.seconds + 60) * 1000);
  const report = await Promise.race([
    once(attacker, 'message').then(([text]) => String(text)),
    once(attacker, 'exit').then(() => 'the attacker ended early'),
  ]);
  clearTimeout(timer);
  attacker.kill('SIGKILL');
  return report;
}

function targetOf(
  bank: Bank,
  at: {
    readonly ports: Ports;
    readonly gatewayPort: number;
    readonly server: ChildProcess;
    readonly seconds: number;
  },
): Target {
  const { description, folder } = bank;
  const tpp = description.tpps.find(({ name }) => name === 'money-one');
  if (tpp === undefined) throw new Error('there is no TPP');
  const { client_id: clientId, redirect_uris: redirectUris } = tpp.clients.tls_client_auth;
  return {
    ports: at.ports,
    gatewayPort: at.gatewayPort,
    hosts: { front: new URL(description.issuer).host, mtls: new URL(description.mtlsUrl).host },
    serverPid: at.server.pid ?? 0,
    description,
    certificateFile: tpp.certificateFile,
    keyFile: tpp.keyFile,
    clientId,
    redirectUri: redirectUris[0] ?? '',
    strangerFolder: folder,
    seconds: at.seconds,
  };
}

async function writeStrangers(folder: string): Promise<void> {
  const nobody = await createAuthority({ name: 'Nobody', ...PERIOD });
  for (const [file, commonName] of [
    ['stranger', 'stranger'],
    ['name-9', INVISIBLE.repeat(3000)],
    ['name-60', INVISIBLE.repeat(20_000)],
  ] as const) {
    const issued = await nobody.issue({ profile: 'qwac', subject: { commonName }, ...PERIOD });
    writeFileSync(join(folder, `${file}.pem`), issued.certificatePem);
    writeFileSync(join(folder, `${file}.key`), issued.privateKeyPem, { mode: 0o600 });
  }
}

async function writeApi(folder: string, authority: Authority): Promise<void> {
  const api = await authority.issue({ profile: 'qwac', subject: { commonName: 'accounts-api' }, ...PERIOD });
  writeFileSync(join(folder, 'api-ca.pem'), authority.certificatePem);
  writeFileSync(join(folder, 'api.pem'), api.chainPem);
  writeFileSync(join(folder, 'api.key'), api.privateKeyPem, { mode: 0o600 });
}

function usageOf(pid: number): Usage {
  let [ticks, pages, descriptors] = [0, 0, 0];
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      ticks += Number(fields[11]) + Number(fields[12]);
      pages += Number(readFileSync(`/proc/${one}/statm`, 'utf8').split(' ')[1]);
      descriptors += readdirSync(`/proc/${one}/fd`).length;
    } catch {
      // The process has ended.
    }
  }
  return { cpuSeconds: ticks / 100, megabytes: (pages * 4096) / 1e6, descriptors };
}

async function until(is: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(100)) {
    if (await is()) return;
  }
  throw new Error('the server does not start');
}
