import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import type { Log } from '../../events.ts';
import { readRedisState, type RedisState } from '../../storage/redis/redis-state.ts';
import { judgeDrift } from './clock-drift.ts';
import type { Check, Findings } from './findings.ts';

/** Parts of `maxmemory` from which the end is near: without eviction Redis then refuses each write. */
const MUCH_MEMORY = 0.8;
const ALL_MEMORY = 0.95;

export function redisCheck({ storage: { redis } }: Pick<Config, 'storage'>): Check {
  return {
    name: 'redis',
    advice:
      'mend what is named: a way to storage.redis with its password and certificate, Redis 6.2 or later, maxmemory-policy noeviction, appendonly yes (docs/operate.md)',
    run: async (findings) => {
      if (redis === undefined) return;
      const asked = systemClock.now();
      const state = await readRedisState(redis, settingsOf(findings.log));
      const { version = 'of a version that is not disclosed', replicas, time } = state;
      findings.ok(`Redis ${version} answers, and evicts no key`);
      if (replicas !== undefined && replicas < redis.waitReplicas) {
        const message = `${replicas} replicas are connected, and each write waits for ${redis.waitReplicas}`;
        findings.problem(message, 'connect the replicas, or lower storage.redis.waitReplicas');
      }
      judgePersistence(state, findings);
      judgeMemory(state, findings);
      if (time === undefined) return;
      judgeDrift(findings, { whose: 'the clock of Redis', other: time, asked, answered: systemClock.now() });
    },
  };
}

/** Risky settings alone: every other event of the start ends in the refusal of the start. */
function settingsOf(log: Log): Log {
  return {
    emit: (name, ...fields) => {
      if (name === 'storage.redis.server') log.emit(name, ...fields);
    },
  };
}

function judgePersistence({ flush, hasFailedWrite }: RedisState, findings: Findings): void {
  if (hasFailedWrite) {
    findings.problem('Redis could not write its append-only file', 'make room on the disk of Redis');
  }
  if (flush !== undefined && flush !== 'always') {
    const lost = flush === 'everysec' ? 'up to two seconds of' : 'what the kernel holds of';
    const message = `appendfsync is ${flush}: a crash loses ${lost} acknowledged writes`;
    findings.warning(message, 'set appendfsync always, by CONFIG SET and in redis.conf');
  }
}

function judgeMemory({ memory }: RedisState, findings: Findings): void {
  if (memory === undefined) return;
  const { usedBytes, limitBytes } = memory;
  const part = usedBytes / limitBytes;
  const shown = `Redis uses ${Math.round(part * 100)} % of its maxmemory of ${Math.round(limitBytes / 1024)} kB`;
  const advice = 'raise maxmemory: at its end Redis refuses each write';
  if (part >= ALL_MEMORY) findings.problem(shown, advice);
  else if (part >= MUCH_MEMORY) findings.warning(shown, advice);
  else findings.ok(shown);
}
