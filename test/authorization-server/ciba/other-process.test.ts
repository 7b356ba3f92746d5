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
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, refusalOf } from './ciba-tpp.ts';

let sandbox: TestSandbox;
let tpp: CibaTpp;
const started: RunningServer[] = [];
beforeAll(async () => {
  sandbox = await startTestSandbox();
  tpp = await CibaTpp.open(sandbox, 'money-one-mtls-ciba-poll');
});
afterAll(async () => {
  await tpp.close();
  await Promise.all(started.map((server) => server.close()));
  await sandbox.stop();
});

/** A server with nothing in its memory, on the store of the sandbox. */
async function another(): Promise<Approvals> {
  const { folder, description } = sandbox;
  const value = await sandboxConfiguration(folder, description);
  const listen = { host: '127.0.0.1', front: 0, mtls: 0, health: 0 };
  const config = parseConfig({ ...value, listen }, { source: folder, folder });
  const server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
  started.push(server);
  return server.approvals as Approvals;
}

const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };

describe('an answer that arrives at another process, or after a restart', () => {
  it('counts, shows what was asked, and is the first of both processes (J15)', async () => {
    const { auth_req_id: authReqId } = await tpp.ask();
    const [here, there] = [sandbox.server.approvals as Approvals, await another()];
    const id = there.idOf(authReqId);
    expect(id).toBe(here.idOf(authReqId));
    const [found] = await there.waitingFor('psu-6f1c2a');
    expect(found).toMatchObject({ approvalId: id, bindingMessage: 'Sofa 1234', clientId: tpp.clientId });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? here : there).approve(id, ANSWER)),
    );
    expect(answers.filter(({ isFirst }) => isFirst)).toHaveLength(1);
    const tokens = await tpp.poll(authReqId);
    expect((await tpp.call('/accounts', tokens.access_token)).body.accounts).toHaveLength(1);
    expect(await there.reject(id)).toEqual({ decision: 'approved', isFirst: false });
  });

  it('ends the request at every process', async () => {
    const { auth_req_id: authReqId } = await tpp.ask();
    const there = await another();
    await there.reject(there.idOf(authReqId));
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('access_denied');
  });
});
