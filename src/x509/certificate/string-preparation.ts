const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
/**
 * Characters that RFC 4518 §2.2 removes or §2.4 prohibits, and more marks on a character than the Stream-Safe Text
 * Format allows (UAX 15 §13), since their order takes quadratic time. A text with one of these equals only the same text.
 */
const OPAQUE =
  /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufffc\ufffd]|\u0340|\u0341|\p{M}{31}/u;
/** Joined with the mark behind it, a space is significant (RFC 4518 §2.6.1). Opaque texts alone have this character. */
const SPACE_OF_MARK = '\u0000';

/**
 * The text by which caseIgnoreMatch compares (RFC 5280 §7.1, RFC 4518 §2): NFKC, case folded, white space as one space
 * inside and none at the ends. Undefined for a text with a character that does not show, that is private or that is
 * unassigned: RFC 4518 would remove some of these, and two texts that differ there must stay two names.
 */
export function prepareText(text: string): string | undefined {
  if (PRINTABLE_ASCII.test(text)) return withoutSpareSpaces(text.toLowerCase());
  if (OPAQUE.test(text)) return undefined;
  const prepared = foldCase(text.replace(/\p{Zs}/gu, ' ').normalize('NFKC')).normalize('NFKC');
  return withoutSpareSpaces(prepared.replace(/ (?=\p{M})/gu, SPACE_OF_MARK));
}

/**
 * Full case folding (RFC 3454 table B.2): by way of capitals, which folds `ß` and `ẞ` to `ss`; the dotless `ı` has no
 * capital of its own and stays, and the final sigma is a sigma.
 */
function foldCase(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\u0131]+/gu, (part) => part.toUpperCase().toLowerCase())
    .replaceAll('ς', 'σ');
}

function withoutSpareSpaces(text: string): string {
  return text.replace(/ {2,}/g, ' ').replace(/^ /, '').replace(/ $/, '');
}
