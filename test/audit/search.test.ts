import { appendFileSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chainName, segmentName } from '../../src/audit/line/segment-name.ts';
import { AuditSearch } from '../../src/audit/reading/audit-search.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { openAuditFolder, startRecord, testFolder } from './audit-folder.ts';

const LINES = Number(process.env.AUDIT_LINES ?? 100_000);
const LINE_MILLISECONDS = 5000;

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

  it('reads little of a long record for one hour, and for the newest lines of all', async () => {
    const folder = testFolder();
    const start = Date.parse('2025-01-01T00:00:00Z');
    const process = chainName(new Date(start), new Uint8Array(6));
    const lineOf = (sequence: number) => {
      const at = new Date(start + sequence * LINE_MILLISECONDS).toISOString();
      const members = { at, event: 'token.issued', clientId: `client-${sequence % 100}`, scope: 'accounts' };
      return JSON.stringify({ ...members, previous: 'A'.repeat(43), process, sequence });
    };
    for (let first = 0; first < LINES; first += 50_000) {
      const lines = Array.from({ length: 50_000 }, (_, at) => `${lineOf(first + at)}\n`);
      appendFileSync(join(folder, segmentName(process, 1)), lines.join(''));
    }
    const end = new Date(start + LINES * LINE_MILLISECONDS);
    utimesSync(join(folder, segmentName(process, 1)), end, end);
    const search = new AuditSearch(new FolderSource(folder));
    const octets = async (query: Omit<Parameters<typeof search.find>[0], 'limit'>) => {
      const before = octetsRead();
      const page = await search.find({ ...query, limit: 1000 });
      return { ...page, read: octetsRead() - before };
    };
    const from = new Date(start + (LINES / 2) * LINE_MILLISECONDS);
    const hour = await octets({ client: 'client-7', from, to: new Date(from.getTime() + 3_600_000) });
    expect(hour.entries.map(({ sequence }) => sequence % 100)).toEqual(Array.from({ length: 8 }, () => 7));
    const newest = await octets({ from: new Date(0), to: new Date('2999-01-01') });
    expect(newest.entries.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 1000 }, (_, at) => LINES - 1 - at),
    );
    const next = await octets({ from: new Date(0), to: new Date('2999-01-01'), after: newest.next });
    expect(next.entries[0]?.sequence).toBe(LINES - 1001);
    const size = statSync(join(folder, segmentName(process, 1))).size;
    console.info(`of ${size} octets: ${hour.read} for one hour, ${newest.read} for the newest 1000 lines`);
    // An hour is 720 lines, some 160 kB; the search for it reads some places, and the parts around.
    for (const { read } of [hour, newest, next]) expect(read).toBeLessThan(3_000_000);
  });
});

/** Octets that this process has read, also from the cache of the system. */
function octetsRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}
