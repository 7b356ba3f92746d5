import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { systemClock } from '../../clock.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import type { TrustedListsValue } from '../../configuration/tpp/trust-schema.ts';
import { invalidConfig } from '../../errors.ts';
import { type Log, logTo, silentLog } from '../../events.ts';
import { TrustedListUpkeep, type TrustedListParts } from '../../server/registers/trusted-list-upkeep.ts';
import { ListFolder } from '../../trusted-lists/list-folder.ts';
import {
  type ListedIssuer,
  type ListState,
  overdueSince,
  type TrustedListSnapshot,
} from '../../trusted-lists/snapshot.ts';
import { isGrantedNow } from '../../trusted-lists/website-issuers.ts';
import { MAX_TRUSTED_LIST_BYTES } from '../../trusted-lists/xml/document.ts';
import { configurationFrom } from '../certificate/certificate-verify.ts';
import { mark, shown, timeText } from '../certificate/shown-text.ts';

export interface TrustListFlags {
  readonly config?: string;
  readonly sandbox?: string;
  readonly json?: true;
}

interface Configured {
  readonly lists: TrustedListsValue;
  readonly parts: TrustedListParts;
}

/** Prints the state of every list; true when none is overdue. */
export async function printStatus(flags: TrustListFlags): Promise<boolean> {
  const { lists } = await configured(flags, silentLog);
  const { maxAgeSeconds } = lists;
  const snapshot = await snapshotOf(lists);
  const at = systemClock.now();
  const rows = [snapshot.listOfLists, ...snapshot.lists].map((list) => ({
    ...list,
    issuers: snapshot.issuers.filter((one) => one.territory === list.territory && isGrantedNow(one, at))
      .length,
    overdueSince: overdueSince(list, { maxAgeSeconds, at }),
  }));
  if (flags.json === true)
    console.log(JSON.stringify({ askedAt: snapshot.askedAt, lists: rows }, undefined, 2));
  else {
    console.log(mark.strong('list      no.  issued      good until  fetched               issuers'));
    for (const row of rows) console.log(statusLine(row));
    console.log(`Asked for at ${timeText(snapshot.askedAt)}.`);
  }
  return rows.every((row) => row.overdueSince === undefined);
}

function statusLine(
  row: ListState & { readonly issuers: number; readonly overdueSince: Date | undefined },
): string {
  const {
    territory,
    sequenceNumber,
    issuedAt,
    nextUpdate,
    fetchedAt,
    issuers,
    overdueSince: since,
    problem,
  } = row;
  const sign = since === undefined && problem === undefined ? mark.passed() : mark.refused();
  const columns = [
    territory.padEnd(4),
    String(sequenceNumber).padStart(6),
    day(issuedAt),
    nextUpdate === undefined ? 'never     ' : day(nextUpdate),
    timeText(fetchedAt).padEnd(20),
    territory === 'EU' ? '' : String(issuers).padStart(7),
  ];
  const notes = [
    ...(since === undefined ? [] : [`overdue since ${timeText(since)}`]),
    ...(problem === undefined ? [] : [`not renewed: ${shown(problem)}`]),
  ];
  return [`${sign} ${columns.join('  ')}`, ...notes.map((note) => `    ${mark.bad(note)}`)].join('\n');
}

/** Prints the issuers of a territory, or of all. */
export async function printIssuers(territory: string | undefined, flags: TrustListFlags): Promise<void> {
  const { lists } = await configured(flags, silentLog);
  const snapshot = await snapshotOf(lists);
  const at = systemClock.now();
  const issuers = snapshot.issuers.filter((one) => territory === undefined || one.territory === territory);
  if (flags.json === true) {
    console.log(
      JSON.stringify(
        issuers.map((issuer) => issuerJson(issuer, at)),
        undefined,
        2,
      ),
    );
    return;
  }
  for (const issuer of issuers) {
    const { isGranted, fingerprints } = issuerJson(issuer, at);
    const [state] = issuer.states;
    const status = state === undefined ? '' : `${shown(lastPart(state.status))} since ${day(state.since)}`;
    console.log(
      `${isGranted ? mark.passed() : mark.refused()} ${issuer.territory}  ${mark.strong(shown(issuer.name))}`,
    );
    console.log(`    ${shown(issuer.provider)}; ${status}`);
    for (const fingerprint of fingerprints) console.log(mark.faint(`    SHA-256 ${fingerprint}`));
  }
  if (issuers.length === 0) console.log('No issuer for website authentication is listed there.');
}

function issuerJson(issuer: ListedIssuer, at: Date) {
  return {
    territory: issuer.territory,
    provider: issuer.provider,
    name: issuer.name,
    isGranted: isGrantedNow(issuer, at),
    states: issuer.states,
    fingerprints: issuer.certificates.map((der) => createHash('sha256').update(der).digest('hex')),
  };
}

/** Fetches and proves all lists; true when each could be renewed. Shows its progress on a terminal only. */
export async function fetchLists(flags: TrustListFlags): Promise<boolean> {
  const problems: string[] = [];
  const log = logTo((name, _definition, { kind = '', error }) => {
    if (name === 'trusted-list.not-renewed')
      problems.push(`${kind}: ${error instanceof Error ? error.message : ''}`);
  });
  const { lists, parts } = await configured(flags, log);
  if (lists.address === undefined) {
    throw invalidConfig('configuration', [
      { path: `${parts.place}.address`, message: 'is absent: nothing is fetched' },
    ]);
  }
  const onProgress = ({ lists: done, of }: { readonly lists: number; readonly of: number }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${of} lists${done === of ? '\n' : ''}`);
  };
  const before = systemClock.now();
  const upkeep = await TrustedListUpkeep.open(lists, { ...parts, onProgress });
  try {
    // The first opening of a folder has fetched already.
    const { askedAt } = await snapshotOf(lists);
    if (askedAt < before && !(await upkeep.refreshNow())) console.log('Another process is fetching them.');
  } finally {
    await upkeep.close();
  }
  for (const problem of problems) console.log(mark.bad(`not renewed: ${shown(problem)}`));
  await printStatus(flags);
  return problems.length === 0;
}

/** Proves files and puts them into the folder. */
export async function importFiles(files: readonly string[], flags: TrustListFlags): Promise<void> {
  const { lists, parts } = await configured(flags, silentLog);
  const read = await Promise.all(
    files.map(async (source) => {
      const { size } = await stat(source);
      if (size <= MAX_TRUSTED_LIST_BYTES) return { source, bytes: await readFile(source) };
      const message = `has more than ${MAX_TRUSTED_LIST_BYTES} bytes`;
      throw invalidConfig(source, [{ path: '', message }]);
    }),
  );
  const imported = await TrustedListUpkeep.import(read, lists, parts);
  if (flags.json === true) console.log(JSON.stringify({ imported }));
  else console.log(`Imported: ${imported.join(', ')}.`);
}

async function configured(flags: TrustListFlags, log: Log): Promise<Configured> {
  if (flags.config === undefined && flags.sandbox === undefined) {
    throw invalidConfig('command line', [{ path: '--config', message: 'is needed, or --sandbox' }]);
  }
  const config = await configurationFrom(flags);
  for (const [at, { lists }] of config.trust.entries()) {
    if (lists === undefined) continue;
    const place = `trust[${at}].lists`;
    return { lists, parts: { place, proxy: proxyOf(config.outbound), clock: systemClock, log } };
  }
  throw invalidConfig(flags.config ?? flags.sandbox ?? '', [
    { path: 'trust', message: 'no entry has lists' },
  ]);
}

async function snapshotOf({ folder }: TrustedListsValue): Promise<TrustedListSnapshot> {
  const snapshot = await new ListFolder(folder).snapshot();
  if (snapshot !== undefined) return snapshot;
  const message = 'nothing is proved yet: use `tallystick trust-list fetch` or `import`';
  throw invalidConfig(folder, [{ path: '', message }]);
}

function lastPart(uri: string): string {
  return uri.slice(uri.lastIndexOf('/') + 1);
}

function day(at: Date): string {
  return at.toISOString().slice(0, 10);
}
