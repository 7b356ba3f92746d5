import { type EventDefinition, type EventFields, EVENTS } from '../../events.ts';
import { labelName } from './label-values.ts';

/** A counter of one or several events. */
export interface CounterDefinition {
  readonly name: string;
  readonly help: string;
  /** The events that it counts. */
  readonly events: readonly string[];
  readonly fields: readonly (keyof EventFields)[];
  readonly labels: readonly string[];
  /** Whether each of its events names the TPP. */
  readonly hasTpp: boolean;
}

/** The counters of the catalogue of events, each with all of its events. */
export function eventCounters(): readonly CounterDefinition[] {
  const byName = new Map<string, CounterDefinition>();
  for (const [event, definition] of Object.entries<EventDefinition>(EVENTS)) {
    const { counter, meaning, fields } = definition;
    if (counter === undefined) continue;
    const known = byName.get(counter.name);
    const hasTpp = fields.includes('authorizationNumber') && known?.hasTpp !== false;
    const events = [...(known?.events ?? []), event];
    byName.set(counter.name, {
      name: counter.name,
      help: events.length === 1 ? meaning : `events ${events.join(', ')}`,
      events,
      fields: counter.labels,
      labels: counter.labels.map(labelName),
      hasTpp,
    });
  }
  return [...byName.values()];
}
