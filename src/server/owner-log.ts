import { systemClock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { openAudit } from './audit/opened-audit.ts';
import { type OpenedMetrics, openMetrics } from './metrics/opened-metrics.ts';
import { openStore } from './opened-store.ts';

/** The log of the process that owns the ports, and its metrics. */
export interface OpenedOwnerLog extends OpenedMetrics {
  /** Ends the chain of this process in the audit record. */
  close(): Promise<void>;
}

/**
 * Opens the log of the process that owns the ports. Where the configuration has an audit record, this process writes a
 * chain there. The chain reports the lists that the process reads for the workers, the ends of workers, changes of the
 * configuration, and requests that the management listener refuses. The store is opened for the checkpoints only.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openOwnerLog(
  config: Pick<Config, 'audit' | 'logLevel' | 'metrics' | 'storage'>,
): Promise<OpenedOwnerLog> {
  const opened = openMetrics(config);
  const { audit, log } = await openAudit(config.audit, { clock: systemClock, log: opened.log });
  if (audit === undefined) return { ...opened, close: async () => undefined };
  try {
    const store = await openStore(config.storage, { clock: systemClock, log });
    audit.start({ log, store });
    return {
      ...opened,
      log,
      close: async () => {
        await audit.close();
        await store.close();
      },
    };
  } catch (error) {
    await audit.close();
    throw error;
  }
}
