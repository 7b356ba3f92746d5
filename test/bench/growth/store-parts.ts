import { closeSync, constants, copyFileSync, fsyncSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bank } from '../../durability/bank.ts';
import { codeOf, Tpp } from '../../durability/tpp.ts';
import { JOURNEY_BANK, PASSWORD } from '../journeys/bank-module.ts';
import { type Contender, startOwn, tppOf } from '../tokens/contenders.ts';
import { FilledFile } from './filled-file.ts';
import {
  clientsInUse,
  type Fill,
  fillClients,
  fillConsents,
  fillRevocations,
  fillTokens,
  listsOf,
} from './filled-files.ts';
import type { Case, SideWork } from './measure.ts';

const GROWING = 'growing.sqlite';
/** Grants whose refresh tokens are used in turns, made by whole code flows. */
const GRANTS = 64;
const FLOWS_AT_ONCE = 8;
const REVOKED_PER_SECOND = 10;

const start = (bank: Bank, name: string, format: string) =>
  startOwn(bank, name, {
    ...{ bankModule: JOURNEY_BANK, accessToken: { format } },
    storage: { secretFile: 'bank.secret', file: `${name}.sqlite` },
  });

/** Live opaque tokens: each token that is asked for is one more. */
export const tokensPart = (bank: Bank, sizes: readonly number[]): AsyncIterable<Case> =>
  inStore(bank, sizes, { format: 'opaque', fill: fillTokens, caseOf: () => ({}) });

/** Clients of the store: as many as 1,000 of them, in all parts of the file, ask for tokens in turns. */
export const clientsPart = (bank: Bank, sizes: readonly number[]): AsyncIterable<Case> =>
  inStore(bank, sizes, {
    ...{ format: 'opaque', fill: fillClients },
    caseOf: (_server, count) => {
      const form = 'grant_type=client_credentials&scope=accounts&client_id=';
      return { burst: { bodies: clientsInUse(count).map((id) => `${form}${id}`) } };
    },
  });

/** Consents: tokens by refresh, of grants in all parts of the file. */
export function consentsPart(bank: Bank, sizes: readonly number[]): AsyncIterable<Case> {
  const clientId = tppOf(bank).clients.tls_client_auth.client_id;
  let tokens: readonly string[] = [];
  return inStore(bank, sizes, {
    ...{ format: 'opaque', fill: fillConsents },
    prepare: async (server) => {
      tokens = await refreshTokens(bank, server);
    },
    caseOf: () => ({
      burst: {
        bodies: tokens.map((token) =>
          new URLSearchParams({
            ...{ grant_type: 'refresh_token', client_id: clientId, refresh_token: token },
          }).toString(),
        ),
      },
    }),
  });
}

/** Revoked JWTs: JWTs are asked for while an API reads every list once a second, and a TPP revokes ten JWTs. */
export const revocationsPart = (bank: Bank, sizes: readonly number[]): AsyncIterable<Case> =>
  inStore(bank, sizes, {
    ...{ format: 'jwt', fill: fillRevocations },
    prepare: async (server) => {
      const tpp = new Tpp(bank);
      await tpp.clientCredentials(server);
      tpp.close();
    },
    caseOf: (server, count) => ({ during: () => readAndRevoke(bank, server, listsOf(count)) }),
  });

interface StorePart {
  readonly format: 'jwt' | 'opaque';
  readonly fill: Fill;
  /** What is done with the first server, before the fill. */
  readonly prepare?: (server: Contender) => Promise<void>;
  readonly caseOf: (server: Contender, count: number) => Partial<Case>;
}

/** A server for each size, with a copy of one growing file. */
async function* inStore(bank: Bank, sizes: readonly number[], part: StorePart): AsyncIterable<Case> {
  const { format, fill, prepare, caseOf } = part;
  const first = await start(bank, 'growing', format);
  await prepare?.(first);
  await ended(first);
  const own = FilledFile.open(join(bank.folder, GROWING));
  const ownRecords = own.last;
  own.close();
  let filled = 0;
  for (const count of sizes) {
    const growing = FilledFile.open(join(bank.folder, GROWING), { isFilled: true });
    await fill(growing, { from: filled, to: count }, bank);
    growing.close();
    filled = count;
    const name = `grown-${count}`;
    const copy = join(bank.folder, `${name}.sqlite`);
    copyFileSync(join(bank.folder, GROWING), copy, constants.COPYFILE_FICLONE);
    const spread = FilledFile.open(copy);
    spread.spread(ownRecords);
    spread.close();
    writeThrough(copy);
    const server = await start(bank, name, format);
    yield { at: count, server, ...caseOf(server, count) };
  }
}

/** Waits for the disk: otherwise the start of the server does. */
function writeThrough(file: string): void {
  const descriptor = openSync(file, 'r+');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

async function ended({ child }: Contender): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function refreshTokens(bank: Bank, server: Contender): Promise<readonly string[]> {
  const tpp = new Tpp(bank);
  const tokens: string[] = [];
  const walk = async (customer: number) => {
    const { requestUri, verifier } = await tpp.pushed(server);
    const login = { username: `c${customer}`, password: PASSWORD };
    const code = codeOf(await (await tpp.walk(server, requestUri, { login })).end()) ?? '';
    const { json, text } = await tpp.exchange(server, { code, verifier });
    if (typeof json.refresh_token !== 'string') throw new Error(`no refresh token: ${text}`);
    tokens.push(json.refresh_token);
  };
  for (let at = 0; at < GRANTS; at += FLOWS_AT_ONCE) {
    await Promise.all(Array.from({ length: FLOWS_AT_ONCE }, (_, one) => walk(at + one)));
  }
  tpp.close();
  return tokens;
}

/** Reads the lists, and the list of the tokens that are revoked now. */
function readAndRevoke(bank: Bank, server: Contender, lists: readonly number[]): SideWork {
  const tpp = new Tpp(bank);
  let isOver = false;
  const second = async () => {
    for (let revoked = 0; revoked < REVOKED_PER_SECOND; revoked += 1) {
      const { json } = await tpp.clientCredentials(server);
      const { status } = await tpp.revoke(server, json.access_token);
      if (status !== 200) throw new Error(`revocation: ${status}`);
    }
    for (const list of [...lists, (lists.at(-1) ?? 0) + 1]) {
      const { status, text } = await tpp.browse(server, `/status-lists/${list}`);
      if (status !== 200) throw new Error(`list ${list}: ${status} ${text}`);
    }
  };
  const work = async () => {
    while (!isOver) await Promise.all([second(), sleep(1000)]);
    tpp.close();
  };
  const running = work();
  return {
    end: () => {
      isOver = true;
      return running;
    },
  };
}
