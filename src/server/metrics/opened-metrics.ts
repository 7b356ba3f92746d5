import type { Config } from '../../configuration/config.ts';
import { alsoTo, type Log } from '../../events.ts';
import { createLog } from '../../log.ts';
import { LogLevel } from '../../logging/log-level.ts';
import { Metrics } from './metrics.ts';

/** The metrics of a process, and the log whose events they count. */
export interface OpenedMetrics {
  readonly metrics: Metrics;
  readonly log: Log;
  /** Of that log, where it was made here. */
  readonly logLevel: LogLevel;
}

/** Metrics count the events of `log`; where the caller has metrics already, their sink is one of that log. */
export function openMetrics(
  config: Pick<Config, 'logLevel' | 'metrics'>,
  given: Partial<OpenedMetrics> = {},
): OpenedMetrics {
  const metrics = given.metrics ?? new Metrics({ hasTppLabel: config.metrics.tppLabel });
  const logLevel = given.logLevel ?? new LogLevel(config.logLevel);
  if (given.log === undefined) {
    return { metrics, logLevel, log: createLog({ level: logLevel, sinks: [metrics.sink] }) };
  }
  const log = given.metrics === undefined ? alsoTo(given.log, metrics.sink) : given.log;
  return { metrics, logLevel, log };
}
