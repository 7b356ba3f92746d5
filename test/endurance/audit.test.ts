import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { openBank } from '../durability/bank.ts';
import { TokenLedger } from './audit/token-ledger.ts';
import { verified, writtenTokens } from './audit/written-record.ts';

const KILLS = Number(process.env.KILLS ?? 40);
const AUDIT = { audit: { folder: 'audit', signingKeyFile: 'audit.key' } };
/** A killed process may have held the turn to complete chains, which is over after two minutes. */
const COMPLETED_WITHIN = 200_000;

describe('no token without its line', () => {
  it(`O4: when the server is killed at any moment, ${KILLS} times`, async () => {
    const bank = await openBank();
    let server = await bank.start(AUDIT);
    const ledger = new TokenLedger(bank, () => [server]);
    const recoveries: number[] = [];
    await ledger.recovery();
    ledger.start();
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(200 + Math.random() * 1500);
      const from = performance.now();
      await server.kill();
      server = await server.again();
      await ledger.recovery();
      recoveries.push(performance.now() - from);
    }
    const configuration = join(bank.folder, 'process-1.json');
    await ledger.stop();
    // The chain of the server that runs; those of the killed are ended by it.
    const openChains = async () => (await verified(configuration)).open.length;
    await expect.poll(openChains, { timeout: COMPLETED_WITHIN, interval: 2000 }).toBe(1);
    await server.stop();
    const { issued, withheld, gaps } = await writtenTokens(new FolderSource(join(bank.folder, 'audit')));
    const { faults, open, lines, chains, checkpoints } = await verified(configuration);
    const held = new Set(ledger.held);
    const sorted = recoveries.toSorted((one, other) => one - other).map(Math.round);
    console.info(
      `${KILLS} kills: ${held.size} tokens held, ${issued.size} lines of tokens (${withheld.size} answers held back), ` +
        `${JSON.stringify(ledger.counts)}, ${gaps} gaps; ${lines} lines of ${chains} chains, ${checkpoints} checkpoints, ` +
        `${faults.length} faults; back after ${sorted[sorted.length >> 1]} ms in the median, ${sorted.at(-1)} ms at most`,
    );
    expect(ledger.faults).toEqual([]);
    expect(held.size).toBe(ledger.held.length);
    expect([...held].filter((id) => !issued.has(id) || withheld.has(id))).toEqual([]);
    expect({ faults, open }).toEqual({ faults: [], open: [] });
    expect(held.size).toBeGreaterThan(KILLS);
    await bank.close();
  });
});
