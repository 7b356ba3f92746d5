import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENTS, type EventDefinition, type EventFields, type EventName, logTo } from '../src/events.ts';
import { createLog } from '../src/log.ts';

const root = resolve(import.meta.dirname, '..');
const catalogue = Object.entries<EventDefinition>(EVENTS);

/** They look for events by name, and emit none. */
const READERS = /repeated-ends\.ts$|audit-journey\.ts$|activity\.ts$/;

const sources = ['src', 'tpp-registry'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== 'events.ts' && !READERS.test(path))
    .map((path) => readFileSync(join(root, folder, path), 'utf8')),
);

function row([name, definition]: [string, EventDefinition]): string {
  const { level, meaning, fields, counter, isAudited = false, isAlwaysWritten = false } = definition;
  const labels =
    counter === undefined || counter.labels.length === 0 ? '' : ` (${counter.labels.join(', ')})`;
  const counted = counter === undefined ? '' : `\`${counter.name}\`${labels}`;
  return `| \`${name}\` | ${level} | ${meaning} | ${fields.join(', ')} | ${counted} | ${isAudited ? 'yes' : ''} | ${isAlwaysWritten ? 'always' : ''} |`;
}

describe('the catalogue of events', () => {
  it.each(catalogue)('%s is emitted by the code', (name) => {
    const file = /^(.*)\.(loaded|refused)$/.exec(name)?.[1];
    const isEmitted = sources.some(
      (text) =>
        text.includes(`'${name}'`) ||
        (/openFollowedFile|openList/.test(text) && text.includes(`name: '${file}'`)),
    );
    expect(isEmitted).toBe(true);
  });

  it.each(catalogue)('%s has labels that are fields of the event', (_name, { fields, counter }) => {
    expect(fields).toEqual(expect.arrayContaining([...(counter?.labels ?? [])]));
  });

  it('is the table of docs/events.md', () => {
    const page = join(root, 'docs', 'events.md');
    const text = readFileSync(page, 'utf8');
    const head = '| event | level | meaning | fields | counter (labels) | audited | written |';
    const made = [head, '|---|---|---|---|---|---|---|', ...catalogue.map(row)].join('\n');
    const whole = text.replace(/^\| event (?:.*\n\|)*.*$/m, () => made);
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync(page, whole);
    else expect(text, 'run UPDATE_DOCS=1 npm test -- test/events.test.ts').toBe(whole);
  });

  it('imports no package, so that a logger by interface needs none', () => {
    for (const file of ['events.ts', 'event-levels.ts'])
      expect(readFileSync(join(root, 'src', file), 'utf8')).not.toMatch(/\bfrom '[^.]|\bimport\(/);
  });
});

describe('a log', () => {
  it('passes each event with its definition to every sink, in order', () => {
    const seen: [string, EventName, EventDefinition, EventFields][] = [];
    const log = logTo(
      (...event) => seen.push(['first', ...event]),
      (...event) => seen.push(['second', ...event]),
    );
    log.emit('consent.denied', { clientId: 'c' });
    log.emit('storage.redis.back');
    expect(seen).toEqual([
      ['first', 'consent.denied', EVENTS['consent.denied'], { clientId: 'c' }],
      ['second', 'consent.denied', EVENTS['consent.denied'], { clientId: 'c' }],
      ['first', 'storage.redis.back', EVENTS['storage.redis.back'], {}],
      ['second', 'storage.redis.back', EVENTS['storage.redis.back'], {}],
    ]);
  });

  it('compiles neither with an event nor with a field that the catalogue does not have', () => {
    const log = logTo();
    // @ts-expect-error: no such event
    expect(() => log.emit('no.such.event')).not.toThrow();
    // @ts-expect-error: no such field of this event
    log.emit('storage.redis.away', { clientId: 'c' });
  });

  it('writes the lines of its level and above, and its other sinks see the rest too', () => {
    const lines: string[] = [];
    const counted: EventName[] = [];
    const log = createLog({
      level: 'warn',
      destination: { write: (line) => void lines.push(JSON.parse(line).event) },
      sinks: [(name) => counted.push(name)],
    });
    log.emit('server.stopped');
    log.emit('revocation.answered', { outcome: 'good' });
    log.emit('worker.died', { worker: 1, seconds: 1 });
    expect(lines).toEqual(['worker.died']);
    expect(counted).toEqual(['server.stopped', 'revocation.answered', 'worker.died']);
  });
});
