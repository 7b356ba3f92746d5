import { type Redis, ReplyError } from 'ioredis';
import type { RedisPrimaries } from './redis-primaries.ts';
import type { RedisScript } from './redis-scripts.ts';

export interface ScriptCall {
  readonly script: RedisScript;
  /** The first decides the slot. */
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** The time of one operation of the store. A call that waits when the time is over is never sent. */
export interface Budget {
  isOver: boolean;
}

/** Runs scripts on the primaries in groups. One wait for the replicas serves a whole group. */
export interface RedisGroupWrite {
  /** The answer of the script, when enough replicas have its writes. Rethrows the errors of ioredis and of Redis. */
  run(call: ScriptCall, budget: Budget): Promise<unknown>;
}

interface Pending extends ScriptCall {
  readonly budget: Budget;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** The server does not have the script, so the text is sent. */
  withText: boolean;
  /** The slot is moving to the node that this call goes to (ASK). */
  isAsking: boolean;
  /** How often the call was sent again; each time Redis had answered that it did not run the script. */
  resent: number;
}

interface Queue {
  readonly waiting: Pending[];
  isBusy: boolean;
}

/** Scripts of one group; bounds the time for which a group keeps Redis busy. */
const MAX_GROUP = 256;
const MAX_RESENT = 10;
const TRY_AGAIN_MILLISECONDS = 50;

/**
 * One group at a time is in flight to each primary. WAIT is the last command of the group, on the same connection, since
 * WAIT counts the writes of that connection only. Later calls wait in this queue, where they can still be dropped
 * when their time is over. In a socket Redis would run them later.
 *
 * Calls of a script that takes several at once become one command, except in a Cluster. Each call decides about its own
 * key only.
 *
 * A script is sent again only when Redis answers that it did not run the script: NOSCRIPT, MOVED, ASK, TRYAGAIN.
 */
export function createRedisGroupWrite(primaries: RedisPrimaries, wait: Wait): RedisGroupWrite {
  const queues = new WeakMap<Redis, Queue>();

  const enqueue = (pending: Pending, redis: Redis | undefined) => {
    if (redis === undefined) {
      pending.reject(new Error('no connection to the primary'));
      return;
    }
    const queue = queues.get(redis) ?? { waiting: [], isBusy: false };
    queues.set(redis, queue);
    queue.waiting.push(pending);
    if (queue.isBusy) return;
    queue.isBusy = true;
    // The calls of one turn of the event loop form one group.
    setImmediate(() => void drain(redis, queue));
  };

  const drain = async (redis: Redis, queue: Queue) => {
    while (queue.waiting.length > 0) {
      const group = queue.waiting.splice(0, MAX_GROUP).filter(isInTime);
      const isLost =
        group.length > 0 && (await send(redis, group, { wait, mayJoin: !primaries.isCluster, sendAgain }));
      // The waiting calls are refused too: on a connection that does not answer, Redis might run them much later.
      if (isLost && redis.status === 'ready') redis.disconnect(true);
    }
    queue.isBusy = false;
  };

  const sendAgain = (pending: Pending, error: Error) => {
    const [name, , address = ''] = error.message.split(' ');
    const [key = ''] = pending.keys;
    const toPrimary = () => enqueue(pending, primaries.primaryOf(key));
    pending.resent += 1;
    if (pending.resent > MAX_RESENT) pending.reject(error);
    else if (name === 'NOSCRIPT') {
      pending.withText = true;
      toPrimary();
    } else if (name === 'MOVED' || name === 'ASK') {
      const target = primaries.redirected(key, address);
      pending.isAsking = name === 'ASK' && target !== undefined;
      if (target === undefined) setTimeout(toPrimary, TRY_AGAIN_MILLISECONDS);
      else enqueue(pending, target);
    } else if (name === 'TRYAGAIN') setTimeout(toPrimary, TRY_AGAIN_MILLISECONDS);
    else pending.reject(error);
  };

  return {
    run: (call, budget) =>
      new Promise((resolve, reject) => {
        const pending = { ...call, budget, resolve, reject, withText: false, isAsking: false, resent: 0 };
        enqueue(pending, primaries.primaryOf(call.keys[0] ?? ''));
      }),
  };
}

function isInTime({ budget, reject }: Pending): boolean {
  if (budget.isOver) reject(new Error('its time is over'));
  return !budget.isOver;
}

interface Wait {
  readonly replicas: number;
  readonly milliseconds: number;
}

interface Sending {
  readonly wait: Wait;
  /** A script must not touch keys of several slots. */
  readonly mayJoin: boolean;
  /** Takes the calls that Redis did not run. */
  readonly sendAgain: (pending: Pending, error: Error) => void;
}

/** One command for Redis: one call, or several calls of a script that takes them together. */
interface Command {
  readonly script: RedisScript;
  readonly calls: readonly Pending[];
  readonly withText: boolean;
  readonly isAsking: boolean;
}

function commandsOf(group: readonly Pending[], mayJoin: boolean): readonly Command[] {
  const commands: (Command & { readonly calls: Pending[] })[] = [];
  for (const call of group) {
    const { script, withText, isAsking } = call;
    const joined = mayJoin && script.takesSeveral;
    const known = joined
      ? commands.find((command) => command.script === script && command.withText === withText)
      : undefined;
    if (known === undefined) commands.push({ script, calls: [call], withText, isAsking });
    else known.calls.push(call);
  }
  return commands;
}

/** True when the connection failed, rather than Redis. */
async function send(
  redis: Redis,
  group: readonly Pending[],
  { wait, mayJoin, sendAgain }: Sending,
): Promise<boolean> {
  try {
    const commands = commandsOf(group, mayJoin);
    const { replies, acknowledged } = await exchange(redis, commands, wait);
    for (const [at, { script, calls }] of commands.entries()) {
      const [error, reply] = replies[at] ?? NO_ANSWER;
      const answers = script.takesSeveral ? (reply as readonly unknown[]) : [reply];
      for (const [call, pending] of calls.entries()) {
        if (error !== null) sendAgain(pending, error);
        else if (acknowledged < wait.replicas) pending.reject(unacknowledged(acknowledged, wait.replicas));
        else pending.resolve(answers[call]);
      }
    }
    return replies.some(([error]) => error !== null && !(error instanceof ReplyError));
  } catch (error) {
    for (const { reject } of group) reject(error);
    return true;
  }
}

type Reply = readonly [error: Error | null, reply: unknown];

const NO_ANSWER: Reply = [new Error('no answer'), undefined];

async function exchange(
  redis: Redis,
  commands: readonly Command[],
  wait: Wait,
): Promise<{ readonly replies: readonly Reply[]; readonly acknowledged: number }> {
  if (redis.status !== 'ready') throw new Error('the connection to the primary is lost');
  const pipeline = redis.pipeline();
  const places = commands.map(({ script, calls, withText, isAsking }) => {
    if (isAsking) pipeline.asking();
    const keys = calls.flatMap((call) => call.keys);
    const args = calls.flatMap((call) => call.args);
    if (withText) pipeline.eval(script.lua, keys.length, ...keys, ...args);
    else pipeline.evalsha(script.sha, keys.length, ...keys, ...args);
    return pipeline.length - 1;
  });
  if (wait.replicas > 0) pipeline.wait(wait.replicas, wait.milliseconds);
  const replies = (await pipeline.exec()) ?? [];
  const [waitError, acknowledged] = wait.replicas > 0 ? (replies.at(-1) ?? []) : [null, 0];
  return {
    replies: places.map((place) => replies[place] ?? NO_ANSWER),
    acknowledged: waitError == null ? Number(acknowledged) : 0,
  };
}

function unacknowledged(found: number, wanted: number): Error {
  return new Error(`${found} of ${wanted} replicas have the write`);
}
