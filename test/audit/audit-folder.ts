import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { Audit } from '../../src/audit/audit.ts';
import { EndedChains } from '../../src/audit/ended-chains.ts';
import { FolderOutput } from '../../src/audit/folder-output.ts';
import { newestOfFolder } from '../../src/audit/newest-checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { type Log, logTo } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../src/storage/store.ts';

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

/** A folder of the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-audit-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface AuditFolder {
  /** Where the record is. */
  readonly folder: string;
  readonly keyFile: string;
  readonly store: Store;
}

/** A folder for a record, and the store of its checkpoints. */
export async function openAuditFolder(): Promise<AuditFolder> {
  const folder = testFolder();
  const store = await openSqliteStore({
    file: join(folder, 'store.sqlite'),
    clock: systemClock,
    log: logTo(),
  });
  cleanups.push(() => store.close());
  return { folder: join(folder, 'audit'), keyFile: join(folder, 'audit.key'), store };
}

export interface RecordingOptions {
  readonly rotateBytes?: number;
  readonly isRequired?: boolean;
  readonly clock?: Clock;
}

/** A process that writes a record: its log, whose events become lines. */
export async function startRecord(
  { folder, keyFile, store }: AuditFolder,
  { rotateBytes = 1_000_000, isRequired = true, clock = systemClock }: RecordingOptions = {},
): Promise<{ readonly audit: Audit; readonly log: Log; readonly events: readonly string[] }> {
  const events: string[] = [];
  const audit = await Audit.open({
    key: await openAuditKey(keyFile),
    isRequired,
    clock,
    endedChains: new EndedChains(folder, clock),
    findNewest: () => newestOfFolder(folder),
    openOutput: (process) => FolderOutput.open({ folder, process, rotateBytes, rotateSeconds: 3600, clock }),
  });
  const log = logTo((name) => void events.push(name), audit.sink);
  audit.start({ log, store });
  return { audit, log, events };
}

/** The files of a record, the oldest first. */
export function filesOf({ folder }: Pick<AuditFolder, 'folder'>): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .map((name) => join(folder, name));
}

/** The lines of a file. */
export function linesOf(file: string): readonly string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}
