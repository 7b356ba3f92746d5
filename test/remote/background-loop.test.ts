import { describe, expect, it } from 'vitest';
import { BackgroundLoop } from '../../src/remote/background-loop.ts';

describe('a background loop', () => {
  it('starts each turn after the pause that the last turn asked for', async () => {
    let turns = 0;
    const loop = new BackgroundLoop(0.001, async () => {
      turns += 1;
      return turns < 3 ? 0.001 : 3600;
    });
    await expect.poll(() => turns).toBe(3);
    await loop.close();
  });

  it('waits in close for the turn that is under way, never for the next one', async () => {
    let end: (() => void) | undefined;
    let turns = 0;
    const loop = new BackgroundLoop(0, () => {
      turns += 1;
      return new Promise((resolve) => {
        end = () => resolve(0);
      });
    });
    await expect.poll(() => end).toBeTypeOf('function');
    let isClosed = false;
    const closed = loop.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    end?.();
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(turns).toBe(1);
    const idle = new BackgroundLoop(3600, async () => 3600);
    await idle.close();
  });
});
