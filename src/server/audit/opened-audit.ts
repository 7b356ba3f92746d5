import { Audit } from '../../audit/audit.ts';
import { EndedChains } from '../../audit/ended-chains.ts';
import { FolderOutput } from '../../audit/folder-output.ts';
import { openAuditKey } from '../../audit/line/signing-key.ts';
import { newestOfFolder, newestOfStreams } from '../../audit/newest-checkpoint.ts';
import type { AuditSource } from '../../audit/reading/audit-source.ts';
import { FolderSource } from '../../audit/reading/folder-source.ts';
import { StreamSource } from '../../audit/reading/stream-source.ts';
import { StreamOutput } from '../../audit/stream-output.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { alsoTo, type Log } from '../../events.ts';
import { RedisStreams } from '../../storage/redis/redis-streams.ts';

/** The log of a server, and its audit record where the configuration has one. */
export interface OpenedAudit {
  /** Writes audited events to the record too. */
  readonly log: Log;
  readonly audit: Audit | undefined;
}

/**
 * Opens the audit record.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openAudit(
  config: Config['audit'],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<OpenedAudit> {
  if (config === undefined) return { log, audit: undefined };
  const { folder, redis } = config;
  const key = await openAuditKey(config.signingKeyFile);
  const streams = redis && (await RedisStreams.open(redis, log));
  const audit = await Audit.open({
    key,
    findNewest: () => (streams === undefined ? newestOfFolder(folder ?? '') : newestOfStreams(streams)),
    isRequired: config.required,
    clock,
    endedChains: folder === undefined ? undefined : new EndedChains(folder, clock),
    openOutput: async (process) => {
      if (streams !== undefined) return StreamOutput.open(streams, process);
      const rotateBytes = config.rotateMegabytes * 1024 * 1024;
      const rotateSeconds = config.rotateHours * 3600;
      return FolderOutput.open({ folder: folder ?? '', process, rotateBytes, rotateSeconds, clock });
    },
  });
  return { audit, log: alsoTo(log, audit.sink) };
}

/** The record of a configuration, for reading. @throws ERR_STORAGE_UNAVAILABLE */
export async function openAuditSource(
  { folder, redis }: Pick<NonNullable<Config['audit']>, 'folder' | 'redis'>,
  log: Log,
): Promise<AuditSource> {
  if (redis !== undefined) return new StreamSource(await RedisStreams.open(redis, log));
  return new FolderSource(folder ?? '');
}
