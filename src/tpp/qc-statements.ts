import { OpenBankingError } from '../errors.ts';
import {
  DerError,
  DerReader,
  decodeCount,
  decodeInteger,
  type Element,
  readAll,
  TAG,
} from '../x509/der/der.ts';
import { decodeText } from '../x509/der/der-text.ts';
import { type Psd2Statement, readPsd2Statement } from './psd2-statement.ts';

export type QcType = 'esign' | 'eseal' | 'web';

/** Encodings that some real certificates have and no standard allows; a trust profile may tolerate them. */
export const TOLERANCES = ['flat-roles', 'missing-outer-sequence'] as const;

export type Tolerance = (typeof TOLERANCES)[number];

/** The content of the QCStatements extension of a certificate. Unknown statements are ignored. Frozen. */
export interface QcStatements {
  /** QcCompliance (EN 319 412-5 cl. 4.2.1): qualified in the sense of eIDAS, or of `legislation` if there is any. */
  readonly isQualified: boolean;
  /** QcType (cl. 4.2.3), empty when it is not stated. An unknown type is a dotted identifier. */
  readonly types: readonly string[];
  /** QcSSCD (cl. 4.2.2): the key is in a qualified device, which is not for website authentication. */
  readonly hasSecureDevice: boolean;
  /** QcCClegislation (cl. 4.2.4): countries whose law makes it qualified; empty for the European Union. */
  readonly legislation: readonly string[];
  /** QcPDS (cl. 4.3.4): for people to read. */
  readonly disclosures: readonly { readonly url: string; readonly language: string }[];
  /** QcLimitValue (cl. 4.3.2): a currency of ISO 4217 by letters or number, and amount × 10^exponent. */
  readonly limit:
    | { readonly currency: string; readonly amount: number; readonly exponent: number }
    | undefined;
  /** QcRetentionPeriod (cl. 4.3.3). */
  readonly retentionYears: number | undefined;
  readonly psd2: Psd2Statement | undefined;
  /** Wrong encodings that were tolerated. */
  readonly tolerated: readonly Tolerance[];
}

const STATEMENT = Object.freeze({
  compliance: '0.4.0.1862.1.1',
  limit: '0.4.0.1862.1.2',
  retention: '0.4.0.1862.1.3',
  secureDevice: '0.4.0.1862.1.4',
  disclosures: '0.4.0.1862.1.5',
  type: '0.4.0.1862.1.6',
  legislation: '0.4.0.1862.1.7',
  psd2: '0.4.0.19495.2',
});
const TYPES: ReadonlyMap<string, QcType> = new Map([
  ['0.4.0.1862.1.6.1', 'esign'],
  ['0.4.0.1862.1.6.2', 'eseal'],
  ['0.4.0.1862.1.6.3', 'web'],
]);
/** Real certificates have four to six. */
const MAX_STATEMENTS = 32;

/**
 * Parses the value of the QCStatements extension, strictly. Two encodings of some real certificates (roles in one
 * flat SEQUENCE, no outer SEQUENCE) are refused by name unless `tolerate` lists them.
 *
 *     QCStatements ::= SEQUENCE OF SEQUENCE { statementId OBJECT IDENTIFIER, statementInfo ANY OPTIONAL }
 *
 * @throws ERR_TPP_STATEMENT_INVALID
 * @see RFC 3739 §3.2.6, EN 319 412-5
 */
export function parseQcStatements(
  der: Buffer,
  subject: string,
  tolerate: readonly Tolerance[] = [],
): QcStatements {
  try {
    return readStatements(der, tolerate);
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new OpenBankingError('ERR_TPP_STATEMENT_INVALID', { subject, problem: cause.message }, { cause });
  }
}

function readStatements(der: Buffer, tolerate: readonly Tolerance[]): QcStatements {
  const tolerated = new Set<Tolerance>();
  const ask = (encoding: Tolerance, problem: string): void => {
    if (!tolerate.includes(encoding)) throw new DerError(`${problem} (${encoding})`);
    tolerated.add(encoding);
  };
  const found = readList(der, ask);
  const read = <T>(id: string, name: string, reader: (info: Element) => T): T | undefined => {
    if (!found.has(id)) return undefined;
    const info = found.get(id);
    if (info === undefined) throw new DerError(`${name} holds no value`);
    try {
      return reader(info);
    } catch (error) {
      if (error instanceof DerError) throw new DerError(`${name}: ${error.message}`, { cause: error });
      throw error;
    }
  };
  return Object.freeze({
    psd2: read(STATEMENT.psd2, 'PSD2 statement', (info) => readPsd2Statement(sequenceOf(info), ask)),
    limit: read(STATEMENT.limit, 'QcLimitValue', readLimit),
    retentionYears: read(STATEMENT.retention, 'QcRetentionPeriod', ({ tag, content }) => {
      if (tag !== TAG.integer) throw new DerError('is no INTEGER');
      return decodeCount(content);
    }),
    isQualified: hasFlag(found, STATEMENT.compliance, 'QcCompliance'),
    types: read(STATEMENT.type, 'QcType', readTypes) ?? [],
    hasSecureDevice: hasFlag(found, STATEMENT.secureDevice, 'QcSSCD'),
    legislation: read(STATEMENT.legislation, 'QcCClegislation', readCountries) ?? [],
    disclosures: read(STATEMENT.disclosures, 'QcPDS', readDisclosures) ?? [],
    tolerated: Object.freeze([...tolerated]),
  });
}

type StatementList = ReadonlyMap<string, Element | undefined>;

function readList(der: Buffer, ask: (encoding: Tolerance, problem: string) => void): StatementList {
  const list = readAll(der, (reader) => reader.element(TAG.sequence));
  const isSingle = new DerReader(list.content).nextTag === TAG.oid;
  if (isSingle) ask('missing-outer-sequence', 'the outer SEQUENCE is missing');
  const found = new Map<string, Element | undefined>();
  readAll(isSingle ? list.raw : list.content, (statements) =>
    statements.all((one) =>
      one.within(TAG.sequence, (statement) => {
        const id = statement.oid();
        if (found.has(id)) throw new DerError(`statement ${id} is there twice`);
        if (found.size >= MAX_STATEMENTS) throw new DerError('there are too many statements');
        found.set(id, statement.isAtEnd ? undefined : statement.any());
      }),
    ),
  );
  return found;
}

/** A statement without content: its presence is the statement. */
function hasFlag(found: StatementList, id: string, name: string): boolean {
  if (found.get(id) !== undefined) throw new DerError(`${name} holds a value`);
  return found.has(id);
}

function sequenceOf({ tag, content }: Element): Buffer {
  if (tag !== TAG.sequence) throw new DerError('is no SEQUENCE');
  return content;
}

function readTypes(info: Element): readonly string[] {
  const oids = readAll(sequenceOf(info), (reader) => reader.all((one) => one.oid()));
  if (new Set(oids).size !== oids.length) throw new DerError('a type is there twice');
  return Object.freeze(oids.map((oid) => TYPES.get(oid) ?? oid));
}

function readCountries(info: Element): readonly string[] {
  return Object.freeze(
    readAll(sequenceOf(info), (reader) =>
      reader.all((one) => {
        const country = one.content(TAG.printableString).toString('latin1');
        if (!/^[A-Z]{2}$/.test(country)) throw new DerError('a country is not two capital letters');
        return country;
      }),
    ),
  );
}

/** Of any string type: no decision depends on these texts. */
function readDisclosures(info: Element): QcStatements['disclosures'] {
  return Object.freeze(
    readAll(sequenceOf(info), (reader) =>
      reader.all((one) =>
        one.within(TAG.sequence, (location) =>
          Object.freeze({ url: anyText(location), language: anyText(location) }),
        ),
      ),
    ),
  );
}

function anyText(reader: DerReader): string {
  const { tag, content } = reader.any();
  const text = decodeText(tag, content);
  if (text === undefined) throw new DerError('a text is of no string type');
  return text;
}

/** MonetaryValue ::= SEQUENCE { currency CHOICE { PrintableString (SIZE(3)), INTEGER }, amount, exponent INTEGER } */
function readLimit(info: Element): { currency: string; amount: number; exponent: number } {
  return readAll(sequenceOf(info), (reader) => {
    const { tag, content } = reader.any();
    // Real certificates leave it empty: no decision depends on the ISO 4217 code.
    const currency =
      tag === TAG.integer ? String(decodeCount(content)).padStart(3, '0') : decodeText(tag, content);
    if (currency === undefined) throw new DerError('the currency is neither text nor number');
    const amount = decodeCount(reader.content(TAG.integer));
    const octets = decodeInteger(reader.content(TAG.integer));
    if (octets.length > 1) throw new DerError('the exponent is out of range');
    return Object.freeze({ currency, amount, exponent: octets.readInt8(0) });
  });
}
