import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Approvals,
  parseConfig,
  type RunningServer,
  silentLog,
  startServer,
} from '../../../src/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { sandboxConfiguration } from '../../../src/sandbox/sandbox-configuration.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, codeOf, refusalOf } from './ciba-tpp.ts';

const ALICE = 'psu-6f1c2a';
const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };

describe.skipIf(!hasRedis)('CIBA of two servers on one Redis', () => {
  let redis: RedisProcess;
  let sandbox: TestSandbox;
  let second: RunningServer;
  let tpp: CibaTpp;
  beforeAll(async () => {
    redis = await startRedis();
    const settings = redisSettings({ url: `redis://127.0.0.1:${redis.port}` });
    sandbox = await startTestSandbox({ store: await openStore(settings) });
    const { folder, description } = sandbox;
    const listen = { host: '127.0.0.1', front: 0, mtls: 0, health: 0 };
    const value = { ...(await sandboxConfiguration(folder, description)), listen };
    const config = parseConfig(value, { source: folder, folder });
    const store = await openStore(settings);
    second = await startServer(config, { aspsp: demoAspsp(), log: silentLog, store });
    tpp = await CibaTpp.open(sandbox, 'money-one-mtls-ciba-poll');
  });
  afterAll(async () => {
    await tpp.close();
    await second.close();
    await sandbox.stop();
    await redis.kill();
  });

  const here = () => sandbox.server.approvals as Approvals;
  const there = () => second.approvals as Approvals;
  async function asked(claims = {}) {
    const { auth_req_id: authReqId } = await tpp.ask(claims);
    return { authReqId, id: there().idOf(authReqId) };
  }

  it('waits, and gives tokens for the answer that the other server got (J15)', async () => {
    const { authReqId, id } = await asked();
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('authorization_pending');
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('slow_down');
    const [question] = await there().waitingFor(ALICE);
    expect(question).toMatchObject({ approvalId: id, bindingMessage: 'Sofa 1234' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? here() : there()).approve(id, ANSWER)),
    );
    expect(answers.filter(({ isFirst }) => isFirst)).toHaveLength(1);
    expect(await there().waitingFor(ALICE)).toEqual([]);
    const tokens = await tpp.poll(authReqId);
    expect((await tpp.call('/accounts', tokens.access_token)).body.accounts).toHaveLength(1);
    await sandbox.server.consents.revoke(String(decodeJwt(tokens.access_token).consent_id));
    expect((await refusalOf(tpp.refresh(tokens.refresh_token ?? ''))).error).toBe('invalid_grant');
  });

  it('gives tokens to exactly one of a hundred polls at once, and these tokens live (J9)', async () => {
    const { authReqId, id } = await asked();
    await there().approve(id, ANSWER);
    const polls = await Promise.allSettled(Array.from({ length: 100 }, () => tpp.poll(authReqId)));
    const given = polls.flatMap((poll) => (poll.status === 'fulfilled' ? [poll.value] : []));
    expect(given).toHaveLength(1);
    expect((await tpp.refresh(given[0]?.refresh_token ?? '')).access_token).toBeTypeOf('string');
  }, 30_000);

  it('uses a signed request once, also at the same time (J8)', async () => {
    const request = await tpp.sign();
    const sent = await Promise.allSettled(Array.from({ length: 20 }, () => tpp.send({ request })));
    const passed = sent.flatMap((one) => (one.status === 'fulfilled' ? [one.value.auth_req_id] : []));
    expect(passed).toHaveLength(1);
    await there().reject(there().idOf(passed[0] ?? ''));
    expect((await refusalOf(tpp.poll(passed[0] ?? ''))).code).toBe('ERR_APPROVAL_DENIED');
  });

  it('bounds the open requests for one customer, and frees a place with its answer (J16)', async () => {
    const open = await Promise.all(Array.from({ length: 10 }, () => asked({ login_hint: 'bob' })));
    const refused = { error: 'temporarily_unavailable', code: 'ERR_CIBA_LIMIT' };
    expect(await refusalOf(tpp.ask({ login_hint: 'bob' }))).toEqual(refused);
    await there().reject(open[0]?.id ?? '');
    await asked({ login_hint: 'bob' });
    expect(await refusalOf(tpp.ask({ login_hint: 'bob' }))).toEqual(refused);
  });

  it('ends a request with its time, after which no answer counts', async () => {
    const { authReqId, id } = await asked({ requested_expiry: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await refusalOf(tpp.poll(authReqId))).code).toBe('ERR_APPROVAL_EXPIRED');
    expect(await codeOf(there().approve(id, ANSWER))).toBe('ERR_APPROVAL_OVER');
  });
});
