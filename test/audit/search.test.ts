import { describe, expect, it } from 'vitest';
import { AuditSearch } from '../../src/audit/reading/audit-search.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { openAuditFolder, startRecord } from './audit-folder.ts';

describe('a search in the audit record', () => {
  it('finds lines of all processes by TPP, client, event and time, the newest first, page by page', async () => {
    const record = await openAuditFolder();
    const all = await Promise.all([startRecord(record, { rotateBytes: 2000 }), startRecord(record)]);
    for (let count = 0; count < 40; count += 1) {
      const log = all[count % 2]?.log;
      const authorizationNumber = count % 4 === 0 ? 'PSDGB-FCA-1' : 'PSDGB-FCA-2';
      log?.emit('token.issued', { clientId: `client-${count}`, authorizationNumber });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    all[0]?.log.emit('client.auth.refused', { authorizationNumber: 'PSDGB-FCA-1' });
    await Promise.all(all.map(({ audit }) => audit.durable()));
    const search = new AuditSearch(new FolderSource(record.folder));
    const always = { from: new Date(0), to: new Date('2999-01-01') };
    const ofOne = { ...always, tpp: 'PSDGB-FCA-1', limit: 4 };
    const found: unknown[] = [];
    for (let after: string | undefined; ; ) {
      const page = await search.find({ ...ofOne, event: 'token.', after });
      found.push(...page.entries.map(({ members }) => members.clientId));
      expect(page.isComplete).toBe(true);
      after = page.next;
      if (after === undefined) break;
    }
    expect(found).toEqual([36, 32, 28, 24, 20, 16, 12, 8, 4, 0].map((count) => `client-${count}`));
    const [newest] = (await search.find(ofOne)).entries;
    expect(newest?.event).toBe('client.auth.refused');
    const client = await search.find({ ...always, client: 'client-7', limit: 10 });
    expect(client.entries.map(({ event }) => event)).toEqual(['token.issued']);
    const none = await search.find({ ...always, to: new Date(1), limit: 10 });
    expect(none).toEqual({ entries: [], isComplete: true });
    await Promise.all(all.map(({ audit }) => audit.close()));
  });
});
