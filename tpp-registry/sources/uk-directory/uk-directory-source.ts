import { OpenBankingError } from '../../../src/errors.ts';
import { canonicalNca } from '../../nca.ts';
import type { PspRole, TppRecord } from '../../record.ts';
import type { RegistrySource, SourceStatement } from '../../source.ts';
import type { DirectoryCopy } from './directory-file.ts';
import type { Participant } from './participant.ts';

const NCA = Object.freeze({ id: 'GB-FCA', name: 'Financial Conduct Authority' });
/** Of the evidence: a participant may have hundreds. */
const MAX_SHOWN = 5;

/**
 * The UK directory as a source: `PSDGB-FCA-…` and `PSDGB-OB-…`. Made for each copy; a look-up is in memory.
 *
 * Does not check that a certificate is one that the directory shows.
 */
export class UkDirectorySource implements RegistrySource {
  readonly name = 'UK directory';
  readonly copy: DirectoryCopy;
  readonly #byIdentifier = new Map<string, Participant[]>();
  readonly #statements = new Map<string, SourceStatement>();

  constructor(copy: DirectoryCopy) {
    this.copy = copy;
    for (const participant of copy.participants) {
      for (const identifier of participant.identifiers) {
        const same = this.#byIdentifier.get(identifier);
        if (same === undefined) this.#byIdentifier.set(identifier, [participant]);
        else same.push(participant);
      }
    }
    for (const [identifier, participants] of this.#byIdentifier) {
      this.#statements.set(identifier, this.#statementOf(identifier, participants));
    }
  }

  get fetchedAt(): Date {
    return this.copy.state.fetchedAt;
  }

  get size(): number {
    return this.#statements.size;
  }

  find(authorizationNumber: string, nca?: string): SourceStatement | undefined {
    if (nca !== undefined && canonicalNca(nca) !== NCA.id) return undefined;
    return this.#statements.get(authorizationNumber);
  }

  list(): readonly TppRecord[] {
    return [...this.#statements.values()].flatMap((one) => ('record' in one ? [one.record] : []));
  }

  /** The participant under an identifier, with its software statements, keys and certificates. */
  participant(authorizationNumber: string): Participant | undefined {
    const same = this.#byIdentifier.get(authorizationNumber) ?? [];
    return same.length === 1 ? same[0] : undefined;
  }

  /** Two organisations with one number are refused: whichever was meant, the other one must not act for it. */
  #statementOf(authorizationNumber: string, participants: readonly Participant[]): SourceStatement {
    const ids = participants.map(({ organisationId }) => organisationId);
    const evidence = this.#evidenceOf(participants);
    const [participant] = participants;
    if (participant === undefined || participants.length > 1) {
      const refusal = new OpenBankingError('ERR_TPP_AMBIGUOUS', { authorizationNumber, entities: ids });
      return { refusal, evidence };
    }
    const { name, isActive, status, roles, since } = participant;
    const record: TppRecord = Object.freeze({
      authorizationNumber,
      legalName: name,
      nca: NCA,
      country: 'GB',
      roles: new Set<PspRole>(isActive ? roles : []),
      passportedCountries: Object.freeze([]),
      status: isActive ? 'active' : 'withdrawn',
      statusSince: since === undefined ? new Date(0) : new Date(since),
      ...(isActive ? {} : { statusReason: `the status in the UK directory is ${status}` }),
    });
    return { record, evidence };
  }

  #evidenceOf(participants: readonly Participant[]): string {
    const { fetchedAt, digest } = this.copy.state;
    const found = participants.map(({ organisationId, softwareStatements }) => {
      const shown = softwareStatements.slice(0, MAX_SHOWN).map(({ id }) => id);
      const more = softwareStatements.length - shown.length;
      const software = shown.length === 0 ? 'no software' : `software ${shown.join(' ')}`;
      return `organisation ${organisationId}, ${software}${more > 0 ? ` and ${more} more` : ''}`;
    });
    return `${found.join('; ')}, copy of ${fetchedAt.toISOString().slice(0, 10)}, SHA-256 ${digest.slice(0, 16)}`;
  }
}
