const text = Object.assign(Object('evidence'), {
  toISOString: () => '2026-01-01T00:00:00.000Z',
  join: () => 'evidence',
});

/** Evidence that fits every code: each member is a text, a date and a list at once. */
export const anyDetails = new Proxy({}, { get: () => text }) as never;
