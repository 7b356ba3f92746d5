import { describe, expect, it } from 'vitest';
import type { EventName, Log } from '../../src/events.ts';
import { isClientChainKept, reportClientChain } from '../../src/server/client-chain-check.ts';

describe('the self-test of the runtime at the start', () => {
  it('finds that this release of Node shows the certificates that a client sends', async () => {
    expect(await isClientChainKept()).toBe(true);
  });

  it('says so once when a release loses them, or when the test itself fails', async () => {
    const said: EventName[] = [];
    const log = { emit: (name: EventName) => said.push(name) } as unknown as Log;
    await reportClientChain(log, async () => true);
    expect(said).toEqual([]);
    await reportClientChain(log, async () => false);
    await reportClientChain(log, () => Promise.reject(new Error('no loopback')));
    expect(said).toEqual(['runtime.client_chain_lost', 'runtime.client_chain_lost']);
  });
});
