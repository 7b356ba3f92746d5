import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemClock } from '../../clock.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { Config } from '../../configuration/config.ts';
import { isListed } from '../../remote/document-source.ts';
import { ListFolder } from '../../trusted-lists/list-folder.ts';
import { overdueSince } from '../../trusted-lists/snapshot.ts';
import { timeText } from '../certificate/shown-text.ts';
import { isInOrder, sourceCopies } from '../registry/source-copies.ts';
import { type Address, addressChecks, outboundFor } from './address-checks.ts';
import type { Check, Findings } from './findings.ts';
import { redisCheck } from './redis-check.ts';

/** The checks of what lies behind the network: ports, store, responders, registers and clocks. */
export function networkChecks(config: Config): readonly Check[] {
  return [
    portCheck(placesOf(config), config.listen.health.port),
    redisCheck(config),
    {
      name: 'registers',
      advice: 'run tallystick registry fetch, or import',
      run: (findings) => checkRegisters(config, findings),
    },
    ...addressChecks(addressesOf(config)),
  ];
}

function placesOf({ listen, bankApi, management }: Config): readonly Place[] {
  return [
    { name: 'listen.front', host: listen.host, port: listen.front },
    { name: 'listen.mtls', host: listen.host, port: listen.mtls },
    { name: 'listen.health', ...listen.health },
    ...(bankApi === undefined ? [] : [{ name: 'bankApi.listen', ...bankApi.listen }]),
    ...(management === undefined ? [] : [{ name: 'management.listen', ...management.listen }]),
  ];
}

/** An address that is bound. */
interface Place {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** @param health the port by which a running server is known */
export function portCheck(places: readonly Place[], health: number | undefined): Check {
  return {
    name: 'ports',
    advice: 'choose another port or address',
    run: (findings) => checkPorts(places, health, findings),
  };
}

async function checkPorts(
  places: readonly Place[],
  health: number | undefined,
  findings: Findings,
): Promise<void> {
  const isRunning = health !== undefined && (await servesHealth(health));
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
      } else findings.problem(`${shown} cannot be bound: ${fault}`);
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
  const outbound = await outboundFor({ guard: { allowPrivateAddresses: true } });
  try {
    const { body } = await outbound.fetchBytes(`http://127.0.0.1:${port}/health/live`);
    return body.toString().includes('"part":"process"');
  } catch {
    return false;
  } finally {
    await outbound.close();
  }
}

async function checkRegisters(config: Config, findings: Findings): Promise<void> {
  for (const source of await sourceCopies(config)) {
    const { name, copy } = source;
    if (copy === undefined) findings.problem(`${name}: no copy yet`);
    else if (isInOrder(source)) findings.ok(`${name}: fetched at ${timeText(copy.fetchedAt)}`);
    else findings.problem(`${name}: overdue, fetched at ${timeText(copy.fetchedAt)}`);
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

/** The addresses that the configuration itself names, each with the guard by which a server reaches it. */
function addressesOf(config: Config): readonly Address[] {
  const proxy = proxyOf(config.outbound);
  const { eba, ukDirectory } = config.registry;
  const directory = ukDirectory?.connection;
  const at = (
    name: string,
    url: string | undefined,
    {
      privateHosts = [],
      files = {},
    }: { privateHosts?: readonly string[] | undefined } & Pick<Address, 'files'>,
  ) => {
    if (url === undefined) return [];
    return [{ name, url, files, guard: { proxy, allowPrivateAddresses: isListed(url, privateHosts) } }];
  };
  return [
    ...at('eba-register', eba?.address, { ...eba, files: { caFile: eba?.caFile } }),
    ...at('uk-directory', directory?.address, { ...directory, files: directory ?? {} }),
    ...config.trust.flatMap(({ lists }) => at('trusted-lists', lists?.address, { ...lists })),
  ];
}
