import { z } from 'zod';
import { OpenBankingError } from '../../../src/errors.ts';
import { type Participant, readParticipant } from './participant.ts';

/** The participants of a directory. */
export interface ReadParticipants {
  readonly participants: readonly Participant[];
  /** The first participants, roles and numbers that grant nothing. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

/** The directory of the United Kingdom has some 400. */
const MAX_PARTICIPANTS = 20_000;
const MAX_PROBLEMS = 20;

const list = z.looseObject({
  totalResults: z.int().nonnegative(),
  startIndex: z.int().positive().optional(),
  Resources: z.array(z.unknown()).default([]),
});

/** Collects the pages of a SCIM list (RFC 7644 §3.4.2) until the list is whole. */
export class ParticipantPages {
  readonly #source: string;
  readonly #byId = new Map<string, Participant>();
  readonly #problems: string[] = [];
  #problemCount = 0;
  #taken = 0;
  #total: number | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  /** The 1-based index of the next page; undefined when the list is whole. */
  get nextIndex(): number | undefined {
    return this.#total !== undefined && this.#taken >= this.#total ? undefined : this.#taken + 1;
  }

  /** @throws ERR_REGISTER_INVALID for a page that is none, or that does not go on where the last one ended */
  add(bytes: Buffer): void {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw this.#invalid('a page is not JSON');
    }
    const parsed = list.safeParse(value);
    if (parsed.data === undefined) {
      throw this.#invalid(`a page is no list of SCIM: ${parsed.error.issues[0]?.path.join('.')}`);
    }
    const { totalResults, startIndex, Resources } = parsed.data;
    if (totalResults > MAX_PARTICIPANTS)
      throw this.#invalid(`has more than ${MAX_PARTICIPANTS} participants`);
    if (this.#total !== undefined && totalResults !== this.#total) {
      throw this.#invalid('the number of participants changed while they were read');
    }
    if (startIndex !== undefined && startIndex !== this.#taken + 1 && Resources.length > 0) {
      throw this.#invalid(`a page begins at ${startIndex} instead of ${this.#taken + 1}`);
    }
    if (Resources.length === 0 && this.#taken < totalResults) {
      throw this.#invalid(`a page is empty after ${this.#taken} of ${totalResults} participants`);
    }
    this.#total = totalResults;
    this.#taken += Resources.length;
    if (this.#taken > totalResults) throw this.#invalid('has more participants than it states');
    for (const one of Resources) this.#take(one);
  }

  /** @throws ERR_REGISTER_INVALID when no participant can be read: the directory has another shape */
  read(): ReadParticipants {
    const participants = [...this.#byId.values()];
    if (participants.length === 0) throw this.#invalid('has no participant that can be read');
    const byIdentifier = new Map<string, string[]>();
    for (const { organisationId, identifiers } of participants) {
      for (const identifier of identifiers) {
        const same = byIdentifier.get(identifier);
        if (same === undefined) byIdentifier.set(identifier, [organisationId]);
        else same.push(organisationId);
      }
    }
    for (const [identifier, ids] of byIdentifier) {
      if (ids.length > 1) this.#note(`${identifier} is the number of ${ids.join(' and ')}: refused`);
    }
    return { participants, problems: this.#problems, problemCount: this.#problemCount };
  }

  #take(value: unknown): void {
    const read = readParticipant(value);
    if (typeof read === 'string') {
      this.#note(read);
      return;
    }
    const { participant, problems } = read;
    if (this.#byId.has(participant.organisationId)) {
      throw this.#invalid(`names the organisation ${participant.organisationId} twice`);
    }
    this.#byId.set(participant.organisationId, participant);
    for (const problem of problems) this.#note(problem);
  }

  #note(problem: string): void {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(problem);
  }

  #invalid(problem: string): OpenBankingError {
    return new OpenBankingError('ERR_REGISTER_INVALID', { source: this.#source, problem });
  }
}
