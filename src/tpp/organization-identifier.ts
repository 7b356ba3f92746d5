import { OpenBankingError } from '../errors.ts';

/**
 * `national` is a scheme of one country, two letters and a colon (EN 319 412-1 LEG-5.1.4-03); `OFB` is the directory
 * of Open Finance Brasil.
 */
export type IdentifierScheme = 'PSD' | 'NTR' | 'VAT' | 'LEI' | 'OFB' | 'national';

/** A parsed organizationIdentifier. Frozen. */
export interface OrganizationIdentifier {
  /** The text of the certificate, to which registry records and clients are tied. */
  readonly text: string;
  readonly scheme: IdentifierScheme;
  /** Two letters: ISO 3166-1, `EL` or `XI` for VAT, `XG` for LEI. */
  readonly country: string;
  /** `FI-FINFSA`; of the PSD scheme only, and absent when there is a `directory`. */
  readonly nca?: string;
  /** `GB-OB`: the UK directory, which its own identifiers name instead of an authority. */
  readonly directory?: string;
  /** The text behind the prefix. It may hold hyphens, dots and spaces (`C 56251`, `0751699-0`). */
  readonly reference: string;
}

/** Longest that a registry record may be; real ones stay under 50. */
const MAX_LENGTH = 128;
/** The reference is whatever follows the second hyphen. */
const PSD = /^PSD([A-Z]{2})-([A-Z]{2,8})-(.+)$/su;
const PERSON = /^(NTR|VAT|LEI|OFB)([A-Z]{2})-(.+)$/su;
const NATIONAL = /^[A-Z]{2}:([A-Z]{2})-(.+)$/su;
const LEI_REFERENCE = /^[A-Z0-9]{18}[0-9]{2}$/;
/** Two texts that look the same must not be two identities. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|^\s|\s$/u;
const UK_DIRECTORY = 'GB-OB';
/** Codes beside ISO 3166-1: Greece and Northern Ireland for VAT, the one country of all LEIs. */
const OTHER_COUNTRIES: Readonly<Record<string, readonly string[]>> = { VAT: ['EL', 'XI'] };
const ONLY_COUNTRY: Readonly<Record<string, string>> = { LEI: 'XG', OFB: 'BR' };

/**
 * Parses an organizationIdentifier.
 *
 *     PSDFI-FINFSA-0751699-0     NTRGB-09215384     VATEL-094014201     LEIXG-529900T8BM49AURSDO55
 *     PSDGB-OB-Unknown0015800001HQQrZAAX     OFBBR-d7384bd0-842f-43c5-be02-9d2b2d5efc2c     XX:GR-18050
 *
 * Does not check that the authority exists: the registry does.
 *
 * @throws ERR_TPP_IDENTIFIER_INVALID
 * @see EN 319 412-1 cl. 5.1.4, TS 119 495 GEN-5.2.1-3
 */
export function parseOrganizationIdentifier(text: string): OrganizationIdentifier {
  const refuse = (problem: string) =>
    new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject: text.slice(0, MAX_LENGTH), problem });
  if (text.length > MAX_LENGTH) throw refuse(`is longer than ${MAX_LENGTH} characters`);
  if (INVISIBLE.test(text)) throw refuse('holds a character that does not show');
  const parts = takeApart(text);
  if (parts === undefined) throw refuse('is of no scheme of EN 319 412-1');
  if (!isCountryOf(parts)) throw refuse(`is of a country that the scheme does not know: ${parts.country}`);
  if (parts.scheme === 'LEI' && !LEI_REFERENCE.test(parts.reference)) throw refuse('is no LEI of ISO 17442');
  return Object.freeze({ text, ...parts });
}

type Parts = Omit<OrganizationIdentifier, 'text'>;

function takeApart(text: string): Parts | undefined {
  const psd = PSD.exec(text);
  if (psd !== null) {
    const [, country = '', authority = '', reference = ''] = psd;
    const id = `${country}-${authority}`;
    const named = id === UK_DIRECTORY ? { directory: id } : { nca: id };
    return { scheme: 'PSD', country, reference, ...named };
  }
  const person = PERSON.exec(text);
  if (person !== null) {
    const [, name = '', country = '', reference = ''] = person;
    const scheme = (['NTR', 'VAT', 'LEI', 'OFB'] as const).find((one) => one === name);
    return scheme === undefined ? undefined : { scheme, country, reference };
  }
  const national = NATIONAL.exec(text);
  if (national === null) return undefined;
  const [, country = '', reference = ''] = national;
  return { scheme: 'national', country, reference };
}

function isCountryOf({ scheme, country }: Parts): boolean {
  const only = ONLY_COUNTRY[scheme];
  if (only !== undefined) return country === only;
  return isIsoCountry(country) || OTHER_COUNTRIES[scheme]?.includes(country) === true;
}

/** The officially assigned codes of ISO 3166-1 alpha-2. */
const CODES: ReadonlySet<string> = new Set(
  (
    'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY ' +
    'BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK ' +
    'FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR ' +
    'IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ' +
    'ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM ' +
    'PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF ' +
    'TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW'
  ).split(' '),
);

/** Whether the two letters are a country of ISO 3166-1. */
export function isIsoCountry(code: string): boolean {
  return CODES.has(code);
}
