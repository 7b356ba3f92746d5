import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LastCheckpoint } from '../../src/audit/last-checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { verifyAudit } from '../../src/audit/verification/verification.ts';
import { parseCheckpoint } from '../../src/audit/line/checkpoint.ts';
import { filesOf, linesOf, openAuditFolder, startRecord } from './audit-folder.ts';

describe('an audit record whose store was restored from a copy', () => {
  it('O4: goes on behind its own newest checkpoint, so that no end of before can be cut off unseen', async () => {
    const [before, copy] = [await openAuditFolder(), await openAuditFolder()];
    const write = async (store: typeof before.store) => {
      const { audit, log } = await startRecord({ ...before, store });
      log.emit('token.issued', { clientId: 'one', grantType: 'client_credentials' });
      await audit.durable();
      await audit.checkpoint();
      await audit.close();
      // The names of chains begin with the second of their start.
      await new Promise((resolve) => setTimeout(resolve, 1100));
    };
    await write(before.store);
    await write(before.store);
    // The store of the copy has never had a checkpoint.
    await write(copy.store);
    const files = filesOf(before);
    const numbers = files
      .flatMap(linesOf)
      .flatMap((line) => parseCheckpoint(JSON.parse(line))?.number ?? [])
      .toSorted((a, b) => a - b);
    expect(new Set(numbers).size).toBe(numbers.length);

    const key = await openAuditKey(before.keyFile);
    const keys = new Map([[key.id, key.publicKey]]);
    const stored = await new LastCheckpoint(copy.store).find();
    const verified = () => verifyAudit({ source: new FolderSource(before.folder), keys, stored });
    expect(await verified()).toMatchObject({ faults: [], chains: 3 });
    rmSync(files[1] ?? '');
    expect((await verified()).faults).toMatchObject([{ kind: 'missing-file' }]);
  });
});
