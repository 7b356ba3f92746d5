import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemClock } from '../../clock.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { Config } from '../../configuration/config.ts';
import { isRefusal } from '../../errors.ts';
import { Outbound } from '../../remote/outbound.ts';
import { readRedisState } from '../../storage/redis/redis-state.ts';
import { ListFolder } from '../../trusted-lists/list-folder.ts';
import { overdueSince } from '../../trusted-lists/snapshot.ts';
import { timeText } from '../certificate/shown-text.ts';
import { isInOrder, sourceCopies } from '../registry/source-copies.ts';
import type { Check, Findings } from './findings.ts';

const FETCH_SECONDS = 8;
/** Enough of an answer to know that there is one. */
const FETCH_BYTES = 65_536;
/** Hosts must agree within a minute (docs/operate.md); the Date of HTTP has whole seconds. */
const DRIFT_WARNING_SECONDS = 5;
const DRIFT_PROBLEM_SECONDS = 30;

/** The checks of what lies behind the network: ports, store, responders, registers and clocks. */
export function networkChecks(config: Config): readonly Check[] {
  return [
    { name: 'ports', run: (findings) => checkPorts(config, findings) },
    { name: 'redis', run: (findings) => checkRedis(config, findings) },
    { name: 'registers', run: (findings) => checkRegisters(config, findings) },
    ...addressesOf(config).map((one) => ({
      name: one.name,
      run: (findings: Findings) => checkAddress(one, findings),
    })),
  ];
}

async function checkPorts({ listen, bankApi, management }: Config, findings: Findings): Promise<void> {
  const places = [
    { name: 'listen.front', host: listen.host, port: listen.front },
    { name: 'listen.mtls', host: listen.host, port: listen.mtls },
    { name: 'listen.health', ...listen.health },
    ...(bankApi === undefined ? [] : [{ name: 'bankApi.listen', ...bankApi.listen }]),
    ...(management === undefined ? [] : [{ name: 'management.listen', ...management.listen }]),
  ];
  const isRunning = await servesHealth(listen.health.port);
  await Promise.all(
    places.map(async ({ name, host, port }) => {
      const shown = `${name}: port ${port} of ${host}`;
      const fault = await bindingFault(host, port);
      if (fault === undefined) findings.ok(`${shown} is free`);
      else if (fault === 'EADDRINUSE' && isRunning) findings.ok(`${shown} is in use by a running server`);
      else if (fault === 'EADDRINUSE') {
        findings.problem(
          `${shown} is in use by another program`,
          'stop that program, or choose another port',
        );
      } else findings.problem(`${shown} cannot be bound: ${fault}`, 'choose another port or address');
    }),
  );
}

async function bindingFault(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    await once(server.listen({ host, port, exclusive: true }), 'listening');
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    server.close();
  }
}

/** Whether the health of a server like this one answers at the port. */
async function servesHealth(port: number): Promise<boolean> {
  const outbound = outboundFor({ proxy: undefined, allowPrivateAddresses: true });
  try {
    const { body } = await outbound.fetchBytes(`http://127.0.0.1:${port}/health/live`);
    return body.toString().includes('"part":"process"');
  } catch {
    return false;
  } finally {
    await outbound.close();
  }
}

async function checkRedis({ storage: { redis } }: Config, findings: Findings): Promise<void> {
  if (redis === undefined) return;
  const {
    version = 'of a version that is not disclosed',
    replicas,
    time,
  } = await readRedisState(redis, findings.log);
  findings.ok(`Redis ${version} answers, and evicts no key`);
  if (replicas !== undefined && replicas < redis.waitReplicas) {
    const message = `${replicas} replicas are connected, and each write waits for ${redis.waitReplicas}`;
    findings.problem(message, 'connect the replicas, or lower storage.redis.waitReplicas');
  }
  if (time !== undefined) judgeDrift(findings, time, 'the clock of Redis');
}

async function checkRegisters(config: Config, findings: Findings): Promise<void> {
  for (const source of await sourceCopies(config)) {
    const { name, copy } = source;
    if (copy === undefined)
      findings.problem(`${name}: no copy yet`, 'run tallystick registry fetch, or import');
    else if (isInOrder(source)) findings.ok(`${name}: fetched at ${timeText(copy.fetchedAt)}`);
    else
      findings.problem(
        `${name}: overdue, fetched at ${timeText(copy.fetchedAt)}`,
        'run tallystick registry fetch',
      );
  }
  for (const { lists } of config.trust) {
    if (lists === undefined) continue;
    const advice = 'run tallystick trust-list fetch, or import';
    const snapshot = await new ListFolder(lists.folder).snapshot();
    if (snapshot === undefined) {
      findings.problem(`trusted lists: nothing is proved yet in ${lists.folder}`, advice);
      continue;
    }
    const at = systemClock.now();
    const all = [snapshot.listOfLists, ...snapshot.lists];
    const overdue = all.filter(
      (list) => overdueSince(list, { maxAgeSeconds: lists.maxAgeSeconds, at }) !== undefined,
    );
    if (overdue.length === 0)
      findings.ok(`trusted lists: ${all.length} lists count, asked for at ${timeText(snapshot.askedAt)}`);
    else
      findings.problem(
        `trusted lists: overdue: ${overdue.map(({ territory }) => territory).join(', ')}`,
        advice,
      );
  }
}

interface Address {
  readonly name: string;
  readonly url: string;
  readonly outbound: Outbound;
}

/** The addresses that the configuration itself names, each with the guard by which a server reaches it. */
function addressesOf(config: Config): readonly Address[] {
  const proxy = proxyOf(config.outbound);
  const { eba, ukDirectory } = config.registry;
  const at = (name: string, url: string | undefined, privateHosts: readonly string[]) => {
    if (url === undefined) return [];
    const { host, hostname } = new URL(url);
    const allowPrivateAddresses = privateHosts.some((one) => one === host || one === hostname);
    return [{ name, url, outbound: outboundFor({ proxy, allowPrivateAddresses }) }];
  };
  return [
    ...at('eba-register', eba?.address, eba?.privateHosts ?? []),
    ...at('uk-directory', ukDirectory?.connection?.address, ukDirectory?.connection?.privateHosts ?? []),
    ...config.trust.flatMap(({ lists, revocation }) => [
      ...at('trusted-lists', lists?.address, lists?.privateHosts ?? []),
      ...revocation.issuers.flatMap(({ ocspUrls = [], crlUrls = [] }) =>
        [...ocspUrls, ...crlUrls].flatMap((url) => at('responders', url, config.revocation.privateHosts)),
      ),
    ]),
  ];
}

function outboundFor(
  options: Pick<ConstructorParameters<typeof Outbound>[0], 'proxy' | 'allowPrivateAddresses'>,
) {
  return new Outbound({ ...options, allowHttp: true, timeoutSeconds: FETCH_SECONDS, maxBytes: FETCH_BYTES });
}

/** Any answer shows that the way is open: the content is the matter of the part that reads it. */
async function checkAddress({ url, outbound }: Address, findings: Findings): Promise<void> {
  try {
    const { headers } = await outbound.fetchBytes(url);
    findings.ok(`${url} answers`);
    const date = new Date(headers.get('date') ?? '');
    if (!Number.isNaN(date.getTime())) judgeDrift(findings, date, `the clock of ${new URL(url).host}`);
  } catch (error) {
    // Too long, or compressed.
    if (isRefusal(error, 'ERR_OUTBOUND_ANSWER')) findings.ok(`${url} answers`);
    else findings.failed(error, 'open the way: firewall, DNS, outbound.proxy, or privateHosts');
  } finally {
    await outbound.close();
  }
}

function judgeDrift(findings: Findings, other: Date, whose: string): void {
  const seconds = Math.round((systemClock.now().getTime() - other.getTime()) / 1000);
  const shown = `this clock and ${whose} differ by ${Math.abs(seconds)} s`;
  if (Math.abs(seconds) >= DRIFT_PROBLEM_SECONDS) findings.problem(shown, 'start NTP');
  else if (Math.abs(seconds) >= DRIFT_WARNING_SECONDS) findings.warning(shown, 'check NTP');
  else findings.ok(shown);
}
