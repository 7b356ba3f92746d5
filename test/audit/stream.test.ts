import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Audit } from '../../src/audit/audit.ts';
import { LastCheckpoint } from '../../src/audit/last-checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { AuditSearch } from '../../src/audit/reading/audit-search.ts';
import { StreamSource } from '../../src/audit/reading/stream-source.ts';
import { StreamOutput } from '../../src/audit/stream-output.ts';
import { verifyAudit } from '../../src/audit/verification/verification.ts';
import { systemClock } from '../../src/clock.ts';
import { isRefusal } from '../../src/errors.ts';
import { logTo, silentLog } from '../../src/events.ts';
import { RedisStreams } from '../../src/storage/redis/redis-streams.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';
import { openAuditFolder, testFolder } from './audit-folder.ts';

describe.skipIf(!hasRedis)('the audit record in a stream of Redis', () => {
  let redis: RedisProcess;
  beforeAll(async () => {
    redis = await startRedis({ lines: ['appendfsync always'] });
  });
  afterAll(() => redis.kill());

  it('O4: has every line once, also after Redis was killed, and is verified as a folder is', async () => {
    const settings = {
      ...{ url: `redis://127.0.0.1:${redis.port}`, keyPrefix: 'audit-test' },
      ...{ waitReplicas: 0, waitTimeoutMilliseconds: 400, timeoutMilliseconds: 1000 },
    };
    const key = await openAuditKey(join(testFolder(), 'audit.key'));
    const { store } = await openAuditFolder();
    const audit = await Audit.open({
      ...{ key, isRequired: true, clock: systemClock },
      openOutput: async (process) => StreamOutput.open(await RedisStreams.open(settings, silentLog), process),
    });
    const events: string[] = [];
    const log = logTo((name) => void events.push(name), audit.sink);
    audit.start({ log, store });
    for (let count = 0; count < 20; count += 1) {
      log.emit('token.issued', { clientId: `client-${count}` });
      await audit.durable();
    }
    await redis.kill();
    log.emit('token.issued', { clientId: 'refused' });
    await expect(audit.durable()).rejects.toSatisfy((error) => isRefusal(error, 'ERR_AUDIT_UNAVAILABLE'));
    redis = await redis.restart();
    await expect.poll(() => events, { timeout: 20_000 }).toContain('audit.available');
    log.emit('token.issued', { clientId: 'afterwards' });
    await audit.durable();
    await audit.keepCertificate('ab', 'a certificate');
    await audit.close();

    const source = new StreamSource(await RedisStreams.open(settings, silentLog));
    const keys = new Map([[key.id, key.publicKey]]);
    const stored = await new LastCheckpoint(store).find();
    const { faults, open, chains } = await verifyAudit({ source, keys, stored });
    expect({ faults, open, chains }).toEqual({ faults: [], open: [], chains: 1 });
    expect(await source.findCertificate('ab')).toBe('a certificate');
    const found = await new AuditSearch(source).find({
      ...{ event: 'token.', from: new Date(0), to: new Date('2999-01-01'), limit: 100 },
    });
    expect(found.entries.map(({ members }) => members.clientId)).toHaveLength(22);
    await source.close();
  }, 60_000);
});
