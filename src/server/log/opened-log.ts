import type { Audit } from '../../audit/audit.ts';
import { type Clock, systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { alsoTo, type Log } from '../../events.ts';
import { Activity } from '../../management/activity/activity.ts';
import { type OpenedMetrics, openMetrics } from '../metrics/opened-metrics.ts';
import { openAudit } from '../audit/opened-audit.ts';
import { openTracing } from '../tracing/opened-tracing.ts';

/** The log of a server, and every use of its events. */
export interface OpenedLog extends OpenedMetrics {
  readonly audit: Audit | undefined;
  readonly activity: Activity;
}

/**
 * Opens the log of a server with every use of its events: lines, metrics, the audit record, the figures of the console.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openLog(
  config: Config,
  { log: given, clock = systemClock }: { readonly log?: Log | undefined; readonly clock?: Clock | undefined },
): Promise<OpenedLog> {
  const { metrics, logLevel, log: counting } = openMetrics(config, given);
  const { audit, log: audited } = await openAudit(config.audit, { clock, log: counting });
  const activity = new Activity({ clock });
  const log = alsoTo(audited, activity.sink);
  await openTracing(log);
  return { metrics, logLevel, audit, activity, log };
}
