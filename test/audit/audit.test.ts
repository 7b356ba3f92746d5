import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isSigned, parseCheckpoint, parseLink } from '../../src/audit/line/checkpoint.ts';
import { openAuditKey, parsePublicKey } from '../../src/audit/line/signing-key.ts';
import { filesOf, linesOf, openAuditFolder, startRecord } from './audit-folder.ts';

const hashOf = (line: string) => createHash('sha256').update(line).digest('base64url');

describe('the audit record in a folder', () => {
  it('O4: has each audited event as one line, chained by number and hash', async () => {
    const record = await openAuditFolder();
    const { audit, log } = await startRecord(record);
    log.emit('token.issued', { clientId: 'one', grantType: 'client_credentials', scope: 'accounts' });
    log.emit('server.unexpected', { error: new Error('not audited') });
    log.emit('consent.granted', { clientId: 'one', consentId: 'c-1' });
    await audit.durable();
    const [file = ''] = filesOf(record);
    const lines = linesOf(file);
    const read = lines.map((line) => JSON.parse(line));
    expect(read.map(({ event }) => event)).toEqual(['audit.opened', 'token.issued', 'consent.granted']);
    expect(read.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(read.map(({ previous }) => previous)).toEqual(['', ...lines.slice(0, 2).map(hashOf)]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(record.keyFile).mode & 0o777).toBe(0o600);
    await audit.close();
    const last = JSON.parse(linesOf(file).at(-1) ?? '');
    expect(last).toMatchObject({ event: 'audit.checkpoint', isFinal: true, number: 1 });
    const key = parsePublicKey((await openAuditKey(record.keyFile)).publicPem());
    const checkpoint = parseCheckpoint(last);
    if (key === undefined || checkpoint === undefined) throw new Error('no checkpoint, or no key');
    const keys = new Map([[checkpoint.key, key]]);
    expect(isSigned(checkpoint, keys)).toBe(true);
    expect(isSigned({ ...checkpoint, number: 2 }, keys)).toBe(false);
  });

  it('O4: goes on in the next file without a gap, whose first line has the hash of the last', async () => {
    const record = await openAuditFolder();
    const { audit, log } = await startRecord(record, { rotateBytes: 1000 });
    for (let count = 0; count < 20; count += 1) {
      log.emit('token.issued', { clientId: `client-${count}`, grantType: 'client_credentials' });
      await audit.durable();
    }
    await audit.close();
    const files = filesOf(record);
    expect(files.length).toBeGreaterThan(3);
    const lines = files.flatMap(linesOf);
    for (const [at, line] of lines.slice(1).entries()) {
      expect(JSON.parse(line).previous).toBe(hashOf(lines[at] ?? ''));
    }
  });

  it('O1: a line has no control, steering or line character of a stranger', async () => {
    const record = await openAuditFolder();
    const { audit, log } = await startRecord(record);
    log.emit('client.auth.refused', { route: '/to\r\nken\u001b[31m\u202e\u2028\u0085{"event":"forged"}' });
    await audit.durable();
    const [file = ''] = filesOf(record);
    const lines = linesOf(file);
    expect(lines).toHaveLength(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(JSON.parse(lines[1] ?? '').route).toContain('\u202e');
    await audit.close();
  });

  it('N10: strangers cannot fill the record: their refusals are summed up in a line', async () => {
    const record = await openAuditFolder();
    const { audit, log } = await startRecord(record);
    for (let count = 0; count < 1000; count += 1) {
      log.emit('client.auth.refused', { address: `192.0.${count % 250}.1` });
    }
    await expect
      .poll(
        () =>
          filesOf(record)
            .flatMap(linesOf)
            .map((line) => JSON.parse(line)),
        { timeout: 5000 },
      )
      .toContainEqual(
        expect.objectContaining({ event: 'audit.summed', kind: 'client.auth.refused', count: 980 }),
      );
    expect(filesOf(record).flatMap(linesOf).length).toBeLessThan(30);
    await audit.close();
  });

  it('O4: processes put their checkpoints behind each other, whatever the order', async () => {
    const record = await openAuditFolder();
    const all = await Promise.all([1, 2, 3].map(() => startRecord(record)));
    await Promise.all(all.map(({ audit }) => audit.checkpoint()));
    await Promise.all(all.map(({ audit }) => audit.close()));
    const checkpoints = new Map(
      filesOf(record)
        .flatMap(linesOf)
        .map((line) => [hashOf(line), JSON.parse(line)] as const)
        .filter(([, { event }]) => event === 'audit.checkpoint'),
    );
    const stored = await record.store.find('AuditCheckpoint', 'last');
    const { hash, number } = parseLink(stored?.value) ?? { hash: '', number: 0 };
    let length = 0;
    for (let at = checkpoints.get(hash); at !== undefined; at = checkpoints.get(at.after?.hash)) length += 1;
    expect(length).toBe(number);
    expect(number).toBeGreaterThanOrEqual(6);
  });
});
