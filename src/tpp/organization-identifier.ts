import { OpenBankingError } from '../errors.ts';

/** `national` is a scheme of one country, two letters and a colon (EN 319 412-1 LEG-5.1.4-03). */
export type IdentifierScheme = 'PSD' | 'NTR' | 'VAT' | 'LEI' | 'national';

/** An organizationIdentifier, taken apart. */
export interface OrganizationIdentifier {
  /** As it stands in the certificate: what the registry and clients are tied to. */
  readonly text: string;
  readonly scheme: IdentifierScheme;
  /** Two letters: ISO 3166-1, `EL` or `XI` for VAT, `XG` for LEI. */
  readonly country: string;
  /** `FI-FINFSA`; of the PSD scheme only. */
  readonly nca?: string;
  /** All behind the prefix; it may hold hyphens, dots and spaces (`C 56251`, `0751699-0`). */
  readonly reference: string;
}

/** Longest that a registry record may be; real ones stay under 50. */
const MAX_LENGTH = 128;
/** The reference is whatever follows the second hyphen. */
const PSD = /^PSD([A-Z]{2})-([A-Z]{2,8})-(.+)$/su;
const LEGAL_PERSON = /^(NTR|VAT)([A-Z]{2})-(.+)$/su;
const LEI = /^LEI(XG)-([A-Z0-9]{18}[0-9]{2})$/u;
const NATIONAL = /^[A-Z]{2}:([A-Z]{2})-(.+)$/su;
/** Two texts that look the same must not be two identities. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|^\s|\s$/u;

/**
 * Takes an organizationIdentifier apart.
 *
 *     PSDFI-FINFSA-0751699-0     NTRGB-09215384     VATEL-094014201     LEIXG-529900T8BM49AURSDO55     XX:GR-18050
 *
 * Does not know which countries and authorities exist: the registry does.
 *
 * @throws ERR_TPP_IDENTIFIER_INVALID
 * @see EN 319 412-1 cl. 5.1.4, TS 119 495 GEN-5.2.1-3
 */
export function parseOrganizationIdentifier(text: string): OrganizationIdentifier {
  const refuse = (problem: string) =>
    new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject: text.slice(0, MAX_LENGTH), problem });
  if (text.length > MAX_LENGTH) throw refuse(`is longer than ${MAX_LENGTH} characters`);
  if (INVISIBLE.test(text)) throw refuse('holds a character that does not show');
  const psd = PSD.exec(text);
  if (psd !== null) {
    const [, country = '', authority = '', reference = ''] = psd;
    return Object.freeze({ text, scheme: 'PSD', country, nca: `${country}-${authority}`, reference });
  }
  const person = LEGAL_PERSON.exec(text);
  if (person !== null) {
    const [, scheme, country = '', reference = ''] = person;
    return Object.freeze({ text, scheme: scheme === 'NTR' ? 'NTR' : 'VAT', country, reference });
  }
  const lei = LEI.exec(text);
  if (lei !== null) {
    const [, country = '', reference = ''] = lei;
    return Object.freeze({ text, scheme: 'LEI', country, reference });
  }
  const national = NATIONAL.exec(text);
  if (national !== null) {
    const [, country = '', reference = ''] = national;
    return Object.freeze({ text, scheme: 'national', country, reference });
  }
  throw refuse('is of no scheme of EN 319 412-1');
}
