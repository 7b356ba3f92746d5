import type { Config } from '../../configuration/config.ts';
import { alsoTo, type Log } from '../../events.ts';
import { createLog } from '../../log.ts';
import { Metrics } from './metrics.ts';

/** The metrics of a process, and the log whose events they count. */
export interface OpenedMetrics {
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Metrics count the events of `log`; where the caller has metrics already, their sink is one of that log. */
export function openMetrics(
  config: Pick<Config, 'logLevel' | 'metrics'>,
  given: Partial<OpenedMetrics> = {},
): OpenedMetrics {
  const metrics = given.metrics ?? new Metrics({ hasTppLabel: config.metrics.tppLabel });
  if (given.log === undefined) {
    return { metrics, log: createLog({ level: config.logLevel, sinks: [metrics.sink] }) };
  }
  return { metrics, log: given.metrics === undefined ? alsoTo(given.log, metrics.sink) : given.log };
}
