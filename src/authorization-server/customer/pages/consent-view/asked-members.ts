import type { Amount } from '../words/words.ts';
import type { NamedAccount } from './account-text.ts';

/** An object of `authorization_details` (RFC 9396 §2). */
export interface AskedDetail {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** The members of a detail, which its schema has checked before. A member of another shape is absent. */
export class AskedMembers {
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(members: unknown) {
    const isObject = typeof members === 'object' && members !== null && !Array.isArray(members);
    this.#members = isObject ? (members as Readonly<Record<string, unknown>>) : {};
  }

  text(name: string): string | undefined {
    const value = this.#members[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#members[name];
    return typeof value === 'number' ? value : undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.#members[name];
    return typeof value === 'boolean' ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#members[name];
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  }

  object(name: string): AskedMembers | undefined {
    const value = this.#members[name];
    return typeof value === 'object' && value !== null ? new AskedMembers(value) : undefined;
  }

  objects(name: string): readonly AskedMembers[] {
    const value = this.#members[name];
    return Array.isArray(value) ? value.map((one) => new AskedMembers(one)) : [];
  }

  amount(name: string): Amount | undefined {
    return this.object(name)?.asAmount();
  }

  asAmount(): Amount | undefined {
    const [currency, amount] = [this.text('currency'), this.text('amount')];
    return currency === undefined || amount === undefined ? undefined : { currency, amount };
  }

  account(name: string): NamedAccount | undefined {
    return this.object(name)?.asAccount();
  }

  asAccount(): NamedAccount {
    return {
      iban: this.text('iban'),
      bban: this.text('bban'),
      maskedPan: this.text('maskedPan'),
      scheme: this.text('scheme'),
      identification: this.text('identification'),
    };
  }
}
