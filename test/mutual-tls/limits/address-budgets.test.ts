import { describe, expect, it } from 'vitest';
import { AddressBudgets } from '../../../src/mutual-tls/limits/address-budgets.ts';
import { networkOf } from '../../../src/network-of.ts';

describe('the CPU time of the handshakes of one address', () => {
  it('is spent after a burst, and comes back by its share of a core', () => {
    let now = 0;
    const budgets = new AddressBudgets(5, () => now);
    const budget = budgets.of('192.0.2.1');
    budgets.connect(budget);
    budgets.charge(budget, 400);
    expect(budgets.isSpent(budget)).toBe(false);
    budgets.charge(budget, 600);
    expect(budgets.isSpent(budget)).toBe(true);
    budgets.disconnect(budget);
    now += 9000;
    expect(budgets.isSpent(budgets.of('192.0.2.1'))).toBe(true);
    now += 2000;
    expect(budgets.isSpent(budgets.of('192.0.2.1'))).toBe(false);
  });

  it('is at most the burst and 5 % of the time, whatever the rate of expensive handshakes', () => {
    let now = 0;
    let used = 0;
    const budgets = new AddressBudgets(5, () => now);
    for (; now < 600_000; now += 50) {
      const budget = budgets.of('192.0.2.1');
      if (budgets.isSpent(budget)) continue;
      budgets.connect(budget);
      budgets.charge(budget, 350);
      used += 350;
      budgets.disconnect(budget);
    }
    expect(used).toBeLessThanOrEqual(500 + 350 + 0.05 * 600_000);
  });

  it('is remembered for a bounded number of addresses', () => {
    const budgets = new AddressBudgets(5, () => 0);
    for (let number = 0; number < 20_000; number += 1) {
      const budget = budgets.of(`network ${number}`);
      budgets.connect(budget);
      budgets.charge(budget, 2000);
      budgets.disconnect(budget);
    }
    expect(budgets.isSpent(budgets.of('network 19999'))).toBe(true);
    expect(budgets.isSpent(budgets.of('network 0'))).toBe(false);
  });
});

describe('the network of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
