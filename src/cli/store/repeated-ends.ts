import { type AuditGate, OPEN_GATE } from '../../audit/audit-gate.ts';
import { type AuditEntry, AuditSearch } from '../../audit/reading/audit-search.ts';
import { systemClock } from '../../clock.ts';
import { invalidConfig, OpenBankingError } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import { type CommandRecord, recorded } from '../../server/audit/command-audit.ts';
import { type ClientUpkeep, openClientUpkeep } from '../../server/client-upkeep.ts';
import { openAuditSource } from '../../server/audit/opened-audit.ts';
import { openStore } from '../../server/opened-store.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { readConfig } from '../environment.ts';

export interface RepeatFlags {
  readonly config: string;
  readonly since: Date;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Events whose `consentId` is a consent that has ended, whatever else they say. */
const CONSENT_ENDS = ['dashboard.access.ended', 'grant.revoked'];
const ENDED_STATUSES = ['revoked', 'rejected', 'consumed'];
const EVENTS = [...CONSENT_ENDS, 'consent.changed', 'token.revoked', 'client.status', 'registration.deleted'];
/** A JWT that was revoked alone: every JWT of before a restore ends with the change of the signing keys. */
const ALONE = 'JWT';
const PAGE = 1000;
const BY_REPETITION = Object.freeze({
  by: { kind: 'server' },
  reason: 'ended before, and alive again after a restore of the store',
} as const);

/** Consents, grants and clients that a record names as ended. */
interface Ends {
  readonly consents: readonly string[];
  /** When the TPP ended the grant of a consent, by the id of the consent. */
  readonly grants: ReadonlyMap<string, Date>;
  readonly disabledClients: readonly string[];
  readonly deletedClients: readonly string[];
}

type Outcome = 'ended' | 'over' | 'absent';

interface Repeated {
  readonly kind: 'consent' | 'grant' | 'client';
  readonly id: string;
  readonly outcome: Outcome;
}

/** Ends everything again that the audit record names as ended. @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE */
export async function repeatEnds({ config: source, since, dryRun, json }: RepeatFlags): Promise<void> {
  const config = await readConfig(source);
  const { audit } = config;
  if (audit === undefined) {
    const message = 'is not configured: there is no record of what was ended';
    throw invalidConfig(source, [{ path: 'audit', message }]);
  }
  const record = await openAuditSource(audit, silentLog);
  const ends = await readEnds(new AuditSearch(record), since).finally(() => record.close());
  const repeat = async ({ log, gate }: CommandRecord) => {
    const upkeep = await openClientUpkeep(config, { clock: systemClock, log });
    return new Repetition(upkeep, { isDryRun: dryRun === true, gate })
      .repeat(ends)
      .finally(() => upkeep.close());
  };
  const repeated = await (dryRun === true
    ? repeat({ log: silentLog, gate: OPEN_GATE })
    : recorded(config, { clock: systemClock, log: silentLog, openStore }, repeat));
  if (json === true) console.log(JSON.stringify({ isDryRun: dryRun === true, repeated }, undefined, 2));
  else for (const line of linesOf(repeated, dryRun === true)) console.log(line);
}

/** The ends of a record from a time on. @throws ERR_STORAGE_UNAVAILABLE when the record is too long to be read as a whole */
async function readEnds(search: AuditSearch, since: Date): Promise<Ends> {
  const entries: AuditEntry[] = [];
  for (const event of EVENTS) entries.push(...(await allOf(search, event, since)));
  // The last status of a client counts.
  entries.sort((a, b) => (a.at < b.at ? -1 : 1));
  const consents = new Set<string>();
  const grants = new Map<string, Date>();
  const clients = new Map<string, string>();
  for (const { at, event, members } of entries) {
    const { consentId, clientId, outcome } = members;
    if (isConsentEnd(event, outcome) && typeof consentId === 'string') consents.add(consentId);
    const endsGrant = event === 'token.revoked' && members.kind !== ALONE;
    if (endsGrant && typeof consentId === 'string') grants.set(consentId, new Date(at));
    if (typeof clientId !== 'string') continue;
    if (event === 'registration.deleted') clients.set(clientId, 'ending');
    if (event === 'client.status' && clients.get(clientId) !== 'ending')
      clients.set(clientId, String(outcome));
  }
  const named = (status: string) => [...clients].flatMap(([id, own]) => (own === status ? [id] : []));
  return {
    consents: [...consents],
    grants,
    disabledClients: named('disabled'),
    deletedClients: named('ending'),
  };
}

function isConsentEnd(event: string, outcome: unknown): boolean {
  if (event === 'consent.changed') return ENDED_STATUSES.includes(String(outcome));
  return CONSENT_ENDS.includes(event);
}

async function allOf(search: AuditSearch, event: string, from: Date): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = [];
  let after: string | undefined;
  do {
    const page = await search.find({ event, from, to: systemClock.now(), limit: PAGE, after });
    if (!page.isComplete) {
      const operation = 'repeat-ends: the record since then is too long to be read at once';
      throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
    }
    found.push(...page.entries);
    after = page.next;
  } while (after !== undefined);
  return found;
}

class Repetition {
  readonly #upkeep: ClientUpkeep;
  readonly #isDryRun: boolean;
  readonly #gate: AuditGate;

  constructor(
    upkeep: ClientUpkeep,
    { isDryRun, gate }: { readonly isDryRun: boolean; readonly gate: AuditGate },
  ) {
    this.#upkeep = upkeep;
    this.#isDryRun = isDryRun;
    this.#gate = gate;
  }

  async repeat({ consents, grants, disabledClients, deletedClients }: Ends): Promise<readonly Repeated[]> {
    const repeated: Repeated[] = [];
    for (const id of consents) repeated.push({ kind: 'consent', id, outcome: await this.#endConsent(id) });
    for (const [id, at] of grants)
      repeated.push({ kind: 'grant', id, outcome: await this.#endGrant(id, at) });
    for (const id of disabledClients) {
      const disable = () => this.#upkeep.clients.disable(id);
      repeated.push({ kind: 'client', id, outcome: await this.#endClient(id, 'disabled', disable) });
    }
    for (const id of deletedClients) {
      const end = () => this.#upkeep.end(id);
      repeated.push({ kind: 'client', id, outcome: await this.#endClient(id, 'ending', end) });
    }
    return repeated;
  }

  async #endConsent(id: string): Promise<Outcome> {
    const { consents } = this.#upkeep;
    const consent = await consents.find(id);
    if (consent === undefined) return 'absent';
    const isOpen = consent.status === 'authorised' || consent.status === 'awaiting-authorisation';
    // The grant of a consent that is over may be alive all the same.
    if (!this.#isDryRun) await this.#carryOut(() => consents.revoke(id, BY_REPETITION));
    return isOpen ? 'ended' : 'over';
  }

  /** The grant of a consent that its customer has authorised anew since is another one. */
  async #endGrant(consentId: string, at: Date): Promise<Outcome> {
    const { consents } = this.#upkeep;
    const consent = await consents.find(consentId);
    if (consent === undefined) return 'absent';
    const authorisedAt = consent.history.findLast(({ to }) => to === 'authorised')?.at;
    if (consent.status !== 'authorised' || authorisedAt === undefined || new Date(authorisedAt) > at)
      return 'over';
    if (!this.#isDryRun) await this.#carryOut(() => consents.endGrantsOf(consentId));
    return 'ended';
  }

  async #endClient(id: string, status: string, end: () => Promise<void>): Promise<Outcome> {
    const record = await this.#upkeep.clients.findRecord(id);
    if (record === undefined) return 'absent';
    // Only an active client can be disabled.
    if (status === 'disabled' && record.status !== 'active') return 'over';
    if (!this.#isDryRun) await this.#carryOut(end);
    return 'ended';
  }

  /** With its lines in the record, so that no more of them wait in memory than one end has. */
  async #carryOut(end: () => Promise<unknown>): Promise<void> {
    await end();
    await this.#gate.durable();
  }
}

function linesOf(repeated: readonly Repeated[], isDryRun: boolean): readonly string[] {
  const words: Readonly<Record<Outcome, string>> = {
    ended: isDryRun ? 'would be ended again' : 'ended again',
    over: 'is over',
    absent: 'is not in the store',
  };
  const count = repeated.filter(({ outcome }) => outcome === 'ended').length;
  return [
    ...repeated.map(({ kind, id, outcome }) => `${mark.passed()} ${kind} ${shown(id)}: ${words[outcome]}`),
    `${count} of ${repeated.length} ${isDryRun ? 'would be ended again' : 'ended again'}`,
  ];
}
