import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LastCheckpoint } from '../../../audit/last-checkpoint.ts';
import { openAuditKey } from '../../../audit/line/signing-key.ts';
import { AuditSearch } from '../../../audit/reading/audit-search.ts';
import { FolderSource } from '../../../audit/reading/folder-source.ts';
import { type Verification, verifyAudit } from '../../../audit/verification/verification.ts';
import { systemClock } from '../../../clock.ts';
import { silentLog } from '../../../events.ts';
import { openSqliteStore } from '../../../storage/sqlite/sqlite.ts';
import type { Walk } from '../walk.ts';

/** Events of which the walk has made some, by the word for them. */
const COUNTED = Object.freeze({
  'token.issued': 'answers with tokens',
  'psu.authenticated': 'authentications of customers',
  'consent.granted': 'consents',
  'tpp.decision.changed': 'decisions about certificates, each with its rules',
});
/** Lines are gathered for a tenth of a second; the search then finds the last ones. */
const GATHERED_MILLISECONDS = 300;
const MOST = 1000;

/** The record of the server: what `tallystick audit verify` finds in it, and in a copy with one letter changed. */
export async function showAudit(walk: Walk, { since }: { readonly since: Date }): Promise<void> {
  const { folder } = walk.description.audit;
  await new Promise((resolve) => setTimeout(resolve, GATHERED_MILLISECONDS));
  const search = new AuditSearch(new FolderSource(folder));
  for (const [event, words] of Object.entries(COUNTED)) {
    await walk.succeeds(
      `lines of this walk: ${event}`,
      async () => {
        const query = { event, from: since, to: systemClock.now(), limit: MOST };
        const { entries } = await search.find(query);
        if (entries.length === 0) throw new Error('there is none');
        return entries.length;
      },
      (count) => `${count} ${words}`,
    );
  }
  await walk.succeeds('tallystick audit verify', () => verified(walk, folder), summary);
  await walk.succeeds(
    'the same for a copy of its newest file, with one letter changed',
    () => withChangedCopy(folder, (copy) => verified(walk, copy, { isWhole: false })),
    ({ faults }) => faults.map(({ kind, line, message }) => `line ${line}: ${kind}, ${message}`).join('; '),
  );
}

async function verified(walk: Walk, folder: string, { isWhole = true } = {}): Promise<Verification> {
  const { keyFile, storeFile } = walk.description.audit;
  const key = await openAuditKey(keyFile);
  const keys = new Map([[key.id, key.publicKey]]);
  const source = new FolderSource(folder);
  if (!isWhole) {
    const found = await verifyAudit({ source, keys, stored: undefined, since: Number.MAX_SAFE_INTEGER });
    if (found.faults.length === 0) throw new Error('the change was not found');
    return found;
  }
  // The store is asked first: the server writes on.
  const store = await openSqliteStore({ file: storeFile, clock: systemClock, log: silentLog });
  const stored = await new LastCheckpoint(store).find().finally(() => store.close());
  const found = await verifyAudit({ source, keys, stored });
  const [fault] = found.faults;
  if (fault !== undefined) throw new Error(`${fault.kind}: ${fault.message}`);
  return found;
}

function summary({ lines, chains, checkpoints }: Verification): string {
  const processes = chains === 1 ? '1 process' : `${chains} processes`;
  return `whole: ${lines} lines of ${processes}, ${checkpoints} signed checkpoints`;
}

/** Calls `use` with a folder that has the newest file of the record, one token of which is of another client. */
async function withChangedCopy<T>(folder: string, use: (copy: string) => Promise<T>): Promise<T> {
  const newest = (await new FolderSource(folder).segments()).toSorted(
    (a, b) => a.lastAt.getTime() - b.lastAt.getTime(),
  );
  const name = newest.at(-1)?.name ?? '';
  const copy = await mkdtemp(join(tmpdir(), 'tallystick-audit-'));
  try {
    const file = join(copy, name);
    await copyFile(join(folder, name), file);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"event":"token.issued"', '"event":"token.issueD"'));
    return await use(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
