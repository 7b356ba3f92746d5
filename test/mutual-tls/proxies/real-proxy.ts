import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../free-port.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { adapted, documentedSnippet } from './documented-snippet.ts';
import { untilItListens } from '../../listening.ts';

export type ProxyName = 'nginx' | 'haproxy' | 'apache' | 'caddy' | 'envoy' | 'traefik';

const COMMANDS: Readonly<Record<ProxyName, string>> = {
  nginx: 'nginx',
  haproxy: 'haproxy',
  apache: 'apache2',
  caddy: 'caddy',
  envoy: 'envoy',
  traefik: 'traefik',
};
const MODULES = '/usr/lib/apache2/modules';

export function isInstalled(name: ProxyName): boolean {
  return (
    spawnSync(COMMANDS[name], [name === 'caddy' || name === 'traefik' ? 'version' : '-v'], {
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
    }).error === undefined
  );
}

/** What the title of a skipped test says. */
export function absence(name: ProxyName): string {
  return isInstalled(name) ? '' : ` (skipped: ${COMMANDS[name]} is not installed)`;
}

export interface ProxyOptions {
  /** Its own TLS certificate and key, and the CA of clients. PEM. */
  readonly tls: { readonly certificatePem: string; readonly privateKeyPem: string; readonly caPem: string };
  /** Where requests go on to. */
  readonly apiPort: number;
  /** Further changes of the snippet, or of the configuration around it. */
  readonly change?: (text: string, folder: string) => string;
  /** Further modules of Apache. */
  readonly modules?: readonly string[];
  /** Title of the snippet in docs/proxies.md, where it is not the usual one. */
  readonly snippet?: string;
}

export interface RunningProxy {
  readonly port: number;
  readonly folder: string;
  readonly child: ChildProcess;
  close(): Promise<void>;
}

const SNIPPETS: Readonly<Record<ProxyName, string>> = {
  nginx: 'nginx in front of an API, format nginx',
  haproxy: 'HAProxy in front of an API, format rfc9440',
  apache: 'Apache in front of an API, format apache',
  caddy: 'Caddy in front of an API, format caddy',
  envoy: 'Envoy in front of an API, format envoy',
  traefik: 'Traefik in front of an API, format traefik',
};

/** Starts a real proxy with the documented lines on a free port. */
export async function startProxy(name: ProxyName, options: ProxyOptions): Promise<RunningProxy> {
  const folder = await mkdtemp(join(tmpdir(), `tallystick-${name}-`));
  const port = await freePort();
  const { certificatePem, privateKeyPem, caPem } = options.tls;
  await Promise.all([
    writeFile(join(folder, 'server.pem'), `${certificatePem}\n${name === 'haproxy' ? privateKeyPem : ''}`),
    writeFile(join(folder, 'server.key'), privateKeyPem, { mode: 0o600 }),
    writeFile(join(folder, 'tpp-cas.pem'), caPem),
  ]);
  const snippet = adapted(documentedSnippet(options.snippet ?? SNIPPETS[name]), {
    [`/etc/${name === 'apache' ? 'apache2' : name}/`]: `${folder}/`,
    ...portChanges(name, port, options.apiPort),
  });
  const file = join(folder, `${name}.${name === 'envoy' || name === 'traefik' ? 'yaml' : 'conf'}`);
  const text = AROUND[name](options.change?.(snippet, folder) ?? snippet, {
    folder,
    port,
    modules: options.modules ?? [],
  });
  const [own = '', more = ''] = text.split(/^--- # api\.yaml$/m);
  await Promise.all([writeFile(file, own), writeFile(join(folder, 'api.yaml'), more)]);
  const child = spawn(COMMANDS[name], argumentsOf(name, file, folder), {
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stdout.on('data', (chunk) => said.push(String(chunk)));
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  try {
    await untilItListens(port, child);
    if (name === 'traefik') await untilItRoutes(port, caPem);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${name} did not start: ${said.join('')}`, { cause: error });
  }
  return {
    port,
    folder,
    child,
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function portChanges(name: ProxyName, port: number, apiPort: number): Readonly<Record<string, string>> {
  const api = { '127.0.0.1:3000': `127.0.0.1:${apiPort}` };
  switch (name) {
    case 'nginx':
      return { ...api, 'listen 443 ssl': `listen 127.0.0.1:${port} ssl` };
    case 'caddy':
      return { ...api, 'api.bank.example': `localhost:${port}` };
    case 'haproxy':
      return { ...api, 'bind :443': `bind 127.0.0.1:${port}` };
    case 'apache':
      return { ...api, '*:443': `127.0.0.1:${port}` };
    case 'traefik':
      return { ...api, ':443': `127.0.0.1:${port}` };
    case 'envoy':
      return {
        'address: 0.0.0.0, port_value: 443': `address: 127.0.0.1, port_value: ${port}`,
        'port_value: 3000': `port_value: ${apiPort}`,
      };
  }
}

function argumentsOf(name: ProxyName, file: string, folder: string): string[] {
  if (name === 'nginx') return ['-p', folder, '-c', file, '-e', join(folder, 'error.log')];
  if (name === 'caddy') return ['run', '--config', file, '--adapter', 'caddyfile'];
  if (name === 'traefik') return ['--configFile', file];
  if (name === 'envoy') return ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'];
  return name === 'haproxy' ? ['-f', file, '-db'] : ['-d', folder, '-f', file, '-X'];
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly modules: readonly string[];
}

/** What a distribution's own configuration has around such lines. */
const AROUND: Readonly<Record<ProxyName, (snippet: string, place: Place) => string>> = {
  nginx: (snippet, { folder }) => `
    daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log info;
    events { worker_connections 64; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      ${snippet}
    }`,
  caddy: (snippet) => `{
  admin off
  auto_https off
  default_bind 127.0.0.1
}
${snippet}`,
  traefik: (snippet) => `global: { checkNewVersion: false }
${snippet}`,
  // After an early refusal it would wait a second for the client to close the connection.
  envoy: (snippet) => snippet.replace(/( +)stat_prefix: .*\n/, '$&$1delayed_close_timeout: 0.02s\n'),
  haproxy: (snippet) => `global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
${snippet}`,
  apache: (snippet, { folder, port, modules }) => `
    ServerRoot ${folder}
    ServerName localhost
    PidFile ${folder}/apache.pid
    ErrorLog ${folder}/error.log
    LogLevel warn
    DefaultRuntimeDir ${folder}
    Mutex pthread
    User www-data
    Group www-data
    ${['mpm_event', 'authz_core', 'headers', 'ssl', 'socache_shmcb', 'proxy', 'proxy_http', ...modules]
      .map((module) => `LoadModule ${module}_module ${MODULES}/mod_${module}.so`)
      .join('\n')}
    Listen 127.0.0.1:${port}
    ${snippet}`,
};

/** It listens before it has read what it routes to. */
async function untilItRoutes(port: number, caPem: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const routed = await rawExchange(rawRequest('/', ['Host: localhost']), { port, caPem }).then(
      ({ status }) => status !== 404,
      () => false,
    );
    if (routed) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it does not route');
}
