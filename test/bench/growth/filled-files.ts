import { hash, randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ClientRecords } from '../../../src/authorization-server/clients/client-records.ts';
import { clientSchema, registeredClient } from '../../../src/authorization-server/clients/client-schema.ts';
import { bitmapOf } from '../../../src/authorization-server/token-status/revoked-grants.ts';
import { LIST_SIZE } from '../../../src/authorization-server/token-status/status-list-allocator.ts';
import { systemClock } from '../../../src/clock.ts';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { PART_BITS } from '../../../src/storage/sqlite/sqlite-operations.ts';
import type { Bank } from '../../durability/bank.ts';
import { tppOf } from '../tokens/contenders.ts';
import type { FilledFile } from './filled-file.ts';

export interface Range {
  /** How many the file has of these. */
  readonly from: number;
  readonly to: number;
}

/** Adds what a file lacks. */
export type Fill = (file: FilledFile, range: Range, bank: Bank) => Promise<void> | void;

const HOUR_MILLISECONDS = 3_600_000;
const CONSENT_MILLISECONDS = 180 * 24 * HOUR_MILLISECONDS;
/** The size of an opaque token of a grant, encrypted. */
const TOKEN = randomBytes(450).toString('base64');
/** That of a consent. */
const CONSENT = randomBytes(750).toString('base64');
/** Of the texts by which the program finds a record: keyed hashes. */
const named = (text: string) => hash('sha256', text, 'base64url');
const inMilliseconds = (milliseconds: number) => new Date(systemClock.now().getTime() + milliseconds);

/** Live tokens of grants, which end one after another within the hour. */
export const fillTokens: Fill = (file, { from, to }) => {
  for (let at = from; at < to; at += 1) {
    const expiresAt = inMilliseconds(HOUR_MILLISECONDS * (0.1 + 0.9 * Math.random()));
    file.add('AccessToken', named(`token ${at}`), {
      ...{ value: TOKEN, expiresAt, indexes: { grantId: named(`grant ${at}`) } },
    });
  }
};

/** Consents, 20 of a customer, of 200 clients. Most of them have ended, and are kept for the history of the customer. */
export const fillConsents: Fill = (file, { from, to }) => {
  const expiresAt = inMilliseconds(CONSENT_MILLISECONDS);
  for (let at = from; at < to; at += 1) {
    const indexes = {
      authorizationNumber: named(`tpp ${at % 100}`),
      client: named(`client ${at % 200}`),
      psu: named(`psu ${Math.floor(at / 20)}`),
    };
    file.add('Consent', `consent-${at}`, { value: CONSENT, expiresAt, indexes });
  }
};

/** Every tenth client is of the TPP that asks for tokens; the others are of 1,000 other TPPs. */
const OWN_SHARE = 10;
const CLIENTS_IN_USE = 1000;

/** The client of a number. */
function clientIdOf(number: number): string {
  return named(`client ${number}`).slice(0, 22);
}

/** Clients that are used in turns, from all parts of a store with so many. */
export function clientsInUse(count: number): readonly string[] {
  const inUse = Math.min(CLIENTS_IN_USE, Math.floor(count / OWN_SHARE));
  const step = Math.floor(count / inUse / OWN_SHARE) * OWN_SHARE;
  return Array.from({ length: inUse }, (_, at) => clientIdOf(at * step));
}

/** Clients that were registered. */
export const fillClients: Fill = async (file, { from, to }, bank) => {
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
  const records = new ClientRecords({ store: file.asStore(), clock: systemClock, secret });
  const own = tppOf(bank).organizationIdentifier;
  const client = registeredClient(
    clientSchema.parse({
      ...{ client_id: 'grown', client_name: 'Grown', authorization_number: own, nca: 'GB-FCA' },
      ...{ token_endpoint_auth_method: 'tls_client_auth', scope: 'openid accounts payments' },
      grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
      redirect_uris: ['https://app.tpp.example/callback'],
    }),
  );
  const at = systemClock.now().toISOString();
  const facts = { status: 'active', origin: 'registration', createdAt: at, changedAt: at } as const;
  for (let number = from; number < to; number += 1) {
    const authorizationNumber = number % OWN_SHARE === 0 ? own : `PSDGB-FCA-${number % 10_000}`;
    const of = { client_id: clientIdOf(number), authorization_number: authorizationNumber };
    await records.create({ client: { ...client, ...of }, ...facts });
  }
};

const BLOCK_INDEXES = 1024;
/** The first list is that of the server's own tokens before the fill. */
const FIRST_LIST = 1;
/** Half of the bits are set, at random: the worst to compress. */
const REVOKED_SHARE = 0.5;

/** The lists that have revocations, of so many revocations. */
export function listsOf(revocations: number): readonly number[] {
  const lists = Math.ceil(revocations / REVOKED_SHARE / LIST_SIZE);
  return Array.from({ length: lists }, (_, at) => FIRST_LIST + at);
}

/** Revoked JWTs: the bits of status lists, and the blocks of their holder, which is that of the tokens that are asked for. */
export const fillRevocations: Fill = (file, { from, to }) => {
  const { holder } = file.anyOf('StatusBlock') as { readonly holder: object };
  const expiresAt = inMilliseconds(HOUR_MILLISECONDS);
  const partOf = (count: number) => Math.ceil(count / REVOKED_SHARE / PART_BITS);
  for (let part = partOf(from); part < partOf(to); part += 1) {
    const first = FIRST_LIST * LIST_SIZE + part * PART_BITS;
    const list = String(Math.floor(first / LIST_SIZE));
    const bits = randomBytes(PART_BITS / 8);
    file.setBits(bitmapOf(list), { part: (first % LIST_SIZE) / PART_BITS, bits, expiresAt });
    for (let block = first; block < first + PART_BITS; block += BLOCK_INDEXES) {
      const value = { count: BLOCK_INDEXES, holder };
      file.add('StatusBlock', String(block), { value, expiresAt, indexes: { list } });
    }
  }
  file.setCounter('token-status-index', (FIRST_LIST + listsOf(to).length) * LIST_SIZE);
};

/** A registry with so many TPPs, those of the sandbox among them; the name of its file. Each `edition` is a changed copy. */
export function writeRegistry(bank: Bank, count: number, { name = 'steady', edition = 0 } = {}): string {
  const sandbox = readFileSync(pathsOf(bank.folder).registry, 'utf8');
  const { tpps } = parse(sandbox) as { readonly tpps: readonly object[] };
  const more = Array.from({ length: Math.max(0, count - tpps.length) }, (_, at) => ({
    ...{ authorizationNumber: `PSDGB-FCA-${1_000_000 + at}`, legalName: `Provider ${at}, ${edition}` },
    ...{ nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' }, country: 'GB', status: 'active' },
    ...{ roles: ['PSP_AI', 'PSP_PI'], passportedCountries: ['IE', 'FR'], statusSince: '2026-01-31' },
  }));
  const file = join(bank.folder, `registry-${name}-${count}.json`);
  writeFileSync(`${file}.next`, JSON.stringify({ tpps: [...tpps, ...more] }));
  renameSync(`${file}.next`, file);
  return file;
}
