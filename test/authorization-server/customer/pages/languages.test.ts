import { describe, expect, it } from 'vitest';
import { Languages } from '../../../../src/authorization-server/customer/pages/words/languages.ts';
import {
  BUILT_IN_MESSAGES,
  MESSAGE_NAMES,
  placeholdersOf,
} from '../../../../src/authorization-server/customer/pages/words/messages.ts';

const LANGUAGES = Object.keys(BUILT_IN_MESSAGES);

describe('the language of the pages', () => {
  const languages = new Languages();
  const tagOf = (uiLocales: readonly string[], acceptLanguage?: string) =>
    languages.preferred({ uiLocales, acceptLanguage }).tag;

  it('is the first of ui_locales that is offered, in the formats of its region', () => {
    expect(tagOf(['tlh', 'en-IE', 'en'])).toBe('en-IE');
    expect(tagOf(['en'])).toBe('en-GB');
  });

  it('is the language of the browser where ui_locales names none that is offered', () => {
    expect(tagOf([], 'xx, en-US;q=0.3, en-AU;q=0.8')).toBe('en-AU');
    expect(tagOf(['tlh'], 'en-US;q=0, en-NZ;q=0.1')).toBe('en-NZ');
  });

  it.each(['*', '', ';;q=,,', 'en_US', '\u0000', 'x'.repeat(5000), ',;'.repeat(5000)])(
    'is the default of the bank for anything else: %#',
    (field) => {
      expect(tagOf([field], field)).toBe('en-GB');
    },
  );

  it('leaves out extensions, which would change digits and calendar', () => {
    const words = languages.preferred({ uiLocales: ['en-u-nu-arab-ca-buddhist'] });
    expect(words.date('2026-12-24')).toBe('24 December 2026');
    expect(words.amount({ currency: 'EUR', amount: '7.10' })).toBe('€7.10');
  });

  it.each([
    ['de', '1.234,50\u00a0€', '24. Dezember 2026'],
    ['de-AT', '€\u00a01.234,50', '24. Dezember 2026'],
    ['fr', '1\u202f234,50\u00a0€', '24 décembre 2026'],
    ['es', '1234,50\u00a0€', '24 de diciembre de 2026'],
    ['pt', '1234,50\u00a0€', '24 de dezembro de 2026'],
    ['pt-BR', '€\u00a01.234,50', '24 de dezembro de 2026'],
    ['en-US', '€1,234.50', 'December 24, 2026'],
  ])('formats amounts and dates as %s does', (tag, amount, date) => {
    const words = languages.preferred({ uiLocales: [tag] });
    expect([words.amount({ currency: 'EUR', amount: '1234.50' }), words.date('2026-12-24')]).toEqual([
      amount,
      date,
    ]);
  });

  it('shows days in the time zone of the bank, and a date as it is', () => {
    const words = new Languages({ timeZone: 'Europe/Berlin' }).default;
    expect(words.date(new Date('2026-12-31T23:30:00Z'))).toBe('1 January 2027');
    expect(words.date('2026-12-31')).toBe('31 December 2026');
  });
});

describe('the sentences of each language', () => {
  it('are those of English, German, French, Spanish and Portuguese, each in its own words', () => {
    expect(LANGUAGES).toEqual(['en', 'de', 'fr', 'es', 'pt']);
    for (const language of LANGUAGES.slice(1)) {
      const same = MESSAGE_NAMES.filter(
        (name) => BUILT_IN_MESSAGES[language]?.[name] === BUILT_IN_MESSAGES.en?.[name],
      );
      // Short words that both languages have.
      expect(same.filter((name) => (BUILT_IN_MESSAGES.en?.[name] ?? '').length > 8)).toEqual([]);
    }
  });

  it.each(LANGUAGES)('are complete, and have the placeholders of the English ones: %s', (language) => {
    const messages = BUILT_IN_MESSAGES[language];
    expect(Object.keys(messages ?? {}).toSorted()).toEqual(MESSAGE_NAMES.toSorted());
    for (const name of MESSAGE_NAMES) {
      const text = messages?.[name] ?? '';
      expect(text.trim()).not.toBe('');
      expect([name, placeholdersOf(text)]).toEqual([
        name,
        placeholdersOf(BUILT_IN_MESSAGES.en?.[name] ?? ''),
      ]);
    }
  });
});
