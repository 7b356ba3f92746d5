import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize } from '../../../src/sandbox/demo/authorization-request.ts';
import type { CustomerAnswer } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const ALICE = { decision: 'allow', username: 'alice', password: 'alice-in-the-sandbox' } as const;
const BOB = { decision: 'allow', username: 'bob', password: 'bob-in-the-sandbox' } as const;
const SAVINGS = { ...ALICE, chooses: (account: string) => account === 'acc-1002' } as const;

const detail = (...actions: string[]) => ({ type: 'account_information', actions });
const rich = (...actions: string[]) => ({
  scope: 'openid',
  authorization_details: JSON.stringify([detail(...actions)]),
});

describe.each(['SQLite', ...(hasRedis ? ['Redis'] : [])])(
  'merge and replace (Grant Management for OAuth 2.0 §5.2), on %s',
  (kind) => {
    let redis: RedisProcess | undefined;
    let sandbox: TestSandbox;
    let tpp: DemoTpp;
    let other: DemoTpp;
    beforeAll(async () => {
      redis = kind === 'Redis' ? await startRedis() : undefined;
      const settings = redis && redisSettings({ url: `redis://127.0.0.1:${redis.port}` });
      sandbox = await startTestSandbox({
        ...(settings === undefined ? {} : { store: await openStore(settings) }),
        amendConfiguration: (own) => ({
          ...own,
          grantManagement: { enabled: true },
          sca: { enabled: false },
        }),
      });
      [tpp, other] = await Promise.all([connect('money-one'), connect('money-two')]);
    });
    afterAll(async () => {
      await Promise.all([tpp?.close(), other?.close()]);
      await sandbox?.stop();
      await redis?.kill();
    });

    function connect(name: string): Promise<DemoTpp> {
      const { description } = sandbox;
      return connectTpp({ description, tpp: tppNamed(description, name) });
    }

    async function granted(parameters: Readonly<Record<string, string>>, answer: CustomerAnswer = ALICE) {
      const { caFile } = sandbox.description;
      const { callback, redeem } = await authorize(tpp, { caFile, answer, parameters });
      const error = callback.searchParams.get('error');
      if (error !== null) throw new Error(`${error}: ${callback.searchParams.get('error_description')}`);
      const tokens = await redeem();
      return { ...tokens, grant_id: String(tokens.grant_id) };
    }

    async function queried(grantId: string) {
      const { access_token: token } = await oauth.clientCredentialsGrant(tpp.config, {
        scope: 'grant_management_query',
      });
      const { json } = await sandbox.send(`${sandbox.description.mtlsUrl}/grants/${grantId}`, {
        certificate: tppNamed(sandbox.description, 'money-one'),
        headers: { authorization: `Bearer ${token}` },
      });
      return json;
    }

    const isRefreshed = (tokens: { readonly refresh_token?: string }) =>
      oauth.refreshTokenGrant(tpp.config, String(tokens.refresh_token)).then(
        () => true,
        (error: unknown) => (error as { readonly error?: string }).error,
      );
    const changing = (action: string, grantId: string) => ({
      grant_management_action: action,
      grant_id: grantId,
    });

    it('merges: one grant with both contents, and the earlier tokens are over', async () => {
      const first = await granted(rich('list_accounts'));
      const second = await granted({ ...rich('read_balances'), ...changing('merge', first.grant_id) });
      expect(second.grant_id).toBe(first.grant_id);
      expect(await isRefreshed(first)).toBe('invalid_grant');
      expect(await isRefreshed(second)).toBe(true);
      await expect
        .poll(async () => (await tpp.call('/accounts', first.access_token)).status, { timeout: 5000 })
        .toBe(401);
      const { authorization_details: details } = await queried(first.grant_id);
      expect((details as { actions: string[] }[]).map(({ actions }) => actions)).toEqual([
        ['list_accounts'],
        ['read_balances'],
      ]);
      expect((second.authorization_details as unknown[]).length).toBe(2);
    });

    it('merges scopes: the tokens have those of before, too', async () => {
      const first = await granted({ scope: 'openid accounts' });
      const second = await granted({
        scope: 'openid fundsconfirmations',
        ...changing('merge', first.grant_id),
      });
      expect(second.grant_id).toBe(first.grant_id);
      expect(second.scope?.split(' ').toSorted()).toEqual(['accounts', 'fundsconfirmations', 'openid']);
    });

    it('replaces: another content and other accounts under the same id', async () => {
      const first = await granted(rich('list_accounts'));
      const second = await granted(
        { ...rich('read_balances'), ...changing('replace', first.grant_id) },
        SAVINGS,
      );
      expect(second.grant_id).toBe(first.grant_id);
      expect(await isRefreshed(first)).toBe('invalid_grant');
      const { authorization_details: details } = await queried(first.grant_id);
      expect(details).toMatchObject([{ actions: ['read_balances'] }]);
      const consent = await sandbox.server.consents.find(first.grant_id);
      expect(consent).toMatchObject({ status: 'authorised', accountIds: ['acc-1002'] });
    });

    it('changes nothing before the approval, and nothing when the customer cancels', async () => {
      const first = await granted(rich('list_accounts'));
      const request = { ...rich('read_balances'), ...changing('replace', first.grant_id) };
      await expect(granted(request, { decision: 'cancel' })).rejects.toThrow('access_denied');
      expect(await isRefreshed(first)).toBe(true);
      expect((await queried(first.grant_id)).authorization_details).toMatchObject([
        { actions: ['list_accounts'] },
      ]);
    });

    it('refuses another customer, who sees nothing of the grant', async () => {
      const first = await granted(rich('list_accounts'));
      const request = { ...rich('read_balances'), ...changing('merge', first.grant_id) };
      await expect(granted(request, BOB)).rejects.toThrow(/access_denied|unmet|consent|customer/);
      expect(await isRefreshed(first)).toBe(true);
      expect(await sandbox.server.consents.find(first.grant_id)).toMatchObject({ psuId: 'psu-6f1c2a' });
    });

    it('refuses the grant of another client like one that does not exist, when it is pushed (K1)', async () => {
      const first = await granted(rich('list_accounts'));
      const pushed = async (grantId: string) => {
        const request = { ...rich('read_balances'), ...changing('merge', grantId) };
        const { caFile } = sandbox.description;
        return authorize(other, { caFile, answer: ALICE, parameters: request }).then(
          () => 'accepted',
          (error: { readonly error?: string; readonly error_description?: string }) =>
            `${error.error} ${error.error_description}`,
        );
      };
      const answers = [await pushed(first.grant_id), await pushed('unknown')];
      expect(answers[0]).toMatch(/^invalid_grant_id ERR_GRANT_ID/);
      expect(answers[1]).toBe(answers[0]);
    });
  },
);
