import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { Ledger } from '../../../src/sandbox/bank/ledger.ts';
import { amountOf, isAmount, minorUnits } from '../../../src/sandbox/bank/money.ts';

const CURRENT = 'acc-1001';
const payee = { creditorName: 'Bob Example', creditorIban: 'GB72BUKB20201555550003' };
const pounds = (amount: string) => ({ currency: 'GBP', amount });

describe('the ledger of the demo bank', () => {
  it('moves money once, from one account of the bank to the other', () => {
    const ledger = new Ledger(systemClock);
    const isMoved = ledger.transfer({ debtorAccountId: CURRENT, amount: pounds('30.25'), ...payee });
    expect(isMoved).toBe(true);
    expect(ledger.find(CURRENT)).toMatchObject({ balance: '1800.00' });
    expect(ledger.find(CURRENT)?.bookings.at(-1)).toMatchObject({ amount: '-30.25', party: 'Bob Example' });
    expect(ledger.findByNumber(payee.creditorIban)).toMatchObject({ balance: '107.95' });
    expect(ledger.findByNumber('20201555550003')?.bookings.at(-1)).toMatchObject({ amount: '30.25' });
  });

  it.each([
    ['more than there is', CURRENT, pounds('1830.26')],
    ['another currency', CURRENT, { currency: 'EUR', amount: '1.00' }],
    ['no account of the bank', 'acc-9999', pounds('1.00')],
  ])('moves nothing for %s', (_title, debtorAccountId, amount) => {
    const ledger = new Ledger(systemClock);
    const before = ledger.accountsOf('psu-6f1c2a');
    expect(ledger.transfer({ debtorAccountId, amount, ...payee })).toBe(false);
    expect(ledger.accountsOf('psu-6f1c2a')).toEqual(before);
  });

  it('counts in pence, so that nothing is rounded', () => {
    expect([minorUnits('0.1') + minorUnits('0.2'), minorUnits('12'), minorUnits('-42.10')]).toEqual([
      30, 1200, -4210,
    ]);
    expect([amountOf(5), amountOf(-4210), amountOf(183_025)]).toEqual(['0.05', '-42.10', '1830.25']);
  });

  it.each(['0', '0.00', '-1.00', '1e2', '10.00 ', '1,00', '1.005', '', '٣.00', 'NaN'])(
    'takes no amount %j',
    (text) => {
      expect(isAmount(text)).toBe(false);
    },
  );
});
