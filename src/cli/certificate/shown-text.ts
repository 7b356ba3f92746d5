import { styleText } from 'node:util';

/** Characters that move the cursor, hide or reorder text, in words: a certificate must not draw on the terminal. */
export function shown(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** `2026-11-25 16:21:40Z` */
export function timeText(at: Date): string {
  return Number.isNaN(at.getTime()) ? 'no date' : at.toISOString().replace('T', ' ').replace('.000', '');
}

/** Marks whose text repeats the meaning of their colour. Colour only on a terminal, and not under NO_COLOR. */
export const mark = {
  passed: (): string => styleText('green', '✓'),
  refused: (): string => styleText(['red', 'bold'], '✗'),
  strong: (text: string): string => styleText('bold', text),
  bad: (text: string): string => styleText(['red', 'bold'], text),
  good: (text: string): string => styleText(['green', 'bold'], text),
  faint: (text: string): string => styleText('dim', text),
};
