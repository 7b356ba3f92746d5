import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type AuditGate, OPEN_GATE } from '../../audit/audit-gate.ts';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { Store } from '../../storage/store.ts';
import { openAudit } from './opened-audit.ts';

interface CommandParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly openStore: (
    storage: Config['storage'],
    parts: Pick<CommandParts, 'clock' | 'log'>,
  ) => Promise<Store>;
}

/** The log of a command that changes the store, and the rule of its audit record. */
export interface CommandRecord {
  /** Writes audited events to the record too. */
  readonly log: Log;
  readonly gate: AuditGate;
}

/**
 * Runs a command that changes the store. With an audit record in the configuration, the command writes a separate chain of
 * lines, and closes the chain at its end. The store is opened for the checkpoints only.
 *
 * @throws ERR_CONFIG_INVALID when the user of the command could write files that the servers cannot read
 * @throws ERR_AUDIT_UNAVAILABLE when the change was made, and its lines could not be written
 */
export async function recorded<T>(
  config: Pick<Config, 'audit' | 'storage'>,
  { clock, log: own, openStore }: CommandParts,
  work: (record: CommandRecord) => Promise<T>,
): Promise<T> {
  if (config.audit !== undefined) await assertUserOfRecord(config.audit);
  const { audit, log } = await openAudit(config.audit, { clock, log: own });
  if (audit === undefined) return work({ log, gate: OPEN_GATE });
  const store = await openStore(config.storage, { clock, log }).catch(async (error: unknown) => {
    await audit.close();
    throw error;
  });
  try {
    audit.start({ log, store });
    const result = await work({ log, gate: audit });
    await audit.durable();
    return result;
  } finally {
    await audit.close();
    await store.close();
  }
}

/** Files of the record have the mode 0600: another user than that of the servers would write what no server can read. */
async function assertUserOfRecord({ folder, signingKeyFile }: NonNullable<Config['audit']>): Promise<void> {
  const user = process.getuid?.();
  if (user === undefined) return;
  const places = [
    ...(folder === undefined ? [] : [{ path: 'audit.folder', file: (await newestIn(folder)) ?? folder }]),
    { path: 'audit.signingKeyFile', file: signingKeyFile },
  ];
  for (const { path, file } of places) {
    const owner = await ownerOf(file);
    // A folder of root may be one that the group of the servers can write to.
    if (owner === user || (owner === 0 && user !== 0)) continue;
    const message = `belongs to the user ${owner}, and this command runs as ${user}: run it as that user, so that servers can read its lines`;
    throw invalidConfig('the configuration', [{ path, message }]);
  }
}

async function newestIn(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const name = names
    .filter((one) => one.endsWith('.jsonl'))
    .toSorted()
    .at(-1);
  return name === undefined ? undefined : join(folder, name);
}

/** Of the file; of the nearest folder that would hold it, where there is none. */
async function ownerOf(file: string): Promise<number> {
  try {
    return (await stat(file)).uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return ownerOf(dirname(file));
  }
}
