import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LastCheckpoint } from '../../src/audit/last-checkpoint.ts';
import type { CheckpointLink } from '../../src/audit/line/checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { type Verification, verifyAudit } from '../../src/audit/verification/verification.ts';
import { type AuditFolder, filesOf, openAuditFolder, startRecord, testFolder } from './audit-folder.ts';

/** Lines of a file, as they can be changed. */
type Change = (lines: string[]) => string[];

const flipped = (text: string, at: number) =>
  `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
const swapped = (lines: string[], a: number, b: number) => {
  const copy = [...lines];
  [copy[a], copy[b]] = [copy[b] ?? '', copy[a] ?? ''];
  return copy;
};

describe('O4: `audit verify`', () => {
  let record: AuditFolder;
  let keys: Parameters<typeof verifyAudit>[0]['keys'];
  let stored: CheckpointLink | undefined;
  let files: readonly string[];

  /** Two processes, one after the other; the first has three files. */
  beforeAll(async () => {
    const folder = testFolder();
    record = { ...(await openAuditFolder()), folder };
    for (const rotateBytes of [1200, 1_000_000]) {
      const { audit, log } = await startRecord(record, { rotateBytes });
      for (let count = 0; count < 16; count += 1) {
        log.emit('token.issued', { clientId: `client-${count}`, grantType: 'client_credentials' });
        await audit.durable();
        if (count === 8) await audit.checkpoint();
      }
      await audit.close();
      // The names of chains begin with the second of their start.
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    const key = await openAuditKey(record.keyFile);
    keys = new Map([[key.id, key.publicKey]]);
    stored = await new LastCheckpoint(record.store).find();
    files = filesOf(record).map((file) => basename(file));
  });

  /** A copy of the record, in which one file is changed or left out. */
  async function verified(file: number | undefined, change: Change | 'left out'): Promise<Verification> {
    const copy = testFolder();
    for (const [at, name] of files.entries()) {
      const [from, to] = [join(record.folder, name), join(copy, name)];
      copyFileSync(from, to);
      if (at !== file) continue;
      if (change === 'left out') rmSync(to);
      else
        writeFileSync(
          to,
          change(readFileSync(from, 'utf8').split('\n').slice(0, -1))
            .map((line) => `${line}\n`)
            .join(''),
        );
    }
    return verifyAudit({ source: new FolderSource(copy), keys, stored });
  }

  it('finds nothing in a record that is whole', async () => {
    expect(files.length).toBeGreaterThan(3);
    const { faults, open, lines, chains, checkpoints } = await verified(undefined, 'left out');
    expect(faults).toEqual([]);
    expect(open).toEqual([]);
    expect({ lines, chains, checkpoints }).toMatchObject({ lines: 38, chains: 2, checkpoints: 4 });
  });

  it.each<[string, number, Change, string, number | undefined]>([
    ['a flipped byte', 1, (lines) => lines.with(2, flipped(lines[2] ?? '', 40)), 'changed', 3],
    [
      'a flipped byte in the first line',
      0,
      (lines) => lines.with(0, flipped(lines[0] ?? '', 40)),
      'changed',
      1,
    ],
    [
      'a flipped byte that ends the JSON',
      1,
      (lines) => lines.with(2, flipped(lines[2] ?? '', 0)),
      'changed',
      3,
    ],
    [
      'another hash',
      1,
      (lines) => lines.with(2, (lines[2] ?? '').replace(/"previous":"./, '"previous":"_')),
      'changed',
      3,
    ],
    [
      'another number',
      1,
      (lines) => lines.with(2, (lines[2] ?? '').replace(/"sequence":(\d+)/, '"sequence":9$1')),
      'changed',
      3,
    ],
    ['a removed line', 1, (lines) => lines.toSpliced(2, 1), 'missing', 3],
    ['a doubled line', 1, (lines) => lines.toSpliced(3, 0, lines[2] ?? ''), 'doubled', 4],
    ['reordered lines', 1, (lines) => swapped(lines, 2, 3), 'reordered', 4],
    [
      'an added line',
      1,
      (lines) => lines.toSpliced(3, 0, (lines[2] ?? '').replace('client-', 'klient-')),
      'added',
      4,
    ],
    ['added rubbish', 1, (lines) => lines.toSpliced(3, 0, 'rubbish'), 'added', 4],
  ])('finds and places %s', async (_name, file, change, kind, line) => {
    const { faults } = await verified(file, change);
    expect(faults).toEqual([expect.objectContaining({ kind, file: files[file], line })]);
  });

  it('finds a forged checkpoint', async () => {
    const { faults } = await verified(files.length - 1, (lines) =>
      lines.map((line) => line.replace(/"signature":"../, '"signature":"AA')),
    );
    expect(faults).toContainEqual(expect.objectContaining({ kind: 'forged', line: 19, file: files.at(-1) }));
  });

  it.each([1, 5, 12])('finds a tail of %i lines that was cut off, by the store', async (count) => {
    const { faults } = await verified(files.length - 1, (lines) => lines.slice(0, -count));
    expect(faults).toContainEqual(expect.objectContaining({ kind: 'cut', from: 20 - count, to: 19 }));
  });

  it('finds a cut tail of an earlier chain by the checkpoints of the later one, without the store', async () => {
    const copy = testFolder();
    mkdirSync(copy, { recursive: true });
    for (const name of files) copyFileSync(join(record.folder, name), join(copy, name));
    const last = join(copy, files.at(-2) ?? '');
    writeFileSync(last, readFileSync(last, 'utf8').replace(/[^\n]+\n$/, ''));
    const { faults } = await verifyAudit({ source: new FolderSource(copy), keys, stored: undefined });
    expect(faults).toEqual([expect.objectContaining({ kind: 'cut', to: 19 })]);
  });

  it.each([0, 1])('finds file %i of a chain missing', async (file) => {
    const { faults } = await verified(file, 'left out');
    expect(faults).toContainEqual(expect.objectContaining({ kind: 'missing-file', file: files[file] }));
  });

  it('finds the only file of a process missing', async () => {
    const { faults } = await verified(files.length - 1, 'left out');
    expect(faults).toContainEqual(
      expect.objectContaining({ kind: 'missing-file', process: stored?.process }),
    );
  });

  it('finds everything forged under another key', async () => {
    const { faults } = await verifyAudit({
      source: new FolderSource(record.folder),
      keys: new Map(),
      stored,
    });
    expect(faults.filter(({ kind }) => kind === 'forged')).toHaveLength(4);
  });

  it('finds no fault where files were archived, from the checkpoint that is named', async () => {
    const copy = testFolder();
    const name = files.at(-1) ?? '';
    copyFileSync(join(record.folder, name), join(copy, name));
    const source = new FolderSource(copy);
    expect((await verifyAudit({ source, keys, stored, since: 3 })).faults).toEqual([]);
    expect((await verifyAudit({ source, keys, stored })).faults).not.toEqual([]);
  });
});
