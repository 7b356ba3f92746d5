import type { Config } from '../../configuration/config.ts';
import { alsoTo, type EventSink, type Log } from '../../events.ts';
import { createLog } from '../../log.ts';
import { LogLevel } from '../../logging/log-level.ts';
import { tracing } from '../../tracing.ts';
import { labelValue } from './label-values.ts';
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
    return { metrics, logLevel, log: createLog({ level: logLevel, sinks: [metrics.sink, traceRefusal] }) };
  }
  if (given.metrics !== undefined) return { metrics, logLevel, log: given.log };
  return { metrics, logLevel, log: alsoTo(alsoTo(given.log, metrics.sink), traceRefusal) };
}

/** The code of a refusal, at the span of its request. */
export const traceRefusal: EventSink = (_name, _definition, { status, error }) => {
  if (error !== undefined && status !== undefined)
    tracing().note({ 'error.type': labelValue('error', error) });
};
