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

/** New metrics, which count the events of the log that is given, or of a new one. */
export function openMetrics(config: Pick<Config, 'logLevel' | 'metrics'>, given?: Log): OpenedMetrics {
  const metrics = new Metrics({ hasTppLabel: config.metrics.tppLabel });
  const logLevel = new LogLevel(config.logLevel);
  if (given === undefined) {
    return { metrics, logLevel, log: createLog({ level: logLevel, sinks: [metrics.sink, traceRefusal] }) };
  }
  return { metrics, logLevel, log: alsoTo(alsoTo(given, metrics.sink), traceRefusal) };
}

/** The code of a refusal, at the span of its request. */
export const traceRefusal: EventSink = (_name, _definition, { status, error }) => {
  if (error !== undefined && status !== undefined)
    tracing().note({ 'error.type': labelValue('error', error) });
};
