import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openBank } from '../../durability/bank.ts';
import { openBehindNginx } from '../gateway/behind-nginx.ts';
import { gatewayFlow } from '../gateway/gateway-flow.ts';
import { JOURNEY_BANK } from '../journeys/bank-module.ts';
import type { JourneyBurst, JourneyTally } from '../journeys/walker.ts';
import { pin, startBare, startGenerator, startOwn } from '../tokens/contenders.ts';
import { type Comparison, compare, type Flow, tableOf } from './compare.ts';
import { type Pair, requestFlows } from './requests.ts';

/*
 * All that a bank's server does in a day: each flow over mTLS with every check on, tokens and records in SQLite, the log
 * in a file, beside bare oidc-provider with its in-memory adapter, in turns. Every server has one core, and load,
 * responders and customers have the other. Each flow is warm before its first round: the table has the medians of the
 * rounds, and the least CPU. Words after the name: rounds, seconds, and parts of the names of the flows that are wanted.
 */
const [, , , rounds = '3', seconds = '2', ...wanted] = process.argv;
const [SERVERS, LOAD] = [0, 1];
const WARM = { warmOperations: 10_000, warmSeconds: 8 };
const CODE_FLOWS_WARM = { warmOperations: 800, warmSeconds: 20 };
const CUSTOMERS_AT_ONCE = 16;

const bank = await openBank();
const generator = startGenerator(bank);
const walker = fork(fileURLToPath(new URL('../journeys/walker.ts', import.meta.url)), { execArgv: [] });
const behindNginx = await openBehindNginx(bank.folder);
const pairOf = async (format: 'jwt' | 'opaque'): Promise<Pair> => ({
  reference: await startBare(bank, format),
  own: await startOwn(bank, `ours, SQLite, ${format}`, {
    ...{ bankModule: JOURNEY_BANK, accessToken: { format } },
    storage: { file: `${format}.sqlite`, secretFile: 'bank.secret' },
  }),
});
const pairs = { jwt: await pairOf('jwt'), opaque: await pairOf('opaque') };
const servers = [pairs.jwt, pairs.opaque, { reference: behindNginx.alone, own: behindNginx.guarded }].flatMap(
  ({ reference, own }) => [reference, own],
);
process.once('exit', () => {
  for (const { child } of servers) child.kill('SIGKILL');
});
for (const { child, besides = [] } of servers) pin(SERVERS, child.pid, ...besides);
pin(LOAD, process.pid, generator.pid, walker.pid);

let customers = 0;
const codeFlow: Flow = {
  name: 'whole code flow: PAR, password, consent, code, token',
  ...pairs.jwt,
  warm: CODE_FLOWS_WARM,
  prepare: async (to) => async (time) => {
    customers += 1_000_000;
    const answer = once(walker, 'message');
    walker.send({
      ...{ description: bank.description, ports: to.ports, seconds: time, atOnce: CUSTOMERS_AT_ONCE },
      ...{ firstCustomer: customers, way: to === pairs.jwt.reference ? 'bare' : 'password' },
    } satisfies JourneyBurst);
    const [{ errors, ...tally }] = (await answer) as [JourneyTally];
    return { ...tally, errors: errors.length, firstError: errors[0] };
  },
};

const flows = [...requestFlows(bank, generator, pairs), codeFlow, gatewayFlow(behindNginx, generator)];
const chosen = flows.filter(({ name }) => wanted.length === 0 || wanted.some((one) => name.includes(one)));
if (chosen.length === 0) console.log(`no such flow; there are:\n${flows.map(({ name }) => name).join('\n')}`);
const comparisons: Comparison[] = [];
for (const flow of chosen) {
  try {
    const comparison = await compare(flow, { rounds: Number(rounds), seconds: Number(seconds), ...WARM });
    comparisons.push(comparison);
    const { reference, own, seconds: took } = comparison.warmed;
    console.log(`${flow.name}: warm after ${reference} and ${own} operations, ${took.toFixed(0)} s`);
  } catch (error) {
    // The other flows are still worth a table.
    console.log(`${flow.name}: not measured: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
console.log(tableOf(comparisons));
console.log(`load average ${loadavg()[0]?.toFixed(1)}`);
generator.close();
walker.kill();
await behindNginx.close();
await bank.close();
process.exit();
