import { describe, expect, it } from 'vitest';
import { CheckLimits } from '../../../src/authorization-server/self-check/check-limits.ts';

describe('the limits of self-checks', () => {
  it('stop all certificates together after 300 in a minute, and count no further certificate then', async () => {
    const limits = new CheckLimits();
    for (let at = 0; at < 300; at += 1) await limits.count(`certificate ${at % 60}`);
    for (const another of ['certificate 1', 'a new one', 'another new one']) {
      await expect(limits.count(another)).rejects.toMatchObject({
        code: 'ERR_SELF_CHECK_LIMIT',
        details: { limit: 300, seconds: expect.any(Number) },
      });
    }
  });

  it('stop one certificate after 10, and let the others go on', async () => {
    const limits = new CheckLimits();
    for (let at = 0; at < 10; at += 1) await limits.count('one');
    await expect(limits.count('one')).rejects.toMatchObject({ details: { limit: 10 } });
    await limits.count('two');
  });
});
