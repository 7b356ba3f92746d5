import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Approvals } from '../../../src/index.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, codeOf, refusalOf } from './ciba-tpp.ts';

let sandbox: TestSandbox;
const open: CibaTpp[] = [];
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => Promise.all(open.splice(0).map((tpp) => tpp.close())));
afterAll(() => sandbox.stop());

async function connect(clientId = 'money-one-mtls-ciba-poll'): Promise<CibaTpp> {
  const tpp = await CibaTpp.open(sandbox, clientId);
  open.push(tpp);
  return tpp;
}

function approvals(): Approvals {
  const { approvals: found } = sandbox.server;
  if (found === undefined) throw new Error('CIBA is off');
  return found;
}

const ALICE = 'psu-6f1c2a';
const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };

/** A request of alice, and the id by which the bank knows it. */
async function asked(tpp: CibaTpp, claims = {}) {
  const { auth_req_id: authReqId } = await tpp.ask(claims);
  return { authReqId, id: approvals().idOf(authReqId) };
}

describe('CIBA with openid-client (CIBA Core §7 to §11)', () => {
  it.each(['money-one-mtls-ciba-poll', 'money-one-jwt-ciba-poll'])(
    'asks, waits, and gives tokens for the consent of the customer: %s (J10)',
    async (clientId) => {
      const tpp = await connect(clientId);
      const answer = await tpp.ask();
      expect(answer).toMatchObject({ expires_in: 120, interval: 5 });
      // 43 characters of base64url hold 256 bits.
      expect(answer.auth_req_id).toMatch(/^[\w-]{43}$/);
      const pending = { error: 'authorization_pending', code: 'ERR_APPROVAL_PENDING' };
      expect(await refusalOf(tpp.poll(answer.auth_req_id))).toEqual(pending);
      const id = approvals().idOf(answer.auth_req_id);
      expect(await approvals().approve(id, ANSWER)).toEqual({ decision: 'approved', isFirst: true });
      const tokens = await tpp.poll(answer.auth_req_id);
      expect(tokens).toMatchObject({ scope: 'openid accounts', refresh_token: expect.any(String) });
      expect(decodeJwt(tokens.id_token ?? '')).toMatchObject({ sub: ALICE, aud: clientId });
      const { consent_id: consentId, cnf } = decodeJwt(tokens.access_token);
      expect(cnf).toHaveProperty('x5t#S256');
      const consent = await sandbox.server.consents.find(String(consentId));
      expect(consent).toMatchObject({
        clientId,
        psuId: ALICE,
        accountIds: ['acc-1001'],
        scopes: ['openid', 'accounts'],
      });
      expect((await tpp.call('/accounts', tokens.access_token)).body.accounts).toHaveLength(1);
      const fresh = await tpp.refresh(tokens.refresh_token ?? '');
      expect(decodeJwt(fresh.access_token).consent_id).toBe(consentId);
    },
  );

  it('polls as openid-client does, until the customer has answered', async () => {
    const tpp = await connect();
    const answer = await tpp.ask();
    const polled = tpp.pollUntilAnswered({ ...answer, interval: 1 });
    setTimeout(() => void approvals().approve(approvals().idOf(answer.auth_req_id), ANSWER), 1500);
    expect((await polled).access_token).toBeTypeOf('string');
  });

  it('ends with the consent, as every other grant (J7)', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    await approvals().approve(id, ANSWER);
    const tokens = await tpp.poll(authReqId);
    await sandbox.server.consents.revoke(String(decodeJwt(tokens.access_token).consent_id));
    expect((await refusalOf(tpp.refresh(tokens.refresh_token ?? ''))).error).toBe('invalid_grant');
  });

  it('shows the bank everything that it has to ask', async () => {
    const tpp = await connect();
    const { id } = await asked(tpp, { acr_values: 'urn:openbanking:psd2:sca', requested_expiry: 77 });
    const found = await approvals().find(id);
    expect(found).toMatchObject({
      approvalId: id,
      psuId: ALICE,
      clientId: tpp.clientId,
      tpp: { service: 'Money One', authorizationNumber: expect.stringMatching(/^PSDGB-/) },
      scopes: ['openid', 'accounts'],
      needsAccounts: true,
      bindingMessage: 'Sofa 1234',
      acrValues: ['urn:openbanking:psd2:sca'],
      isAcrEssential: false,
    });
    const left = ((found?.expiresAt.getTime() ?? 0) - Date.now()) / 1000;
    expect(left).toBeGreaterThan(60);
    expect(left).toBeLessThanOrEqual(77);
    expect((await approvals().waitingFor(ALICE)).map(({ approvalId }) => approvalId)).toContain(id);
    await approvals().reject(id);
    expect((await approvals().waitingFor(ALICE)).map(({ approvalId }) => approvalId)).not.toContain(id);
    expect(await approvals().find(id)).toBeUndefined();
  });

  it('takes an ID token of this server as the hint', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    await approvals().approve(id, ANSWER);
    const { id_token: hint } = await tpp.poll(authReqId);
    const again = await asked(tpp, { login_hint: undefined, id_token_hint: hint });
    expect(await approvals().find(again.id)).toMatchObject({ psuId: ALICE });
    await approvals().reject(again.id);
  });
});

describe('a poll (CIBA Core §11)', () => {
  it('is answered with slow_down when it comes too soon, and is counted, not logged', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    const first = await refusalOf(tpp.poll(authReqId));
    const others = await Promise.all([1, 2, 3].map(() => refusalOf(tpp.poll(authReqId))));
    expect(first.error).toBe('authorization_pending');
    expect(others).toEqual(others.map(() => ({ error: 'slow_down', code: 'ERR_APPROVAL_SLOW_DOWN' })));
    // An answer is not held back by polls that came too soon.
    await approvals().approve(id, ANSWER);
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
  });

  it('gives tokens to exactly one of a hundred at once, and these tokens live (J9)', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    await approvals().approve(id, ANSWER);
    const polls = await Promise.allSettled(Array.from({ length: 100 }, () => tpp.poll(authReqId)));
    const given = polls.flatMap((poll) => (poll.status === 'fulfilled' ? [poll.value] : []));
    expect(given).toHaveLength(1);
    const [tokens] = given;
    expect((await tpp.refresh(tokens?.refresh_token ?? '')).access_token).toBeTypeOf('string');
    expect(await refusalOf(tpp.poll(authReqId))).toEqual({
      error: 'invalid_grant',
      code: 'ERR_GRANT_INVALID',
    });
  }, 30_000);

  it('of another client is refused, and takes nothing from the owner (J9)', async () => {
    const [tpp, sibling, other] = [
      await connect(),
      await connect('money-one-jwt-ciba-poll'),
      await connect('money-two-mtls-ciba-poll'),
    ];
    const { authReqId, id } = await asked(tpp);
    await approvals().approve(id, ANSWER);
    for (const stranger of [sibling, other]) {
      expect((await refusalOf(stranger.poll(authReqId))).error).toBe('invalid_grant');
    }
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
  });

  it('finds that the customer has rejected', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    expect(await approvals().reject(id)).toEqual({ decision: 'rejected', isFirst: true });
    expect(await refusalOf(tpp.poll(authReqId))).toEqual({
      error: 'access_denied',
      code: 'ERR_APPROVAL_DENIED',
    });
  });

  it('finds that the request has expired, after which no answer counts', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp, { requested_expiry: '1' });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await refusalOf(tpp.poll(authReqId))).toEqual({
      error: 'expired_token',
      code: 'ERR_APPROVAL_EXPIRED',
    });
    expect(await codeOf(approvals().approve(id, ANSWER))).toBe('ERR_APPROVAL_OVER');
    expect(await approvals().find(id)).toBeUndefined();
  });
});

describe('the answer of a customer', () => {
  it('is the first: every other one changes nothing (J15)', async () => {
    const tpp = await connect();
    const { authReqId, id } = await asked(tpp);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        at % 2 === 0 ? approvals().approve(id, ANSWER) : approvals().reject(id),
      ),
    );
    expect(answers.filter(({ isFirst }) => isFirst)).toHaveLength(1);
    const decision = answers[0]?.decision;
    expect(answers.every((one) => one.decision === decision)).toBe(true);
    const polled = await tpp.poll(authReqId).then(
      () => 'approved',
      () => 'rejected',
    );
    expect(polled).toBe(decision);
    // Also when all is over.
    expect(await approvals().reject(id)).toEqual({ decision, isFirst: false });
  });

  it.each([
    ['no account', { accountIds: [], amr: ['swk'] }, 'ERR_APPROVAL_INVALID'],
    ['an account of another customer', { accountIds: ['acc-2001'], amr: ['swk'] }, 'ERR_APPROVAL_INVALID'],
    ['no method', { accountIds: ['acc-1001'], amr: [] }, 'ERR_APPROVAL_INVALID'],
    ['a foreign acr', { ...ANSWER, acr: 'urn:made:up' }, 'ERR_ASPSP_ANSWER'],
    ['a login to come', { ...ANSWER, authTime: new Date(Date.now() + 3_600_000) }, 'ERR_APPROVAL_INVALID'],
    ['another member', { ...ANSWER, grantId: 'x' }, 'ERR_APPROVAL_INVALID'],
  ])('is refused with %s, and can be given again', async (_what, wrong, code) => {
    const { id } = await asked(await connect());
    expect(await codeOf(approvals().approve(id, wrong))).toBe(code);
    expect(await approvals().reject(id)).toEqual({ decision: 'rejected', isFirst: true });
  });

  it('is refused for a request that there is not', async () => {
    expect(await codeOf(approvals().approve('x'.repeat(43), ANSWER))).toBe('ERR_APPROVAL_OVER');
    expect(await codeOf(approvals().reject('x'))).toBe('ERR_APPROVAL_OVER');
  });
});
