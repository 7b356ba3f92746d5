import { DerError, type DerReader, TAG } from './der.ts';

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** UTCTime through 2049, GeneralizedTime from 2050, both with seconds and `Z` (RFC 5280 §4.1.2.5). */
export function readTime(reader: DerReader): Date {
  const { tag, content } = reader.any();
  const text = content.toString('latin1');
  if (tag === TAG.utcTime) {
    const [, year = '', ...rest] = UTC_TIME.exec(text) ?? broken('UTCTime is not YYMMDDHHMMSSZ');
    return instant(Number(year) + (Number(year) < 50 ? 2000 : 1900), rest);
  }
  if (tag !== TAG.generalizedTime) throw new DerError('a time was expected');
  const [, year, ...rest] = GENERALIZED_TIME.exec(text) ?? broken('GeneralizedTime is not YYYYMMDDHHMMSSZ');
  if (Number(year) < 2050) throw new DerError('GeneralizedTime before 2050');
  return instant(Number(year), rest);
}

/** GeneralizedTime of any year, with seconds, without fractions, in `Z` (RFC 6960 §4.2.2.1, RFC 5280 §5.3.2). */
export function readGeneralizedTime(reader: DerReader): Date {
  const text = reader.content(TAG.generalizedTime).toString('latin1');
  const [, year, ...rest] = GENERALIZED_TIME.exec(text) ?? broken('GeneralizedTime is not YYYYMMDDHHMMSSZ');
  return instant(Number(year), rest);
}

function instant(year: number, rest: readonly string[]): Date {
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.map(Number);
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  at.setUTCHours(hour, minute, second);
  const same =
    at.getUTCFullYear() === year &&
    at.getUTCMonth() === month - 1 &&
    at.getUTCDate() === day &&
    at.getUTCHours() === hour &&
    at.getUTCMinutes() === minute &&
    at.getUTCSeconds() === second;
  if (!same) throw new DerError('time is no date of the calendar');
  return at;
}

function broken(problem: string): never {
  throw new DerError(problem);
}
