import type { EventDefinition, EventFields, EventName } from '../events.ts';
import { networkOf } from '../network-of.ts';

/** Lines a second of one address, of which no certificate of a TPP has been proved. */
const ADDRESS_LINES = 5;
/** Lines a second of all such addresses together. */
const ADDRESSES_LINES = 20;
/** Lines a second of one TPP whose certificate has been proved. */
const TPP_LINES = 50;
/** Lines a second of one event that has neither. */
const EVENT_LINES = 50;

/**
 * Decides which events of the current second become lines. Every event is counted against its source: the proven TPP,
 * else the address, else the event itself. `onOmitted` is called once a second for each event that has been omitted.
 *
 * No more sources are kept than lines are written, so that strangers cannot fill the memory.
 */
export class EventSampling {
  readonly #onOmitted: (kind: EventName, count: number) => void;
  readonly #written = new Map<string, number>();
  readonly #omitted = new Map<EventName, number>();
  #ofAddresses = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(onOmitted: (kind: EventName, count: number) => void) {
    this.#onOmitted = onOmitted;
  }

  /** Whether the event becomes a line. */
  admits(name: EventName, { isAlwaysWritten = false }: EventDefinition, fields: EventFields): boolean {
    if (isAlwaysWritten) return true;
    this.#timer ??= setTimeout(() => this.#endSecond(), 1000).unref();
    if (this.#isWithinLimits(name, fields)) return true;
    this.#omitted.set(name, (this.#omitted.get(name) ?? 0) + 1);
    return false;
  }

  #isWithinLimits(name: EventName, { authorizationNumber, address }: EventFields): boolean {
    if (authorizationNumber !== undefined) return this.#isBelow(TPP_LINES, `tpp ${authorizationNumber}`);
    if (address === undefined) return this.#isBelow(EVENT_LINES, `event ${name}`);
    if (this.#ofAddresses === ADDRESSES_LINES) return false;
    if (!this.#isBelow(ADDRESS_LINES, `address ${networkOf(address)}`)) return false;
    this.#ofAddresses += 1;
    return true;
  }

  #isBelow(limit: number, source: string): boolean {
    const written = this.#written.get(source) ?? 0;
    if (written === limit) return false;
    this.#written.set(source, written + 1);
    return true;
  }

  #endSecond(): void {
    this.#timer = undefined;
    this.#ofAddresses = 0;
    this.#written.clear();
    const omitted = [...this.#omitted];
    this.#omitted.clear();
    for (const [kind, count] of omitted) this.#onOmitted(kind, count);
  }
}
