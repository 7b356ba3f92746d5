import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { createLog, parseConfig, startServer, systemClock } from '../../src/index.ts';
import { demoAspsp } from '../../src/sandbox/bank/customers.ts';
import { openRedisStore } from '../../src/storage/redis/redis.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { type BankQuestion, type BankReply, replyTo } from './commands/bank-questions.ts';
import { type Gate, gatedStore } from './gated-store.ts';

/*
 * A server process of its own, as a bank runs it, but for its store: the test may stop the process at a named
 * operation, to let something else happen first or to kill it there.
 */
export type Command = Gate | BankQuestion | 'release' | 'trace' | 'end trace';
export type Report =
  | { readonly parkedAt: string }
  | { readonly operations: readonly string[] }
  | BankReply
  | 'ready';

const [, , file = ''] = process.argv;
const folder = new URL('.', `file://${file}`).pathname;
const config = parseConfig(JSON.parse(readFileSync(file, 'utf8')), { source: file, folder });
const log = createLog({ destination: pino.destination({ dest: `${file}.log` }), level: 'info' });
const parts = { clock: systemClock, log };
const { redis, file: sqlite = '' } = config.storage;
const tell = (report: Report) => void process.send?.(report);
const gated = gatedStore(
  await (redis === undefined
    ? openSqliteStore({ file: sqlite, ...parts })
    : openRedisStore({ settings: redis, ...parts })),
  (parkedAt) => tell({ parkedAt }),
);
const server = await startServer(config, { aspsp: demoAspsp(), log, store: gated.store });
process.on('message', (command: Command) => {
  if (command === 'release') gated.release();
  else if (command === 'trace') gated.trace();
  else if (command === 'end trace') tell({ operations: gated.trace() });
  else if ('ask' in command) void replyTo(command, server).then(tell);
  else gated.arm(command);
});
process.once('SIGTERM', () => {
  void server.close().then(() => process.disconnect?.());
});
// The test is gone.
process.once('disconnect', () => process.exit());
tell('ready');
