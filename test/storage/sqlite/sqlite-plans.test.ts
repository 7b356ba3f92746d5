import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { preparedOperations } from '../../../src/storage/sqlite/sqlite-operations.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-plans-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Statements that read all rows of a table, or sort rows, and why they may. */
const ALLOWED: readonly (readonly [statement: RegExp, reason: string])[] = [
  [/ORDER BY r\.written/, 'returns every record of the index'],
  [/^DELETE FROM bitmap WHERE/, 'once for all batches of removals, and a row is 4,096 tokens'],
  [/^SELECT count\(\*\) FROM \(/, 'reads what the inner statement returns, which has a limit'],
];

it('no statement of the store grows with what is stored: each finds its rows by an index, in their order', async () => {
  const file = join(folder, 's.sqlite');
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
  const database = new DatabaseSync(file);
  preparedOperations(database);
  const statements = [...new Set(prepare.mock.calls.map(([sql]) => sql))].filter((sql) =>
    /^(?:SELECT|UPDATE|DELETE|INSERT)/.test(sql),
  );
  prepare.mockRestore();
  const dear = statements.filter((sql) => {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
    return plan.some(({ detail }) => /^SCAN|TEMP B-TREE/.test(String(detail)));
  });
  database.close();
  await store.close();
  // Those of reads, and those of writes.
  expect(statements.length).toBeGreaterThan(20);
  expect(dear.filter((sql) => !ALLOWED.some(([statement]) => statement.test(sql)))).toEqual([]);
  expect(ALLOWED.filter(([statement]) => !dear.some((sql) => statement.test(sql)))).toEqual([]);
});
