import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LastCheckpoint } from '../../src/audit/last-checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { verifyAudit } from '../../src/audit/verification/verification.ts';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { openBank } from '../durability/bank.ts';
import { Tpp } from '../durability/tpp.ts';

const AUDIT = { audit: { folder: 'audit', signingKeyFile: 'audit.key' } };

describe('a server with an audit record', () => {
  it('O4: issues no token without its line when it is killed, and ends the chains of the killed', async () => {
    const bank = await openBank();
    const tpp = new Tpp(bank);
    const folder = join(bank.folder, 'audit');
    const issued: string[] = [];
    let server = await bank.start(AUDIT);
    for (let round = 0; round < 2; round += 1) {
      const asking = Array.from({ length: 8 }, async () => {
        for (;;) {
          const answer = await tpp.clientCredentials(server);
          if (answer.status === 200) issued.push(String(answer.headers['x-request-id']));
        }
      });
      void Promise.allSettled(asking);
      const before = issued.length;
      await expect.poll(() => issued.length, { timeout: 30_000 }).toBeGreaterThan(before + 4);
      await sleep(round * 37);
      await server.kill();
      await Promise.allSettled(asking);
      // A turn to end chains that a killed process has left is over after two minutes only.
      rmSync(join(folder, 'turn.lock'), { force: true });
      server = await server.again();
    }
    const source = new FolderSource(folder);
    const chainsCompleted = async () => {
      const { open } = await verifyAudit({ source, keys: new Map(), stored: undefined });
      return open.length;
    };
    // The chain of the server that runs.
    await expect.poll(chainsCompleted, { timeout: 30_000 }).toBe(1);
    await server.stop();
    const lines = readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
    expect(issued.length).toBeGreaterThan(5);
    expect(issued.filter((id) => !lines.includes(id))).toEqual([]);
    // The first decision of each process about the certificate, with its rules, and the certificate itself.
    const decisions = lines.split('\n').filter((line) => line.includes('"event":"tpp.decision.changed"'));
    const [decision] = decisions.map((line) => JSON.parse(line));
    expect(decision).toMatchObject({
      outcome: 'accepted',
      authorizationNumber: expect.stringMatching(/^PSD/),
    });
    expect(decision.steps.length).toBeGreaterThan(5);
    const pem = readFileSync(join(folder, 'certificates', `${decision.fingerprint}.pem`));
    expect(new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()).toBe(
      decision.fingerprint,
    );

    const key = await openAuditKey(join(bank.folder, 'audit.key'));
    const store = await openSqliteStore({
      file: join(bank.folder, 'bank.sqlite'),
      clock: systemClock,
      log: silentLog,
    });
    const stored = await new LastCheckpoint(store).find().finally(() => store.close());
    const verified = await verifyAudit({ source, keys: new Map([[key.id, key.publicKey]]), stored });
    expect(verified).toMatchObject({ faults: [], open: [], chains: 3 });

    tpp.close();
    await bank.close();
  }, 120_000);
});
