import { expect } from 'vitest';
import type { ClientRecord } from '../../../src/authorization-server/clients/client-records.ts';
import { approveClient, clientsOf, consentsOf } from '../commands/bank-questions.ts';
import type { BankProcess } from '../bank.ts';
import { answered } from '../kills.ts';
import { type Answer, Tpp } from '../tpp.ts';
import { REDIRECT, type RegisteringBank } from './registering-bank.ts';

/** A client, and how its TPP manages and uses it. */
export interface LivingClient {
  readonly clientId: string;
  /** Its registration access token: each answer may bring the next. */
  token: string;
  redirectUri: string;
  scope: string;
}

/** A client that is deleted, and a refresh token that it had. */
export interface KilledClient extends Pick<LivingClient, 'clientId' | 'token'> {
  readonly refreshToken: string;
}

/** Something that changes the registered clients. */
export interface Action {
  /** Rejects when no answer comes. */
  readonly send: () => Promise<Answer | undefined>;
  /** When the server is there again: nothing half is there, and what was answered is. True when the work is done. */
  readonly verify: (answer: Answer | undefined, where: string) => Promise<boolean>;
}

/** What the actions of a TPP and its bank need. The server is another one after a kill. */
export interface Stage {
  readonly bank: RegisteringBank;
  readonly tpp: Tpp;
  readonly server: BankProcess;
  readonly alive: LivingClient[];
  readonly deleted: KilledClient[];
}

export type ActionName = 'register' | 'change' | 'approve' | 'delete';

export const ACTIONS: Readonly<Record<ActionName, (stage: Stage) => Promise<Action>>> = {
  register,
  change,
  approve,
  delete: remove,
};

/** One client of a statement at most, and a whole one. */
async function register(stage: Stage): Promise<Action> {
  const request = await stage.bank.request();
  return {
    send: async () => {
      const answer = await stage.tpp.register(stage.server, request);
      if (answer.status === 503) throw new Error(answer.text);
      return answer;
    },
    verify: async (answer, where) => {
      const made = await clientsOfRequest(stage, request);
      if (answer !== undefined) {
        expect([where, answer.status, answer.text]).toEqual([where, 201, expect.any(String)]);
        expect([where, made.map(({ client }) => client.client_id)]).toEqual([where, [answer.json.client_id]]);
      }
      const again = await answered(() => stage.tpp.register(stage.server, request));
      const expected = made.length === 0 ? [201, 400] : [400];
      expect([where, expected.includes(again.status), again.text]).toEqual([where, true, expect.any(String)]);
      if (again.status === 400) expect(again.json.error).toBe('unapproved_software_statement');
      const third = await answered(() => stage.tpp.register(stage.server, request));
      expect([where, third.json.error]).toEqual([where, 'unapproved_software_statement']);
      for (const { client, status, registration } of made) {
        expect([where, status, registration?.accessTokenHashes.length]).toEqual([
          ...[where, 'awaiting-approval', 1],
        ]);
        await approveClient(stage.server, client.client_id);
        expect([where, (await token(stage, client.client_id)).status]).toEqual([where, 200]);
      }
      const known = answer ?? (again.status === 201 ? again : undefined);
      if (known !== undefined) {
        const client = living(known);
        if (known === again) await approveClient(stage.server, client.clientId);
        stage.alive.push(client);
      }
      return made.length > 0;
    },
  };
}

/** A change that is there as a whole, or not at all; the registration access token from before stays good until then. */
async function change(stage: Stage): Promise<Action> {
  const client = stage.alive.shift() ?? (await registered(stage));
  const isFirst = client.redirectUri === REDIRECT;
  const next = {
    redirectUri: isFirst ? `${REDIRECT}/2` : REDIRECT,
    scope: isFirst ? 'payments' : 'accounts',
  };
  const body = await stage.bank.request({
    redirect_uris: [next.redirectUri],
    scope: `openid ${next.scope}`,
  });
  return {
    send: () => stage.tpp.manage(stage.server, client, { method: 'PUT', body }),
    verify: async (answer, where) => {
      if (answer !== undefined) {
        expect([where, answer.status, answer.text]).toEqual([where, 200, expect.any(String)]);
        client.token = String(answer.json.registration_access_token);
      }
      const { status, json } = await answered(() =>
        stage.tpp.manage(stage.server, client, { method: 'GET' }),
      );
      const { redirect_uris: uris, scope } = json;
      const isNew = String(uris) === next.redirectUri;
      const { redirectUri, scope: one } = isNew ? next : client;
      expect([where, status, uris, scope]).toEqual([where, 200, [redirectUri], `openid ${one}`]);
      if (answer !== undefined) expect([where, isNew]).toEqual([where, true]);
      Object.assign(client, { redirectUri, scope: one, token: String(json.registration_access_token) });
      stage.alive.push(client);
      return isNew;
    },
  };
}

/** A client that the bank has approved stays so, and another can be approved again. */
async function approve(stage: Stage): Promise<Action> {
  const answer = await answered(async () => stage.tpp.register(stage.server, await stage.bank.request()));
  const client = living(answer);
  return {
    send: async () => {
      await approveClient(stage.server, client.clientId);
      return answer;
    },
    verify: async (approved, where) => {
      const { status } = await token(stage, client.clientId);
      expect([where, approved === undefined ? [200, 400].includes(status) : status]).toEqual([
        where,
        approved === undefined ? true : 200,
      ]);
      if (status !== 200) await approveClient(stage.server, client.clientId);
      expect([where, (await token(stage, client.clientId)).status]).toEqual([where, 200]);
      stage.alive.push(client);
      return status === 200;
    },
  };
}

/** A client with a grant, its tokens and a consent goes with all of them, or is there with all of them. */
async function remove(stage: Stage): Promise<Action> {
  const client = stage.alive.pop() ?? (await registered(stage));
  const { clientId, redirectUri } = client;
  const tpp = Object.assign(new Tpp(stage.bank), { clientId, redirectUri });
  const scope = `openid ${client.scope}`;
  const { requestUri, verifier } = await tpp.pushed(stage.server, { scope });
  const end = await (await tpp.walk(stage.server, requestUri)).end();
  const code = new URL(String(end.headers.location)).searchParams.get('code') ?? '';
  const { json } = await tpp.exchange(stage.server, { code, verifier });
  const accessToken = String(json.access_token);
  const refreshToken = String(json.refresh_token);
  tpp.close();
  const send = () => stage.tpp.manage(stage.server, client, { method: 'DELETE' });
  const form = { client_id: clientId, grant_type: 'refresh_token', refresh_token: refreshToken };
  return {
    send,
    verify: async (answer, where) => {
      if (answer !== undefined) expect([where, answer.status]).toEqual([where, 204]);
      const read = await answered(() => stage.tpp.manage(stage.server, client, { method: 'GET' }));
      const isDone = read.status === 401;
      if (!isDone) {
        // The kill came before the first step: the client has everything.
        expect([where, answer, read.status]).toEqual([where, undefined, 200]);
        client.token = String(read.json.registration_access_token);
        expect([where, (await answered(() => tpp.post(stage.server, '/token', form))).status]).toEqual([
          ...[where, 200],
        ]);
        expect([where, await tpp.isLive(stage.server, accessToken)]).toEqual([where, true]);
        expect([where, (await answered(send)).status]).toEqual([where, 204]);
      }
      await expectEnded(stage, { clientId, where });
      expect([where, (await answered(send)).status]).toEqual([where, 401]);
      expect([where, (await answered(() => tpp.post(stage.server, '/token', form))).status]).toEqual([
        ...[where, 400],
      ]);
      await expect.poll(() => tpp.isLive(stage.server, accessToken), { timeout: 10_000 }).toBe(false);
      stage.deleted.push({ clientId, token: client.token, refreshToken });
      tpp.close();
      return isDone;
    },
  };
}

/** Its record is gone, and each of its consents, of which it had one at least, has ended. */
async function expectEnded(
  { server }: Stage,
  { clientId, where }: { readonly clientId: string; readonly where: string },
): Promise<void> {
  const left = (await clientsOf(server)).filter(({ client }) => client.client_id === clientId);
  expect([where, left]).toEqual([where, []]);
  const consents = await consentsOf(server, clientId);
  expect([where, new Set(consents.map(({ status }) => status))]).toEqual([where, new Set(['revoked'])]);
}

async function registered(stage: Stage): Promise<LivingClient> {
  const client = living(
    await answered(async () => stage.tpp.register(stage.server, await stage.bank.request())),
  );
  await approveClient(stage.server, client.clientId);
  return client;
}

function living({ status, text, json }: Answer): LivingClient {
  if (status !== 201) throw new Error(`the registration: ${status} ${text}`);
  return {
    clientId: String(json.client_id),
    token: String(json.registration_access_token),
    redirectUri: REDIRECT,
    scope: 'accounts',
  };
}

function token({ tpp, server }: Stage, clientId: string): Promise<Answer> {
  const form = { client_id: clientId, grant_type: 'client_credentials', scope: 'accounts' };
  return answered(() => tpp.post(server, '/token', form));
}

/** The clients that the statement of a request has made. */
async function clientsOfRequest({ server }: Stage, request: string): Promise<readonly ClientRecord[]> {
  const claims = JSON.parse(Buffer.from(request.split('.')[1] ?? '', 'base64url').toString());
  return (await clientsOf(server)).filter(
    ({ registration }) => registration?.statement?.software_statement === claims.software_statement,
  );
}
