import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Log } from '../events.ts';
import { addressesOfPivots } from './list-of-lists.ts';
import type { ListFile } from './list-of-lists.ts';
import { type ListFolder, pivotName } from './list-folder.ts';
import type { ListFacts, ProvedListOfLists } from './proving.ts';
import type { ProvingThread } from './proving-thread.ts';
import { assertSuccessor } from './successor.ts';
import type { ListedIssuer, ListState, TrustedListSnapshot } from './snapshot.ts';
import { isGrantedNow } from './website-issuers.ts';

export interface TrustedListRefreshOptions {
  readonly folder: ListFolder;
  /** Address of the list of the lists. Absent: lists are read from the folder only, where an operator puts them. */
  readonly address?: string | undefined;
  /** DER of the certificates that the Official Journal has published. */
  readonly officialJournal: readonly Uint8Array[];
  /** Of national lists, such as `EL` for Greece. Absent: all that the list of the lists names. */
  readonly territories?: readonly string[] | undefined;
  readonly fetch: (address: string) => Promise<Buffer>;
  readonly thread: Pick<ProvingThread, 'prove'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each list, for a display. */
  readonly onProgress?: ((done: { readonly lists: number; readonly of: number }) => void) | undefined;
}

/** A list that was proved in this turn, with its bytes. */
interface Proved<Facts extends ListFacts> {
  readonly facts: Facts;
  readonly file: ListFile;
  readonly state: ListState;
}

/** More than the EU has made from one Official Journal to the next. */
const MAX_PIVOTS = 12;

/**
 * One turn: fetches the list of the lists, its pivots and the national lists, proves each of them, and keeps what was
 * proved. A list that cannot be fetched or proved leaves its last good copy in place, which is proved again under the
 * signers that count now; the fault is logged, and stands in the snapshot.
 *
 * @throws the refusal of the list of the lists when there is no good copy of it either
 */
export async function refreshTrustedLists(options: TrustedListRefreshOptions): Promise<TrustedListSnapshot> {
  const { folder, clock, log, territories, onProgress } = options;
  await folder.open();
  const before = await lastSnapshot(options);
  const listOfLists = await renew<ProvedListOfLists>(options, {
    territory: 'EU',
    address: options.address,
    before: before?.listOfLists,
    prove: (file) => proveListOfLists(options, file),
  });
  const pointers = listOfLists.facts.pointers.filter(
    ({ territory }) => territories === undefined || territories.includes(territory),
  );
  for (const missing of territories ?? []) {
    if (pointers.some(({ territory }) => territory === missing)) continue;
    const problem = `the list of the lists does not name the territory ${missing}`;
    const error = new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', { source: missing, problem });
    log.emit('trusted-list.not-renewed', { kind: missing, error });
  }
  const lists: ListState[] = [];
  const issuers: ListedIssuer[] = [];
  for (const [at, pointer] of pointers.entries()) {
    const { territory } = pointer;
    onProgress?.({ lists: at, of: pointers.length });
    try {
      const national = await renew(options, {
        territory,
        address: options.address === undefined ? undefined : pointer.location,
        before: before?.lists.find((one) => one.territory === territory),
        prove: (file) => options.thread.prove({ kind: 'national-list', file, pointer }),
      });
      lists.push(national.state);
      issuers.push(...national.facts.issuers.map((issuer) => ({ ...issuer, territory })));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The fault was logged. The proof that was kept stays good, but for a signer that the list of the lists dropped.
      const kept = before?.lists.find((one) => one.territory === territory);
      if (kept === undefined || isRefusal(error, 'ERR_TRUSTED_LIST_SIGNER')) continue;
      lists.push({ ...kept, problem: error.message });
      issuers.push(...(before?.issuers ?? []).filter((one) => one.territory === territory));
    }
  }
  onProgress?.({ lists: pointers.length, of: pointers.length });
  const snapshot = { askedAt: clock.now(), listOfLists: listOfLists.state, lists, issuers };
  await folder.keepSnapshot(snapshot);
  reportWithdrawn(before, snapshot, { at: clock.now(), log });
  return snapshot;
}

/** A snapshot that cannot be read is made anew from the lists. */
async function lastSnapshot({ folder, log }: TrustedListRefreshOptions) {
  try {
    return await folder.snapshot();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.emit('trusted-list.not-renewed', { kind: 'snapshot', error });
    return undefined;
  }
}

interface Renewal<Facts extends ListFacts> {
  readonly territory: string;
  readonly address: string | undefined;
  readonly before: ListState | undefined;
  readonly prove: (file: ListFile) => Promise<Facts>;
}

/** The newest list that can be had and proved: fetched, else the copy of the folder. */
async function renew<Facts extends ListFacts>(
  options: TrustedListRefreshOptions,
  renewal: Renewal<Facts>,
): Promise<Proved<Facts>> {
  const { folder, clock, log } = options;
  const { territory, address, before, prove } = renewal;
  let problem: string | undefined;
  if (address !== undefined) {
    try {
      const file = { source: address, bytes: await options.fetch(address) };
      const facts = await prove(file);
      assertSuccessor(facts, before, address);
      await folder.keepList(territory, file.bytes);
      log.emit('trusted-list.renewed', { kind: territory, count: facts.sequenceNumber });
      return { facts, file, state: stateOf(facts, { source: address, fetchedAt: clock.now() }) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.emit('trusted-list.not-renewed', { kind: territory, url: address, error });
      problem = error.message;
      if ((await folder.list(territory)) === undefined) throw error;
    }
  }
  const file = await folder.list(territory);
  if (file === undefined) {
    const missing = { source: folder.folder, problem: `the folder has no list of ${territory}` };
    throw new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', missing);
  }
  const facts = await proveKept(file, renewal, log);
  // A file that an operator has put there counts from now on; a kept one from when it was fetched.
  const isSame = before?.digest === facts.digest;
  if (!isSame) assertSuccessor(facts, before, file.source);
  const fetchedAt = isSame ? before.fetchedAt : clock.now();
  const source = isSame ? before.source : file.source;
  return { facts, file, state: { ...stateOf(facts, { source, fetchedAt }), problem } };
}

async function proveKept<Facts extends ListFacts>(
  file: ListFile,
  { territory, prove }: Renewal<Facts>,
  log: Log,
): Promise<Facts> {
  try {
    return await prove(file);
  } catch (error) {
    log.emit('trusted-list.not-renewed', { kind: territory, file: file.source, error });
    throw error;
  }
}

function stateOf(
  { territory, sequenceNumber, issuedAt, nextUpdate, digest }: ListFacts,
  from: { readonly source: string; readonly fetchedAt: Date },
): ListState {
  return { territory, sequenceNumber, issuedAt, nextUpdate, digest, ...from };
}

/** Fetches the pivots that a list names and the folder has not, and proves the list by them. */
async function proveListOfLists(
  options: TrustedListRefreshOptions,
  file: ListFile,
): Promise<ProvedListOfLists> {
  const { folder, officialJournal, thread } = options;
  if (options.address !== undefined) await fetchPivots(options, file);
  const pivots = await folder.pivots();
  return thread.prove({ kind: 'list-of-lists', file, officialJournal, pivots });
}

/** The addresses are not proved yet: only those beside the list of the lists are followed, and only for pivots. */
async function fetchPivots(options: TrustedListRefreshOptions, file: ListFile): Promise<void> {
  const { folder, fetch } = options;
  const base = new URL('.', options.address).href;
  const known = (await folder.pivots()).map(({ source }) => source);
  const addresses = addressesOfPivots(file).filter((address) => address.startsWith(base));
  for (const address of addresses.slice(0, MAX_PIVOTS)) {
    const name = pivotName(address);
    if (name === undefined || known.some((source) => source.endsWith(name))) continue;
    await folder.keepPivot(name, await fetch(address));
  }
}

/** Logs each service that was granted in the copy before, and is not now. */
function reportWithdrawn(
  before: TrustedListSnapshot | undefined,
  { issuers }: TrustedListSnapshot,
  { at, log }: { readonly at: Date; readonly log: Log },
): void {
  const granted = new Set(issuers.filter((one) => isGrantedNow(one, at)).flatMap(certificatesOf));
  for (const issuer of before?.issuers ?? []) {
    if (!isGrantedNow(issuer, at) || certificatesOf(issuer).every((one) => granted.has(one))) continue;
    log.emit('trusted-list.issuer.withdrawn', { kind: issuer.territory, issuer: issuer.name });
  }
}

function certificatesOf({ certificates }: ListedIssuer): string[] {
  return certificates.map((der) => createHash('sha256').update(der).digest('hex'));
}
