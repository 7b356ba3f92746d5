import { z } from 'zod';
import { OpenBankingError, type Problem } from '../src/errors.ts';
import { canonicalNca, sameNca } from './nca.ts';
import { ListDocument } from './list-document.ts';
import { dayField, textField } from './record-fields.ts';

/** Roles of a payment service provider (TS 119 495 cl. 5.2.2): account servicing, payment initiation, account information, issuing of card-based instruments. */
export type PspRole = 'PSP_AS' | 'PSP_PI' | 'PSP_AI' | 'PSP_IC';

export type TppStatus = 'active' | 'suspended' | 'withdrawn';

/** A third-party provider as a register has it. Frozen; the set of roles by its type. */
export interface TppRecord {
  /** The organizationIdentifier of its certificates, such as `PSDGB-FCA-123456`. */
  readonly authorizationNumber: string;
  readonly legalName: string;
  readonly tradingName?: string;
  readonly nca: { readonly id: string; readonly name?: string };
  /** ISO 3166-1 code of its home country. */
  readonly country: string;
  readonly roles: ReadonlySet<PspRole>;
  /** Other countries in which it may act (PSD2 article 28). */
  readonly passportedCountries: readonly string[];
  readonly status: TppStatus;
  readonly statusSince: Date;
  readonly statusReason?: string;
}

/** More than ten times the EBA register. */
const MAX_RECORDS = 100_000;
/** TS 119 495 GEN-5.2.1-3: `PSD`, country, authority, then anything. */
const PSD_IDENTIFIER = /^PSD([A-Z]{2}-[A-Z]{2,8})-.+$/;
/** Identifiers of the UK directory, `PSDGB-OB-…`, name it instead of an authority. */
const UK_DIRECTORY = 'GB-OB';

const country = z.string().regex(/^[A-Z]{2}$/, 'must be two capital letters (ISO 3166-1)');

const record = z.strictObject({
  authorizationNumber: textField(128),
  legalName: textField(256),
  tradingName: textField(256).optional(),
  nca: z.strictObject({ id: textField(32), name: textField(256).optional() }),
  country,
  roles: z.array(z.enum(['PSP_AS', 'PSP_PI', 'PSP_AI', 'PSP_IC'])),
  passportedCountries: z.array(country).default([]),
  status: z.enum(['active', 'suspended', 'withdrawn']),
  statusSince: dayField,
  statusReason: textField(512).optional(),
});
const registryFrame = z.strictObject({ tpps: z.array(z.unknown()) });

/**
 * Parses a registry in YAML or JSON, and reports every problem with its place.
 *
 *     tpps:
 *       - authorizationNumber: PSDGB-FCA-123456
 *         legalName: Acme Accounts Ltd
 *         nca: { id: GB-FCA, name: Financial Conduct Authority }
 *         country: GB
 *         roles: [PSP_AI]
 *         status: active        # or suspended, withdrawn
 *         statusSince: 2026-01-31
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function parseTppRecords(content: string, from: { readonly source: string }): readonly TppRecord[] {
  const records: TppRecord[] = [];
  readTppRecords(Buffer.from(content), from, (one) => void records.push(frozenRecord(one)));
  return Object.freeze(records);
}

/**
 * As `parseTppRecords`, without a list in memory: passes each record to `take`, before later ones are checked.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function readTppRecords(
  content: Uint8Array,
  from: { readonly source: string },
  take: (record: WrittenTppRecord) => void,
): void {
  const invalid = (problems: readonly Problem[]) =>
    new OpenBankingError('ERR_REGISTRY_INVALID', { source: from.source, problems });
  const document = new ListDocument(content, { list: 'tpps', invalid });
  const frame = registryFrame.safeParse(document.frame);
  for (const { path, message } of frame.error?.issues ?? []) document.note(path, message);
  const first = new Map<string, number>();
  let at = -1;
  for (const entry of document.entries()) {
    at += 1;
    if (at === MAX_RECORDS) {
      document.note(['tpps'], `has more than ${MAX_RECORDS} entries`);
      break;
    }
    const note = (path: readonly PropertyKey[], message: string) =>
      document.note(['tpps', at, ...path], message);
    const parsed = record.safeParse(entry);
    for (const { path, message } of parsed.error?.issues ?? []) note(path, message);
    if (parsed.data === undefined) continue;
    for (const [path, message] of inconsistencies(parsed.data)) note(path, message);
    const earlier = sameRecord(first, parsed.data, at);
    if (earlier !== undefined) note(['authorizationNumber'], `is also that of tpps[${earlier}]`);
    take(parsed.data);
  }
  if (at === -1 && frame.success) document.note(['tpps'], 'has no entry');
  document.assertSound();
}

/** A checked record as a file has it. */
export interface WrittenTppRecord extends Omit<TppRecord, 'roles' | 'nca' | 'tradingName' | 'statusReason'> {
  readonly tradingName?: string | undefined;
  readonly nca: { readonly id: string; readonly name?: string | undefined };
  readonly roles: readonly PspRole[];
  readonly statusReason?: string | undefined;
}

function inconsistencies(one: WrittenTppRecord): [path: readonly string[], message: string][] {
  const found: [readonly string[], string][] = [];
  const { authorizationNumber, nca } = one;
  if (canonicalNca(nca.id) === undefined) found.push([['nca', 'id'], 'is no known competent authority']);
  else if (canonicalNca(nca.id)?.slice(0, 2) !== one.country) {
    found.push([['country'], 'is not the country of the authority']);
  }
  const named = PSD_IDENTIFIER.exec(authorizationNumber)?.[1];
  if (/^PSD/i.test(authorizationNumber) && named === undefined) {
    found.push([['authorizationNumber'], 'is not PSD, a country, an authority and a number']);
  }
  if (named !== undefined && named !== UK_DIRECTORY && !sameNca(named, nca.id)) {
    found.push([['nca', 'id'], `is not the authority of the identifier, ${named}`]);
  }
  if (new Set(one.roles).size !== one.roles.length) found.push([['roles'], 'names a role twice']);
  if (new Set(one.passportedCountries).size !== one.passportedCountries.length) {
    found.push([['passportedCountries'], 'names a country twice']);
  }
  if (one.passportedCountries.includes(one.country)) {
    found.push([['passportedCountries'], 'holds the home country']);
  }
  return found;
}

/** Two records for one identifier and authority would make the answer depend on their order (also by case). */
function sameRecord(first: Map<string, number>, one: WrittenTppRecord, at: number): number | undefined {
  const authority = canonicalNca(one.nca.id) ?? one.nca.id;
  const key = `${authority} ${one.authorizationNumber.normalize('NFKC').toUpperCase()}`;
  const earlier = first.get(key);
  if (earlier === undefined) first.set(key, at);
  return earlier;
}

/** The record as programs read it. */
export function frozenRecord({
  tradingName,
  nca,
  roles,
  statusReason,
  ...rest
}: WrittenTppRecord): TppRecord {
  return Object.freeze({
    ...rest,
    passportedCountries: Object.freeze([...rest.passportedCountries]),
    ...(tradingName === undefined ? {} : { tradingName }),
    nca: Object.freeze({ id: nca.id, ...(nca.name === undefined ? {} : { name: nca.name }) }),
    roles: new Set(roles),
    ...(statusReason === undefined ? {} : { statusReason }),
  });
}
