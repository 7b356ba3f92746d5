import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { type TestSandbox, startTestSandbox } from '../authorization-server/running-sandbox.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';

/** A server whose record is in Redis, and whose store is not. */
describe.skipIf(!hasRedis)('a server whose audit record cannot be written, over mTLS', () => {
  let redis: RedisProcess;
  let sandbox: TestSandbox;
  beforeAll(async () => {
    redis = await startRedis({ lines: ['appendfsync always'] });
    sandbox = await startTestSandbox({
      amendConfiguration: (value, { audit }) => ({
        ...value,
        accessToken: { format: 'opaque' },
        audit: {
          redis: { url: `redis://127.0.0.1:${redis.port}`, keyPrefix: 'audit', waitReplicas: 0 },
          signingKeyFile: audit.keyFile,
        },
      }),
    });
  }, 60_000);
  afterAll(async () => {
    await sandbox?.stop();
    await redis?.kill();
  });

  const client_id = () => tppNamed(sandbox.description, 'money-one').clients.tls_client_auth.client_id;
  const token = () =>
    sandbox.post('money-one', '/token', {
      grant_type: 'client_credentials',
      scope: 'accounts',
      client_id: client_id(),
    });
  const revoke = (value: unknown) =>
    sandbox.post('money-one', '/revoke', { token: String(value), client_id: client_id() });

  it('O4: answers 503 for tokens, also at once; ends what a TPP revokes; and serves again when it can write', async () => {
    const first = await token();
    expect(first.status).toBe(200);
    await redis.kill();
    for (let count = 0; count < 2; count += 1) {
      const refused = await token();
      expect(refused).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } });
      expect(refused.json.error_description).toContain('ERR_AUDIT_UNAVAILABLE');
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(refused.json).not.toHaveProperty('access_token');
    }
    // The second one was refused before any work: its alarm is in the log already.
    expect((await sandbox.events({ event: 'audit.unavailable' })).length).toBeGreaterThan(0);
    expect((await revoke(first.json.access_token)).status).toBe(200);

    redis = await redis.restart();
    await expect.poll(async () => (await token()).status, { timeout: 20_000 }).toBe(200);
    expect((await sandbox.events({ event: 'token.revoked' })).at(-1)).toMatchObject({
      clientId: client_id(),
      kind: 'ClientCredentials',
    });
    expect((await sandbox.events({ event: 'audit.withheld' }))[0]).toMatchObject({ route: '/token' });
  }, 60_000);
});
