import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisProcess, type RedisProcessOptions, startRedis } from './redis-servers.ts';

export interface SentinelGroup {
  /** A primary and its replicas, as they started. */
  readonly servers: RedisProcess[];
  /** `host:port` of the Sentinels. */
  readonly addresses: readonly string[];
  /** The one that all Sentinels call the primary; waits until they agree. */
  primary(): Promise<RedisProcess>;
  /** Kills the primary; answers when the Sentinels have another. The dead one comes back as a replica. */
  failOver(): Promise<void>;
  /** Stops the primary as it stands until the Sentinels have another, and lets it go on. */
  hang(): Promise<void>;
  /** Has the Sentinels make another one primary while the first goes on. */
  switchOver(): Promise<void>;
  /** Answers when the primary has `count` replicas that are in step. */
  replicated(count: number): Promise<void>;
  close(): Promise<void>;
}

export const SENTINEL_NAME = 'bank';

/** One primary, two replicas, three Sentinels that give a primary half a second. */
export async function startSentinelGroup(): Promise<SentinelGroup> {
  const first = await startRedis();
  const lines = [`replicaof 127.0.0.1 ${first.port}`];
  const servers = [first, ...(await Promise.all([1, 2].map(() => startRedis({ lines }))))];
  const watching = [
    `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${first.port} 2`,
    `sentinel down-after-milliseconds ${SENTINEL_NAME} 500`,
    `sentinel failover-timeout ${SENTINEL_NAME} 1000`,
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis({ isSentinel: true, lines: watching })));
  const agreed = async () => {
    const answers = await Promise.all(
      sentinels.map(({ admin }) => admin.call('SENTINEL', 'get-master-addr-by-name', SENTINEL_NAME)),
    );
    const ports = answers.map((answer) => Number((answer as string[])[1]));
    return servers.find(({ port }) => ports.every((one) => one === port));
  };
  // On a busy machine the Sentinels fail over on their own at any time, and disagree while they do.
  const primary = async () => {
    let found: RedisProcess | undefined;
    await until(async () => {
      found = await agreed();
      return found !== undefined;
    });
    if (found === undefined) throw new Error('the Sentinels do not agree');
    return found;
  };
  const group: SentinelGroup = {
    servers,
    addresses: sentinels.map(({ port }) => `127.0.0.1:${port}`),
    primary,
    async failOver() {
      const old = await primary();
      await old.kill();
      await until(async () => (await primary()).port !== old.port);
      servers[servers.indexOf(old)] = await old.restart();
    },
    async hang() {
      const old = await primary();
      old.process.kill('SIGSTOP');
      await until(async () => (await primary()).port !== old.port);
      old.process.kill('SIGCONT');
    },
    async switchOver() {
      const old = await primary();
      await until(
        async () => (await sentinels[0]?.admin.call('SENTINEL', 'failover', SENTINEL_NAME)) === 'OK',
      );
      await until(async () => (await primary()).port !== old.port);
    },
    replicated: (count) =>
      until(async () => {
        const info = await (await primary()).admin.info('replication');
        return info.includes('role:master') && info.split('state=online').length > count;
      }),
    close: async () => {
      await Promise.all([...servers, ...sentinels].map((server) => server.kill()));
    },
  };
  await group.replicated(2);
  await until(async () => {
    const known = await Promise.all(
      sentinels.map(
        async ({ admin }) => (await admin.call('SENTINEL', 'sentinels', SENTINEL_NAME)) as unknown[],
      ),
    );
    const replicas = await Promise.all(
      sentinels.map(
        async ({ admin }) => (await admin.call('SENTINEL', 'replicas', SENTINEL_NAME)) as unknown[],
      ),
    );
    return known.every(({ length }) => length === 2) && replicas.every(({ length }) => length === 2);
  });
  return group;
}

export interface RedisCluster {
  /** Three primaries, then a replica of each. */
  readonly nodes: RedisProcess[];
  readonly addresses: readonly string[];
  /** The place of the primary of this third of the slots. */
  primaryAt(third: number): Promise<number>;
  /** Answers when every primary has a replica that is in step. */
  replicated(): Promise<void>;
  /** Kills the primary at this place; when a replica has taken over, it comes back as a replica. */
  failOver(at: number): Promise<void>;
  /** Moves a slot, key by key, and calls `halfway` when some keys have moved and the slot has not. */
  moveSlot(slot: number, halfway: () => Promise<void>, to?: RedisProcess): Promise<void>;
  /** A primary without slots that joins. */
  join(): Promise<RedisProcess>;
  close(): Promise<void>;
}

const SLOTS = 16_384;

/** A Cluster of six nodes that gives a primary a second. */
export async function startRedisCluster({
  lines: more = [],
}: Pick<RedisProcessOptions, 'lines'> = {}): Promise<RedisCluster> {
  const lines = [
    ...['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-replica-validity-factor 0'],
    ...more,
  ];
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startRedis({ lines })));
  const [first, ...others] = nodes;
  if (first === undefined) throw new Error('there are no nodes');
  await Promise.all(nodes.map(({ admin }, at) => admin.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1)));
  await Promise.all(others.map(({ port }) => first.admin.call('CLUSTER', 'MEET', '127.0.0.1', port)));
  await Promise.all(
    nodes.slice(0, 3).map(({ admin }, at) => {
      const [low, end] = [Math.ceil((at * SLOTS) / 3), Math.ceil(((at + 1) * SLOTS) / 3)];
      return admin.call('CLUSTER', 'ADDSLOTSRANGE', low, end - 1);
    }),
  );
  const ids = await Promise.all(nodes.map(async ({ admin }) => String(await admin.call('CLUSTER', 'MYID'))));
  await until(async () => {
    const known = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'NODES')));
    return known.every((text) => ids.every((id) => String(text).includes(id)));
  });
  await Promise.all(nodes.slice(3).map(({ admin }, at) => admin.call('CLUSTER', 'REPLICATE', ids[at] ?? '')));
  await inStep(nodes);
  const primaryAt = async (third: number) => {
    const lines = String(await nodes[0]?.admin.call('CLUSTER', 'NODES')).split('\n');
    const slots = ` ${Math.ceil((third * SLOTS) / 3)}-`;
    const line = lines.find((one) => one.includes(slots) && !one.includes('fail')) ?? '';
    return nodes.findIndex(({ port }) => line.includes(`:${port}@`));
  };
  const joined: RedisProcess[] = [];
  return {
    nodes,
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    primaryAt,
    replicated: () => inStep(nodes),
    async failOver(at) {
      const killed = nodes[at];
      if (killed === undefined) throw new Error('no such node');
      await killed.kill();
      const others = nodes.filter((node) => node !== killed);
      await until(async () => {
        const text = await Promise.all(others.map(({ admin }) => admin.call('CLUSTER', 'NODES')));
        return text.every((lines) => countPrimaries(String(lines), killed.port) === 3);
      });
      nodes[at] = await killed.restart();
    },
    async moveSlot(slot, halfway, to) {
      const own = Math.floor((slot * 3) / SLOTS);
      const thirds = await Promise.all([own, (own + 1) % 3, (own + 2) % 3].map(primaryAt));
      const [from, next, other] = thirds.map((at) => nodes[at]).filter((node) => node !== undefined);
      const all = [from, to ?? next, next, other].filter((node) => node !== undefined);
      await moveSlot(slot, all, halfway);
    },
    async join() {
      const node = await startRedis({ lines });
      joined.push(node);
      await first.admin.call('CLUSTER', 'MEET', '127.0.0.1', node.port);
      const knows = async ({ admin }: RedisProcess) =>
        String(await admin.call('CLUSTER', 'NODES')).split('\n').length > 7;
      await until(async () => (await Promise.all([...nodes, node].map(knows))).every(Boolean));
      await until(async () => String(await node.admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
      return node;
    },
    close: async () => {
      await Promise.all([...nodes, ...joined].map((node) => node.kill()));
    },
  };
}

async function inStep(nodes: readonly RedisProcess[]): Promise<void> {
  await until(async () => {
    const states = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'INFO')));
    const links = await Promise.all(nodes.map(({ admin }) => admin.info('replication')));
    return (
      states.every((state) => String(state).includes('cluster_state:ok')) &&
      links.filter((link) => link.includes('master_link_status:up')).length === nodes.length / 2
    );
  });
}

/** Primaries that have slots, without the one that was killed: its failure is not seen at once. */
function countPrimaries(nodes: string, killed: number): number {
  return nodes
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, address = '', flags = '', , , , , , slots]) => {
      return flags.includes('master') && slots !== undefined && !address.includes(`:${killed}@`);
    }).length;
}

async function moveSlot(
  slot: number,
  [from, to, ...others]: readonly RedisProcess[],
  halfway: () => Promise<void>,
): Promise<void> {
  if (from === undefined || to === undefined) throw new Error('no such slot');
  const [fromId, toId] = [await from.admin.call('CLUSTER', 'MYID'), await to.admin.call('CLUSTER', 'MYID')];
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId));
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId));
  const move = async (count: number) => {
    const keys = (await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, count)) as string[];
    if (keys.length > 0) {
      await from.admin.call('MIGRATE', '127.0.0.1', to.port, '', 0, 1000, 'KEYS', ...keys);
    }
    return keys.length;
  };
  await move(1);
  await halfway();
  while ((await move(100)) > 0);
  for (const { admin } of [to, from, ...others]) {
    await admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(toId));
  }
}

/** Answers when it is so; a fault on the way to it counts as not yet. */
export async function until(isSo: () => Promise<boolean>, seconds = 20): Promise<void> {
  for (let attempt = 0; attempt < seconds * 20; attempt += 1) {
    if (await isSo().catch(() => false)) return;
    await sleep(50);
  }
  throw new Error('it did not come to that in time');
}
