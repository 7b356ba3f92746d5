import type { RegisteredClient } from './registered-client.ts';

/** A client as an entry of `clients` of a file: what `registeredClient` reads. Members that it does not have are absent. */
export function clientEntry({ subject, ...client }: RegisteredClient): Readonly<Record<string, unknown>> {
  const named = subject === undefined ? {} : { [subject.property]: subject.value };
  return Object.fromEntries(
    Object.entries({ ...client, ...named }).filter(([, value]) => value !== undefined),
  );
}
