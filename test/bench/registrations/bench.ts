import { openBank } from '../../durability/bank.ts';
import { startLoad } from './contenders.ts';
import { addTpps } from './many-tpps.ts';
import { measureClients } from './measure-clients.ts';
import { measureRegistrations } from './measure-registrations.ts';

/*
 * `POST /register` over mutual TLS on SQLite with every check on, by the statement profiles `certificate` and `uk-obie`, beside the
 * registration of bare oidc-provider in memory; and a server with 100,000 clients in its store beside one with 10: start, tokens,
 * memory. 100 TPPs with a certificate and a kept connection each, 16 requests at once, load in a process of its own.
 * Words after the name: `registrations`, `tokens` or `all`; rounds; seconds; flags for the servers' Node (`--cpu-prof`).
 */
const [, , , part = 'all', rounds = '3', seconds = '4', ...flags] = process.argv;
const TPPS = 100;

const bank = await openBank();
const bench = {
  bank,
  tpps: await addTpps(bank, TPPS),
  load: startLoad(bank),
  rounds: Number(rounds),
  seconds: Number(seconds),
  flags,
};
if (part !== 'tokens') await measureRegistrations(bench);
if (part !== 'registrations') await measureClients(bench);
bench.load.close();
await bank.close();
process.exit();
