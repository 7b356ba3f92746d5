import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OpenBankingError } from '../../src/errors.ts';
import { EVENTS, type EventDefinition, type EventName } from '../../src/events.ts';
import { createLog } from '../../src/log.ts';

interface Line {
  readonly event: EventName;
  readonly kind?: string;
  readonly count?: number;
}

let lines: Line[];
let sunk: number;
let log: ReturnType<typeof createLog>;
beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  sunk = 0;
  log = createLog({
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
    sinks: [() => (sunk += 1)],
  });
});
afterEach(() => void vi.useRealTimers());

const repeat = (count: number, run: (at: number) => void) => {
  for (let at = 0; at < count; at += 1) run(at);
};
const error = new OpenBankingError('ERR_HTTP_MALFORMED', { problem: 'x' });
const malformed = (address: string) =>
  log.emit('http.malformed', { listener: 'front', address, status: 400, error });
const summary = (kind: string, count: number) => ({ event: 'log.sampled', level: 'warn', kind, count });

describe('sampling of events', () => {
  it('writes five lines a second of one address, then how many more there were; sinks get every event', () => {
    repeat(1000, () => malformed('192.0.2.1'));
    expect([lines.length, sunk]).toEqual([5, 1000]);
    vi.advanceTimersByTime(1000);
    expect(lines.slice(5)).toEqual([expect.objectContaining(summary('http.malformed', 995))]);
    malformed('192.0.2.1');
    expect(lines.length).toBe(7);
  });

  it('writes twenty lines a second of all addresses together, and one summary for each event', () => {
    repeat(1000, (at) => malformed(`10.0.${at >> 8}.${at & 255}`));
    log.emit('tls.refused', { listener: 'mtls', address: '192.0.2.9', error });
    vi.advanceTimersByTime(1000);
    expect(lines.slice(20)).toEqual([
      expect.objectContaining(summary('http.malformed', 980)),
      expect.objectContaining(summary('tls.refused', 1)),
    ]);
  });

  it.each([
    ['the mapped form of an IPv4 address is that address', ['192.0.2.1', '::ffff:192.0.2.1'], 5],
    [
      'a host may own 64 bits of IPv6 (RFC 8273)',
      ['2001:db8:0:1::1', '2001:db8:0:1:9:9:9:9', '2001:db8::1:0:0:0:7'],
      5,
    ],
    ['other 64 bits are another source', ['2001:db8::1', '2001:db8:0:1::1'], 10],
  ])('counts by source: %s', (_title, addresses, written) => {
    repeat(6, () => addresses.forEach(malformed));
    expect(lines.length).toBe(written);
  });

  it('keeps fifty lines a second for a proven TPP, whatever strangers send', () => {
    repeat(1000, (at) => malformed(`10.0.${at >> 8}.${at & 255}`));
    const fields = { authorizationNumber: 'PSDGB-FCA-1', address: '10.0.0.1', status: 400, error };
    repeat(60, () => log.emit('grant.refused', fields));
    expect(lines.filter(({ event }) => event === 'grant.refused').length).toBe(50);
  });

  it('has an address to count against for every event that callers without a certificate can provoke', () => {
    const without = Object.entries<EventDefinition>(EVENTS)
      .filter(([, { fields }]) => fields.includes('listener') || fields.includes('route'))
      .filter(([, { fields }]) => !fields.includes('address'));
    // Of these, callers of the bank API have a certificate of the bank, operators are known, and an answer is
    // withheld only where it grants something.
    expect(without.map(([name]) => name).toSorted()).toEqual([
      'audit.withheld',
      'bank.called',
      'connection.failed',
      'management.changed',
      'token.issued',
      'token.revoked',
    ]);
  });

  it('never omits what was decided for good', () => {
    const always = Object.entries<EventDefinition>(EVENTS).filter(
      ([, { isAlwaysWritten }]) => isAlwaysWritten,
    );
    expect(always.map(([name]) => name).toSorted()).toEqual([
      'audit.chain.completed',
      'audit.gap',
      'audit.summed',
      'audit.withheld',
      'bank.called',
      'client.first_sight',
      'client.status',
      'consent.changed',
      'consent.denied',
      'consent.granted',
      'dashboard.access.ended',
      'grant.revoked',
      'management.changed',
      'management.entered',
      'management.left',
      'psu.authenticated',
      'registration.changed',
      'registration.created',
      'registration.deleted',
      'revocation.revoked',
      'revocation.unknown.accepted',
      'token.issued',
      'token.revoked',
      'tpp.decision.changed',
    ]);
    repeat(1000, () => log.emit('token.issued', { authorizationNumber: 'PSDGB-FCA-1' }));
    expect(lines.length).toBe(1000);
  });

  it('omits nothing that a whole start says', () => {
    repeat(50, () => log.emit('trust.loaded', { file: 'anchors.pem', count: 3 }));
    expect(lines.length).toBe(50);
  });
});

describe('a line', () => {
  it('holds at most 4 kB of text, however many problems with whatever characters there are', () => {
    const written: string[] = [];
    const problems = Array.from({ length: 1000 }, () => ({
      path: '\u0001'.repeat(1000),
      message: '\u{1f512}'.repeat(1000),
    }));
    createLog({ destination: { write: (line) => void written.push(line) } }).emit('clients.refused', {
      file: 'clients.yaml',
      problems,
      error: new TypeError('x'.repeat(10_000)),
    });
    expect(Buffer.byteLength(written[0] ?? '')).toBeLessThan(12_000);
  });
});
