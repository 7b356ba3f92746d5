import { DerError, type DerReader, TAG, writeElement } from './der.ts';
import { type DocumentKind, isTolerated } from './tolerances.ts';

const ZERO = 0x30;
const Z = 0x5a;
const SECONDS_A_DAY = 86_400;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * UTCTime or GeneralizedTime, both with seconds and `Z`. Issuers must write the former through 2049 and the latter
 * from 2050; readers must take either (RFC 5280 §4.1.2.5).
 *
 * @throws DerError
 */
export function readTime(reader: DerReader): Date {
  return new Date(decodeEpochSeconds(reader.any().raw, 0) * 1000);
}

/** `YYYYMMDDHHMMSS.fZ`, of up to nine digits behind the period. */
const FRACTION = /^(\d{14})\.\d{1,9}Z$/;

/** GeneralizedTime of any year, with seconds, in `Z` (RFC 6960 §4.2.2.1); a fraction that is tolerated is cut off. */
export function readGeneralizedTime(reader: DerReader, kind: DocumentKind): Date {
  const { raw, content } = reader.element(TAG.generalizedTime);
  const whole = isTolerated('fraction-of-second', kind)
    ? FRACTION.exec(content.toString('latin1'))?.[1]
    : undefined;
  const bytes = whole === undefined ? raw : writeElement(TAG.generalizedTime, Buffer.from(`${whole}Z`));
  return new Date(decodeEpochSeconds(bytes, 0) * 1000);
}

/**
 * Seconds since the epoch of the UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ` whose tag is at
 * `start`. Makes no objects: a CRL has a million of them.
 *
 * @throws DerError
 */
export function decodeEpochSeconds(bytes: Buffer, start: number): number {
  const tag = bytes[start];
  const isUtc = tag === TAG.utcTime;
  if (!isUtc && tag !== TAG.generalizedTime) throw new DerError('a time was expected');
  const length = isUtc ? 13 : 15;
  const from = start + 2;
  if (bytes[start + 1] !== length || bytes[from + length - 1] !== Z) throw broken(isUtc);
  const first = twoDigits(bytes, from, isUtc);
  const year = isUtc ? first + (first < 50 ? 2000 : 1900) : first * 100 + twoDigits(bytes, from + 2, isUtc);
  // Before UTCTime begins no certificate was made.
  if (year < 1950) throw noDate();
  const rest = from + length - 11;
  const day = daysUntil(year, twoDigits(bytes, rest, isUtc), twoDigits(bytes, rest + 2, isUtc));
  const hour = twoDigits(bytes, rest + 4, isUtc);
  const minute = twoDigits(bytes, rest + 6, isUtc);
  const second = twoDigits(bytes, rest + 8, isUtc);
  if (hour > 23 || minute > 59 || second > 59) throw noDate();
  return day * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
}

function twoDigits(bytes: Buffer, at: number, isUtc: boolean): number {
  const tens = (bytes[at] ?? 0) - ZERO;
  const ones = (bytes[at + 1] ?? 0) - ZERO;
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw broken(isUtc);
  return tens * 10 + ones;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin with March. */
function daysUntil(year: number, month: number, day: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 && isLeap ? 29 : (DAYS_OF_MONTH[month - 1] ?? 0);
  if (day < 1 || day > last) throw noDate();
  const years = month > 2 ? year : year - 1;
  const daysBefore = Math.trunc((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5);
  const leapDays = Math.trunc(years / 4) - Math.trunc(years / 100) + Math.trunc(years / 400);
  return years * 365 + leapDays + daysBefore + day - 1 - 719_468;
}

function broken(isUtc: boolean): DerError {
  return new DerError(isUtc ? 'UTCTime is not YYMMDDHHMMSSZ' : 'GeneralizedTime is not YYYYMMDDHHMMSSZ');
}

function noDate(): DerError {
  return new DerError('time is no date of the calendar');
}
