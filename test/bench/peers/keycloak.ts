import { execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../free-port.ts';
import { pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import type { Bank } from '../../durability/bank.ts';
import { type Contender, tppOf } from '../tokens/contenders.ts';

const VERSION = '26.7.3';
const ARTIFACT = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`;
const OLDEST_JAVA = 21;
/** Its first start builds the server, which takes minutes on a busy machine. */
const START_SECONDS = 600;
const PASSPHRASE = 'changeit';
const REALM = 'bank';
export const KEYCLOAK_TOKEN_PATH = `/realms/${REALM}/protocol/openid-connect/token`;

/**
 * Keycloak from its published distribution, with a realm of one client that authenticates by its certificate and
 * receives bound JWTs under ES256; sessions and settings in memory. It checks no revocation, and writes no
 * log of requests.
 *
 * @throws Error with the reason where it cannot be had: no Maven, no Java, no distribution
 */
export async function startKeycloak(bank: Bank): Promise<Contender> {
  const home = unpacked(bank.folder);
  const java = javaHome();
  const paths = pathsOf(bank.folder);
  const port = await freePort();
  const trust = join(bank.folder, 'keycloak-trust.p12');
  for (const [alias, file] of Object.entries({ root: paths.root, issuing: paths.issuingCa })) {
    execFileSync(
      join(java, 'bin/keytool'),
      [
        ...['-importcert', '-noprompt', '-alias', alias, '-file', file],
        ...['-keystore', trust, '-storetype', 'PKCS12', '-storepass', PASSPHRASE],
      ],
      { stdio: 'ignore' },
    );
  }
  mkdirSync(join(home, 'data/import'), { recursive: true });
  writeFileSync(join(home, `data/import/${REALM}.json`), JSON.stringify(realmOf(bank)));
  const log = openSync(join(bank.folder, 'keycloak.log'), 'w');
  const child = spawn(
    join(home, 'bin/kc.sh'),
    [
      ...['start', '--import-realm', '--db=dev-mem', '--cache=local', '--log-level=error'],
      ...['--http-host=127.0.0.1', `--https-port=${port}`, '--http-enabled=false'],
      ...[`--hostname=https://localhost:${port}`, '--https-client-auth=request'],
      `--https-certificate-file=${paths.server.certificateFile}`,
      `--https-certificate-key-file=${paths.server.keyFile}`,
      ...[`--https-trust-store-file=${trust}`, `--https-trust-store-password=${PASSPHRASE}`],
    ],
    { env: { PATH: process.env.PATH, JAVA_HOME: java }, stdio: ['ignore', log, log] },
  );
  process.once('exit', () => child.kill('SIGKILL'));
  await answering(port, bank, () => child.exitCode !== null);
  return {
    ...{ name: `Keycloak ${VERSION}`, port, child, host: `localhost:${port}` },
    ports: { front: port, mtls: port, health: 0 },
  };
}

/** The folder of the distribution. Maven keeps what it has downloaded. */
function unpacked(folder: string): string {
  const target = join(folder, 'keycloak');
  const quiet = { stdio: 'ignore' } as const;
  const copy = ['dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${target}`];
  try {
    execFileSync('mvn', ['-q', '-B', ...copy], quiet);
  } catch (cause) {
    throw new Error(`Maven does not have ${ARTIFACT} here`, { cause });
  }
  execFileSync('unzip', ['-q', join(target, `keycloak-quarkus-dist-${VERSION}.zip`), '-d', target], quiet);
  return join(target, `keycloak-${VERSION}`);
}

/** The newest Java of the machine. */
function javaHome(): string {
  const parent = '/usr/lib/jvm';
  const versions = (existsSync(parent) ? readdirSync(parent) : [])
    .map((name) => ({ home: join(parent, name), version: Number(/-(\d+)-/.exec(name)?.[1] ?? 0) }))
    .toSorted((one, other) => other.version - one.version);
  const [newest] = versions;
  if (newest === undefined || newest.version < OLDEST_JAVA)
    throw new Error(`no Java ${OLDEST_JAVA} or later`);
  return newest.home;
}

function realmOf(bank: Bank): object {
  const tpp = tppOf(bank);
  const { subject } = new X509Certificate(readFileSync(tpp.certificateFile));
  const commonName = /^CN=(.+)$/m.exec(subject)?.[1] ?? '';
  return {
    ...{ realm: REALM, enabled: true, accessTokenLifespan: 600, defaultSignatureAlgorithm: 'ES256' },
    clients: [
      {
        ...{ clientId: tpp.clients.tls_client_auth.client_id, enabled: true, protocol: 'openid-connect' },
        ...{ publicClient: false, serviceAccountsEnabled: true, standardFlowEnabled: false },
        clientAuthenticatorType: 'client-x509',
        attributes: {
          'x509.subjectdn': `(.*?)CN=${commonName.replaceAll('.', '\\.')}(.*?)`,
          'x509.allow.regex.pattern.comparison': 'true',
          'tls.client.certificate.bound.access.tokens': 'true',
          'access.token.signed.response.alg': 'ES256',
        },
      },
    ],
    components: {
      'org.keycloak.keys.KeyProvider': [
        {
          ...{ name: 'ecdsa', providerId: 'ecdsa-generated' },
          config: { priority: ['100'], ecdsaEllipticCurveKey: ['P-256'] },
        },
      ],
    },
  };
}

async function answering(port: number, bank: Bank, hasEnded: () => boolean): Promise<void> {
  const ca = readFileSync(bank.description.caFile);
  const path = `/realms/${REALM}`;
  for (let second = 0; second < START_SECONDS && !hasEnded(); second += 1) {
    const status = await new Promise<number>((resolve) => {
      request({ host: '127.0.0.1', servername: 'localhost', port, path, ca }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on('error', () => resolve(0))
        .end();
    });
    if (status === 200) return;
    await sleep(1000);
  }
  throw new Error(
    `Keycloak did not start: ${readFileSync(join(bank.folder, 'keycloak.log'), 'utf8').slice(-2000)}`,
  );
}
