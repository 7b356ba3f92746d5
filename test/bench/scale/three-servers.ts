import { loadavg } from 'node:os';
import { median } from '../tokens/contenders.ts';
import { checkAcross } from './across-servers.ts';
import { type Burden, ClusterLoad, type Spread } from './cluster-load.ts';
import { openClusterSite, type Servers } from './cluster-site.ts';

/** The costs that docs/scale.md computes with, in milliseconds of CPU. */
const MODEL = { token: 0.28, introspection: 0.25, journey: 13 } as const;
/** Each primary has a third of the slots. */
const LEAST_SHARE = 0.25;
const MOST_SHARE = 0.42;
const REST_SECONDS = 5;
/** A journey is of a dozen requests. */
const JOURNEY_SECONDS = 6;
const PRIMARIES = 3;
const NAMES = {
  token: 'opaque token',
  introspection: 'introspection of a token of another server',
  revocation: 'revocation of a token of another server',
  jwt: 'JWT',
  journey: 'journey of a customer',
} as const;
type Work = keyof typeof NAMES;

interface Pair {
  readonly one: Burden;
  readonly three: Burden;
}
/** The amount is that of requests to each server, of a journey that of seconds. */
type Send = (spread: Spread, amount: number) => Promise<Burden>;

/**
 * Three servers of one issuer on a Cluster of six nodes: what one did the others know, and whether work costs the same
 * on three as on one. Words: rounds, requests to each server in a round.
 */
export async function measure([rounds = '2', requests = '2000']: readonly string[]): Promise<void> {
  const site = await openClusterSite();
  const servers = await site.servers('opaque');
  const jwt = await site.servers('jwt');
  console.log('| at one server | at the two others after |\n|---|---|');
  for (const { name, milliseconds } of await checkAcross(site.bank, servers, jwt))
    console.log(`| ${name} | ${milliseconds.toFixed(0)} ms |`);
  const load = new ClusterLoad(site.bank, site.cluster, servers);
  const rest = await load.rest(REST_SECONDS);
  const inTurns = await measured(
    {
      token: (spread, time) => load.issue(spread, time),
      introspection: (spread, time) => load.introspections(spread, time),
      revocation: (spread, time) => load.revocations(spread, time),
      jwt: (spread, time) => load.issue(jwtOf(spread), time),
    },
    { servers, rounds: Number(rounds), amount: Number(requests) },
  );
  const journey: Send = (spread, time) => load.journeys(spread, time);
  const rows = [
    ...inTurns,
    ...(await measured({ journey }, { servers, rounds: 1, amount: JOURNEY_SECONDS })),
  ];
  console.log(`\n${tableOf(rows)}`);
  console.log(`\n${nodesOf(rows.flatMap(({ pairs }) => pairs))}`);
  const [commands, cpu] = [rest.commands, rest.cpuSeconds].map((values) => sum(values.slice(0, PRIMARIES)));
  console.log(
    `\nWithout a request, and not counted above: ${commands?.toFixed(0)} commands a second to the primaries of two times three servers, ${((cpu ?? 0) * 100).toFixed(1)} % of a core`,
  );
  const burdens = rows.flatMap(({ pairs }) => pairs.flatMap(({ one, three }) => [one, three]));
  const [served, refused] = [burdens.map(({ count }) => count), burdens.map((burden) => burden.refused)].map(
    sum,
  );
  console.log(`\n${served} served, ${refused} refused; load average ${loadavg()[0]?.toFixed(1)}`);
  load.close();
  await site.close();

  function jwtOf(spread: Spread): Spread {
    return spread.map(({ to }) => {
      const server = jwt[servers.indexOf(to)] ?? jwt[0];
      return { to: server, tokensOf: server };
    });
  }
}

/** All three, each asked about the tokens of the one before. */
function all(servers: Servers): Spread {
  const [first, second, third] = servers;
  return [
    { to: first, tokensOf: third },
    { to: second, tokensOf: first },
    { to: third, tokensOf: second },
  ];
}

interface Row {
  readonly work: Work;
  readonly pairs: readonly Pair[];
}

/** One server and three in turns; the one is asked about tokens of the second. */
async function measured(
  works: Readonly<Partial<Record<Work, Send>>>,
  {
    servers,
    rounds,
    amount,
  }: { readonly servers: Servers; readonly rounds: number; readonly amount: number },
): Promise<readonly Row[]> {
  const one: Spread = [{ to: servers[0], tokensOf: servers[1] }];
  const found: { readonly work: Work; readonly pair: Pair }[] = [];
  // The first round, and one of three servers before it, are for the compiler of the engine.
  for (const send of Object.values(works)) await send(all(servers), amount);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [work, send] of Object.entries(works) as [Work, Send][]) {
      const three = await send(all(servers), amount);
      const pair = { three, one: await send(one, amount) };
      if (round > 0) found.push({ work, pair });
    }
  }
  return (Object.keys(works) as Work[]).map((work) => ({
    work,
    pairs: found.filter((each) => each.work === work).map(({ pair }) => pair),
  }));
}

function tableOf(rows: readonly Row[]): string {
  const heads = [
    ...[
      'CPU of a server for each',
      'model',
      'one server',
      'three at once',
      'three / one',
      'a second, of three',
    ],
    ...['commands of the primaries, those of scripts too', 'CPU of the primaries', 'CPU of the replicas'],
  ];
  const lines = rows.map(({ work, pairs }) => {
    const of = (pick: (pair: Pair) => number) => median(pairs.map(pick));
    const cost = ({ serverCpuSeconds, count }: Burden) => (serverCpuSeconds / count) * 1000;
    const each = (values: (burden: Burden) => readonly number[], [from, to]: readonly [number, number]) =>
      of(({ three }) => sum(values(three).slice(from, to)) / three.count);
    const nodes = { primaries: [0, PRIMARIES], replicas: [PRIMARIES, 2 * PRIMARIES] } as const;
    const redis = (kind: keyof typeof nodes) =>
      `${Math.max(0, each(({ redis }) => redis.cpuSeconds, nodes[kind]) * 1e6).toFixed(0)} µs`;
    return [
      NAMES[work],
      work in MODEL ? `${MODEL[work as keyof typeof MODEL]} ms` : '',
      ...[of(({ one }) => cost(one)), of(({ three }) => cost(three))].map(
        (value) => `${value.toFixed(2)} ms`,
      ),
      of(({ one, three }) => cost(three) / cost(one)).toFixed(2),
      Math.round(of(({ three }) => three.count / three.seconds)).toLocaleString('en'),
      each(({ redis }) => redis.commands, nodes.primaries).toFixed(1),
      ...[redis('primaries'), redis('replicas')],
    ];
  });
  return [heads, heads.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}

/** @throws Error when a primary has much more or much less of the commands than its third */
function nodesOf(pairs: readonly Pair[]): string {
  const burdens = pairs.flatMap(({ one, three }) => [one, three]);
  const total = (values: (burden: Burden) => readonly number[]) =>
    Array.from({ length: 2 * PRIMARIES }, (_, at) => sum(burdens.map((burden) => values(burden)[at] ?? 0)));
  const commands = total(({ redis }) => redis.commands).slice(0, PRIMARIES);
  const cpu = total(({ redis }) => redis.cpuSeconds);
  const shares = commands.map((value) => value / sum(commands));
  const lines = shares.map((share, at) => {
    const ofCpu = ((cpu[at] ?? 0) / sum(cpu.slice(0, PRIMARIES))) * 100;
    return `| primary ${at + 1} | ${(share * 100).toFixed(1)} % | ${ofCpu.toFixed(1)} % |`;
  });
  const table = `| node | share of the commands | share of the CPU |\n|---|---|---|\n${lines.join('\n')}`;
  if (shares.some((share) => share < LEAST_SHARE || share > MOST_SHARE))
    throw new Error(`the keys are not spread over the primaries:\n${table}`);
  return table;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
