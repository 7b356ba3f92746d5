/** An amount of money as every API of the bank writes it: a decimal text and its currency. */
export interface Money {
  readonly currency: string;
  readonly amount: string;
}

/** Both currencies of the demo bank have two decimals (ISO 4217). */
const DECIMALS = 2;
const AMOUNT = /^\d{1,12}(\.\d{1,2})?$/;

/** Whether a text is an amount above zero, such as `12.50`. */
export function isAmount(text: string): boolean {
  return AMOUNT.test(text) && minorUnits(text) > 0;
}

/** Pence or cents: whole numbers, so that no amount is rounded. */
export function minorUnits(amount: string): number {
  const [whole = '', fraction = ''] = amount.split('.');
  return Number(whole + fraction.padEnd(DECIMALS, '0'));
}

/** The amount of so many pence or cents: `-4210` is `-42.10`. */
export function amountOf(units: number): string {
  const digits = String(Math.abs(units)).padStart(DECIMALS + 1, '0');
  return `${units < 0 ? '-' : ''}${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`;
}
