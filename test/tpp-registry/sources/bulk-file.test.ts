import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { entityRecord, writeBulkFile, zipOf } from '../../../src/sandbox/registers/eba-writer.ts';
import { readBulkFile } from '../../../tpp-registry/sources/eba/bulk-file.ts';
import { EntityStream } from '../../../tpp-registry/sources/eba/entity-stream.ts';

const LIMITS = { maxJsonBytes: 10_000_000 };
const entity = (number: number, type = 'PSD_PI') =>
  entityRecord({
    type,
    owner: 'IE_CBI',
    entityCode: `IE_CBI!C${number}`,
    name: `No. ${number}`,
    days: ['2018-07-02'],
    services: { IE: 'PS_080' },
  });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
async function zip(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const file = new ZipFile();
  for (const [name, content] of Object.entries(files)) file.addBuffer(content, name);
  file.end();
  return buffer(file.outputStream);
}
async function problem(bytes: Buffer, limits = LIMITS): Promise<string> {
  return readBulkFile(bytes, limits).then(
    () => 'read',
    (error: Error) => error.message,
  );
}

describe('the bulk file of the EBA register', () => {
  it('is read, without agents', async () => {
    const { zip: bytes } = await writeBulkFile([entity(1), entity(2, 'PSD_AG'), entity(3, 'PSD_EMI')]);
    const { entities, recordCount, problemCount } = await readBulkFile(bytes, LIMITS);
    expect(entities.map(({ entityCode }) => entityCode)).toEqual(['IE_CBI!C1', 'IE_CBI!C3']);
    expect([recordCount, problemCount]).toEqual([4, 0]);
  });

  it('notes a record that is not as the others, and goes on', async () => {
    const records = [
      ...Array.from({ length: 200 }, (_, at) => entity(at)),
      { ...entity(7), Properties: 'x' },
    ];
    const { entities, problemCount, problems } = await readBulkFile(
      (await writeBulkFile(records)).zip,
      LIMITS,
    );
    expect([entities.length, problemCount]).toEqual([200, 1]);
    expect(problems[0]).toMatch(/^record 202: an entity is not as the register writes it: Properties/);
  });

  it.each<[fault: string, bytes: () => Buffer | Promise<Buffer>, said: RegExp]>([
    ['is no ZIP', () => Buffer.from('PK no zip'), /^is no ZIP/],
    ['is cut', async () => (await writeBulkFile([entity(1)])).zip.subarray(0, 200), /^is no ZIP/],
    ['has no digest', () => zip({ 'a.json': json([[], [entity(1)]]) }), /not one file \.sha256/],
    [
      'has two JSON files',
      () => zip({ 'a.json': json([]), 'b.json': json([]), 'a.sha256': json('') }),
      /not one file \.json/,
    ],
    [
      'has many files',
      () => zip(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}.json`, json([])]))),
      /more than 8 files/,
    ],
    [
      'has another digest',
      async () => (await zipOf(json([[], [entity(1)]]), '0'.repeat(64))).zip,
      /digest of its JSON is not/,
    ],
    [
      'has a digest that is none',
      async () => (await zipOf(json([[], [entity(1)]]), 'none')).zip,
      /no digest/,
    ],
    ['has no institution', async () => (await writeBulkFile([entity(1, 'PSD_AG')])).zip, /no institution/],
    [
      'is no list',
      async () => {
        const bytes = json({ entities: [] });
        return (await zipOf(bytes, digest(bytes))).zip;
      },
      /no list of lists/,
    ],
    [
      'ends in the middle',
      async () => {
        const bytes = json([[], [entity(1)]]).subarray(0, -3);
        return (await zipOf(bytes, digest(bytes))).zip;
      },
      /has no end/,
    ],
    [
      'has an entity of 2 MB',
      async () => (await writeBulkFile([{ ...entity(1), x: 'x'.repeat(2_000_000) }])).zip,
      /entity of more than/,
    ],
    [
      'has another shape',
      async () => (await writeBulkFile([entity(1), { ...entity(2), Properties: 'x' }])).zip,
      /1 of its institutions cannot be read/,
    ],
  ])('that %s is refused', async (_fault, bytes, said) => expect(await problem(await bytes())).toMatch(said));

  it('that unpacks to more than its limit is refused before it is in memory', async () => {
    const { zip: bytes } = await writeBulkFile([
      { ...entity(1), x: Array.from({ length: 50 }, () => 'x'.repeat(100_000)) },
    ]);
    expect(bytes.length).toBeLessThan(100_000);
    expect(await problem(bytes, { maxJsonBytes: 1_000_000 })).toMatch(
      /entity of more than|more than 1000000 bytes/,
    );
  });

  it('never makes another content of a changed byte', async () => {
    const { zip: bytes } = await writeBulkFile([entity(1), entity(2)]);
    const good = JSON.stringify((await readBulkFile(bytes, LIMITS)).entities);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        const read = await readBulkFile(changed, LIMITS).catch(() => undefined);
        if (read !== undefined) expect(JSON.stringify(read.entities)).toBe(good);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the stream of entities', () => {
  it('cuts the same entities wherever chunks end, also in strings with brackets', () => {
    const list = [{ a: '}{][' }, { b: 'x\\"}' }, { c: ['[', { d: '\\' }] }, { e: 'é' }];
    const bytes = json([[{ disclaimer: 1 }], list]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const found: unknown[] = [];
        const stream = new EntityStream((entity) => found.push(JSON.parse(entity.toString('utf8'))));
        const ends = [...cuts.toSorted((a, b) => a - b), bytes.length];
        let from = 0;
        for (const end of ends) {
          stream.write(bytes.subarray(from, end));
          from = end;
        }
        stream.end();
        expect(found).toEqual([{ disclaimer: 1 }, ...list]);
      }),
    );
  });
});
