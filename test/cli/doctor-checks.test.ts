import { once } from 'node:events';
import { chmodSync, writeFileSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { addressChecks } from '../../src/cli/doctor/address-checks.ts';
import { examineGateway } from '../../src/cli/doctor/examination.ts';
import { judgeDrift } from '../../src/cli/doctor/clock-drift.ts';
import { type Check, type Finding, Findings, findingsOf } from '../../src/cli/doctor/findings.ts';
import { redisCheck } from '../../src/cli/doctor/redis-check.ts';
import { responderCheck } from '../../src/cli/doctor/responder-check.ts';
import { type Config, loadConfig } from '../../src/configuration/config.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { freePort } from '../free-port.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { type Bank, openBank } from '../durability/bank.ts';
import { redisSettings } from '../storage/redis/redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';

let bank: Bank;
beforeAll(async () => {
  bank = await openBank();
});
afterAll(() => bank?.close());

/** Lines as a person reads them. Each one that is not in order says what to do. */
function linesOf(findings: readonly Finding[]): readonly string[] {
  for (const finding of findings) if (finding.level !== 'ok') expect(finding.advice).toMatch(/^\w{3,}.{5,}/);
  return findings.map((finding) =>
    [finding.level, finding.message, ...(finding.level === 'ok' ? [] : [finding.advice])].join(' | '),
  );
}

const found = async (...checks: readonly Check[]) => linesOf(await findingsOf(checks, 10));
const like = (pattern: RegExp) => expect.stringMatching(pattern);

async function serving<T extends Server>(server: T): Promise<number> {
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const serve = (answer: RequestListener) => serving(createServer(answer));

describe.skipIf(!hasRedis)('the doctor of a Redis that runs', () => {
  let redis: RedisProcess;
  beforeAll(async () => {
    redis = await startRedis({ lines: ['appendfsync always'] });
  });
  afterAll(() => redis?.kill());

  const examined = (port = redis.port) =>
    found(
      redisCheck({
        storage: { redis: redisSettings({ url: `redis://127.0.0.1:${port}` }) } as Config['storage'],
      }),
    );
  const set = (name: string, value: string) => redis.admin.config('SET', name, value);

  it('finds one in order, with its clock', async () => {
    expect(await examined()).toEqual([
      like(/^ok \| Redis \d+\.\d+\.\d+ answers, and evicts no key/),
      like(/^ok \| this clock and the clock of Redis differ by 0 s/),
    ]);
  });

  it('warns of one that forgets what it acknowledged', async () => {
    await set('appendfsync', 'everysec');
    expect(await examined()).toContainEqual(
      like(
        /^warning \| appendfsync is everysec: a crash loses up to two seconds of .* \| set appendfsync always/,
      ),
    );
    await set('appendonly', 'no');
    const without = await examined();
    expect(without).toContainEqual(like(/^warning \| .*appendonly is off.* \| .*appendonly yes/));
    expect(without.filter((line) => !line.startsWith('ok'))).toHaveLength(1);
    await set('appendonly', 'yes');
    await set('appendfsync', 'always');
  });

  it('finds a memory that is nearly full, and one that is full', async () => {
    const used = Number(/^used_memory:(\d+)/m.exec(await redis.admin.info('memory'))?.[1]);
    await set('maxmemory', String(used * 4));
    expect(await examined()).toContainEqual(like(/^ok \| Redis uses \d+ % of its maxmemory/));
    await set('maxmemory', String(Math.round(used * 1.02)));
    expect(await examined()).toContainEqual(
      like(/^(problem|warning) \| Redis uses \d+ % of its maxmemory .* \| raise maxmemory/),
    );
    await set('maxmemory', String(Math.round(used / 2)));
    expect(await examined()).toContainEqual(like(/^problem \| Redis uses \d+ % of its maxmemory/));
    await set('maxmemory', '0');
  });

  it('finds one that evicts and one that is too old, each in one line (M7)', async () => {
    await set('maxmemory-policy', 'allkeys-lru');
    expect(await examined()).toEqual([
      like(/^problem \| .*maxmemory-policy is allkeys-lru.* \| .*maxmemory-policy noeviction/),
    ]);
    await set('maxmemory-policy', 'noeviction');
    const port = await serving(olderRedis(redis.port));
    expect(await examined(port)).toEqual([
      like(/^problem \| .*Redis 6\.0\.\d+ is too old: 6\.2 or later is needed.* \| .*Redis 6\.2 or later/),
    ]);
  });
});

/** The way to a real Redis that says the version of an old one. */
function olderRedis(target: number): Server {
  return createTcpServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) =>
      client.write(chunk.toString('latin1').replace(/(redis_version:)\d\.\d/, '$16.0'), 'latin1'),
    );
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
}

describe('the doctor of the clock', () => {
  it.each([
    ['the same', 0, 'ok'],
    ['ten seconds ahead', 10, 'warning'],
    ['ten seconds behind', -11, 'warning'],
    ['a minute ahead', 60, 'problem'],
    ['a minute behind', -61, 'problem'],
  ])('compares it with the Date of an answer: %s', async (_name, seconds, level) => {
    const port = await serve((_request, response) => {
      response.setHeader('date', new Date(Date.now() + seconds * 1000).toUTCString());
      response.end();
    });
    const url = `http://127.0.0.1:${port}/register`;
    const guard = { allowPrivateAddresses: true };
    const lines = await found(...addressChecks([{ name: 'eba-register', url, guard }]));
    expect(lines).toEqual([
      `ok | ${url} answers`,
      like(new RegExp(`^${level} \\| this clock and the clock of 127\\.0\\.0\\.1:\\d+ differ by \\d+ s`)),
    ]);
    if (level !== 'ok') expect(lines[1]).toMatch(/ \| .*NTP/);
  });

  it('takes the time of an answer for no difference', () => {
    const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1000);
    const findings = new Findings({ name: 'eba-register', advice: 'none' });
    const clock = { whose: 'a clock', asked: at(0), answered: at(40) };
    for (const seconds of [0, 3, 40, 46, -31]) judgeDrift(findings, { ...clock, other: at(seconds) });
    expect(linesOf(findings.all)).toEqual([
      'ok | this clock and a clock differ by 0 s',
      like(/^warning \| this clock and a clock differ by 6 s/),
      like(/^problem \| this clock and a clock differ by 31 s/),
    ]);
  });
});

describe('the doctor of responders', () => {
  const configured = async (more: object = {}): Promise<Config> => {
    const file = join(bank.folder, 'responders.json');
    const ports = { front: 0, mtls: 0, health: 0 };
    writeFileSync(file, JSON.stringify({ ...bank.configuration(ports), aspspModule: 'bank.mjs', ...more }));
    return loadConfig(file);
  };

  it('reaches those that the CAs of the files and the certificate of a TPP name', async () => {
    const { certificateFile } = tppNamed(bank.description, 'money-one');
    const lines = await found(responderCheck(await configured(), [certificateFile]));
    const { revocationUrl } = bank.description;
    expect(lines).toContainEqual(`ok | ${revocationUrl}/ocsp answers`);
    expect(lines).toContainEqual(like(new RegExp(`^ok \\| ${revocationUrl}/.*crl.* answers`)));
    expect(lines.filter((line) => !line.startsWith('ok'))).toEqual([]);
  });

  it('names those that do not answer, that are private, and that are of no listed host', async () => {
    const ocspUrl = `http://127.0.0.1:${await freePort()}/ocsp`;
    const day = 86_400_000;
    const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
    const { certificatePem } = await createAuthority({ name: 'Own', ...validity }).then((authority) =>
      authority.issue({
        profile: 'server',
        subject: { commonName: 'tpp' },
        deviation: { pointers: { ocspUrl } },
        ...validity,
      }),
    );
    const file = join(bank.folder, 'dead.pem');
    writeFileSync(file, certificatePem);
    const own = await configured({ revocation: { privateHosts: ['127.0.0.1'] } });
    const asking = (hosts: readonly string[] | undefined): Config => ({
      ...own,
      trust: own.trust.map((one) => ({
        ...one,
        revocation: { ...one.revocation, hosts: hosts && [...hosts] },
      })),
    });
    const config = asking(undefined);
    const { host } = new URL(ocspUrl);
    const [dead, hidden, unlisted, none] = await Promise.all([
      found(responderCheck(config, [file])),
      found(responderCheck({ ...config, revocation: { ...config.revocation, privateHosts: [] } }, [file])),
      found(responderCheck(asking(['ocsp.example']), [file])),
      found(responderCheck(config, [join(bank.folder, 'nowhere.pem')])),
    ]);
    expect(dead).toContainEqual(
      like(new RegExp(`^problem \\| ${ocspUrl} cannot be reached: .* \\| open the way`)),
    );
    expect(hidden).toContainEqual(
      like(new RegExp(`^problem \\| ${ocspUrl} cannot be reached: .* \\| .*privateHosts`)),
    );
    expect(unlisted).toContainEqual(
      like(new RegExp(`^problem \\| http://${host}/ocsp is of a host that .* \\| list the host`)),
    );
    expect(none).toContainEqual(like(/^problem \| .*cannot be read: ENOENT/));
  });
});

describe('the doctor of a gateway', () => {
  it('finds one in order, and everything that is wrong with another, with what to do', async () => {
    const { server } = pathsOf(bank.folder);
    const [cert, key] = [readFileSync(server.certificateFile), readFileSync(server.keyFile)];
    const issuer = await serving(
      createTlsServer({ cert, key }, (_request, response) => void response.end('{}')),
    );
    const upstream = await serve((_request, response) => void response.end());
    const file = join(bank.folder, 'gateway.yaml');
    const [port, health] = [await freePort(), await freePort()];
    const config = {
      listen: { port, health },
      issuer: `https://localhost:${issuer}`,
      audience: 'https://api.bank.example',
      caFile: bank.description.caFile,
      proxy: 'forward',
      upstream: { origin: `http://127.0.0.1:${upstream}` },
      clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
      routes: [{ path: '/accounts/**', scopes: ['accounts'], roles: ['PSP_AI'] }],
    };
    writeFileSync(file, stringify(config));
    const good = linesOf(await examineGateway(file));
    expect(good.filter((line) => !line.startsWith('ok'))).toEqual([]);
    expect(good).toEqual(
      expect.arrayContaining([
        'ok | 1 routes, and the files of the gateway can be read',
        like(/^ok \| listen\.port: port \d+ of 127\.0\.0\.1 is free/),
        like(/^ok \| https:\/\/localhost:\d+\/\.well-known\/openid-configuration answers/),
        like(/^ok \| http:\/\/127\.0\.0\.1:\d+ answers/),
      ]),
    );

    const openKey = join(bank.folder, 'gateway.key');
    writeFileSync(openKey, key);
    chmodSync(openKey, 0o644);
    const pair = { certificateFile: 'missing.pem', privateKeyFile: openKey };
    const dead = await freePort();
    const bad = {
      ...config,
      issuer: `https://localhost:${dead}`,
      introspection: { endpoint: `https://localhost:${dead}/introspect`, clientId: 'api', ...pair },
    };
    writeFileSync(file, stringify(bad));
    const wrong = linesOf(await examineGateway(file, { settings: [`listen.port=${upstream}`] }));
    for (const pattern of [
      /^problem \| introspection\.certificateFile: .*missing\.pem is missing \| put the file there/,
      /^problem \| introspection\.privateKeyFile: .*every user.* \| chmod 600/,
      /^problem \| listen\.port: port \d+ of 127\.0\.0\.1 is in use by another program \| stop that program/,
      /^problem \| https:\/\/localhost:\d+\/\.well-known\/openid-configuration cannot be reached: .* \| open the way/,
    ]) {
      expect(wrong).toContainEqual(like(pattern));
    }
    writeFileSync(file, stringify({ ...config, routes: [] }));
    expect(linesOf(await examineGateway(file))).toEqual([
      like(/^problem \| routes: .* \| mend it, and check it/),
    ]);
  });
});
