import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Approvals } from '../../../src/index.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, refusalOf } from './ciba-tpp.ts';

let sandbox: TestSandbox;
const open: CibaTpp[] = [];
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => Promise.all(open.splice(0).map((tpp) => tpp.close())));
afterAll(() => sandbox.stop());

async function connect(clientId: string): Promise<CibaTpp> {
  const tpp = await CibaTpp.open(sandbox, clientId);
  open.push(tpp);
  return tpp;
}

function approvals(): Approvals {
  const { approvals: found } = sandbox.server;
  if (found === undefined) throw new Error('CIBA is off');
  return found;
}

const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };

describe('CIBA with openid-client (CIBA Core §7 to §11)', () => {
  it.each(['money-one-mtls-ciba-poll', 'money-one-jwt-ciba-poll'])(
    'asks, waits and gets tokens: %s',
    async (clientId) => {
      const tpp = await connect(clientId);
      const asked = await tpp.ask();
      expect(asked).toMatchObject({ expires_in: 120, interval: 5 });
      expect(asked.auth_req_id.length).toBeGreaterThanOrEqual(43);
      expect(await refusalOf(tpp.poll(asked.auth_req_id))).toEqual({
        error: 'authorization_pending',
        code: 'ERR_APPROVAL_PENDING',
      });
      const id = approvals().idOf(asked.auth_req_id);
      expect(await approvals().approve(id, ANSWER)).toEqual({ decision: 'approved', isFirst: true });
      const tokens = await tpp.poll(asked.auth_req_id);
      expect(tokens.scope).toBe('openid accounts');
      const claims = decodeJwt(tokens.access_token);
      const consent = await sandbox.server.consents.find(String(claims.consent_id));
      expect(consent).toMatchObject({ clientId, accountIds: ['acc-1001'], scopes: ['openid', 'accounts'] });
      const { body } = await tpp.call('/accounts', tokens.access_token);
      expect(body.accounts).toHaveLength(1);
    },
  );
});
