import { readFile } from 'node:fs/promises';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { CIBA_GRANT } from '../../../src/authorization-server/clients/registered-client.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import {
  type Approvals,
  type Aspsp,
  parseConfig,
  type RunningServer,
  silentLog,
  startServer,
} from '../../../src/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { clientNamed } from '../../../src/sandbox/sandbox-clients.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';
import { CibaTpp, codeOf, refusalOf } from './ciba-tpp.ts';

const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };
const POLLS = 'money-one-mtls-ciba-poll';
const PROVES = 'money-one-mtls-certificate-and-dpop';
const USER_CODE = '4711';

/** A bank whose customers are asked with their user code only. */
function aspspWithUserCodes(): Aspsp {
  const aspsp = demoAspsp();
  const { decoupled } = aspsp;
  if (decoupled === undefined) throw new TypeError('the demo bank cannot ask');
  return {
    ...aspsp,
    decoupled: {
      ...decoupled,
      findCustomer: async (hint, call) => {
        if (hint.userCode === USER_CODE) return decoupled.findCustomer(hint, call);
        return { type: 'user-code', problem: hint.userCode === undefined ? 'missing' : 'wrong' };
      },
    },
  };
}

let bank: TestBank;
let server: RunningServer;
let tpp: CibaTpp;
const open: CibaTpp[] = [];
beforeAll(async () => {
  bank = await createTestBank({ format: 'jwt' });
  const value = {
    ...bank.config,
    profiles: { allowed: ['fapi2-security', 'fapi1-advanced'] },
    senderConstraints: { allowed: ['certificate', 'certificate-and-dpop'] },
    ciba: { enabled: true, userCode: true, unknownCustomer: 'refuse' },
  };
  const config = parseConfig(value, { source: 'test', folder: bank.folder });
  server = await startServer(config, { aspsp: aspspWithUserCodes(), log: silentLog });
  await register(POLLS, { profile: 'fapi1-advanced' });
  await register(PROVES, { sender_constraint: 'certificate-and-dpop' });
  tpp = await CibaTpp.open(bank, POLLS);
});
afterEach(() => Promise.all(open.splice(0).map((one) => one.close())));
afterAll(async () => {
  await tpp.close();
  await server.close();
  await bank.remove();
});

async function register(clientId: string, more: object): Promise<void> {
  const { organizationIdentifier, signingKeyFile } = tppNamed(bank.description, 'money-one');
  const { d, ...jwk } = JSON.parse(await readFile(signingKeyFile, 'utf8'));
  await server.clients.register({
    client_id: clientId,
    client_name: 'Money One',
    authorization_number: organizationIdentifier,
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: [],
    grant_types: [CIBA_GRANT, 'refresh_token'],
    scope: 'openid accounts',
    jwks: { keys: [jwk] },
    backchannel_token_delivery_mode: 'poll',
    ...more,
  });
}

async function connect(clientId: string, options: Parameters<typeof CibaTpp.open>[2] = {}) {
  const one = await CibaTpp.open(bank, clientId, options);
  open.push(one);
  return one;
}

const approvals = () => server.approvals as Approvals;

async function asked(by = tpp) {
  const { auth_req_id: authReqId } = await by.ask({ user_code: USER_CODE });
  return { authReqId, id: approvals().idOf(authReqId) };
}

async function approved(by = tpp) {
  const { authReqId, id } = await asked(by);
  await approvals().approve(id, ANSWER);
  return authReqId;
}

describe('a bank with user codes (CIBA Core §7.1, §13)', () => {
  it.each([
    ['none', undefined, { error: 'missing_user_code', code: 'ERR_CIBA_USER_CODE_MISSING' }],
    ['another', '4712', { error: 'invalid_user_code', code: 'ERR_CIBA_USER_CODE' }],
    ['a long one', 'x'.repeat(300), { error: 'invalid_request', code: 'ERR_CIBA_REQUEST' }],
  ])('refuses a request with %s', async (_what, code, expected) => {
    expect(await refusalOf(tpp.ask({ user_code: code }))).toEqual(expected);
  });

  it('asks for the right one, by a login_hint or an ID token, and never keeps the code', async () => {
    const { id_token: hint } = await tpp.poll(await approved());
    const byToken = { login_hint: undefined, id_token_hint: hint };
    expect((await refusalOf(tpp.ask(byToken))).code).toBe('ERR_CIBA_USER_CODE_MISSING');
    const { auth_req_id: authReqId } = await tpp.ask({ ...byToken, user_code: USER_CODE });
    const found = await approvals().find(approvals().idOf(authReqId));
    expect(found).toMatchObject({ psuId: 'psu-6f1c2a' });
    expect(JSON.stringify(found)).not.toContain(USER_CODE);
    await approvals().reject(approvals().idOf(authReqId));
  });
});

describe('a bank that refuses unknown customers (CIBA Core §13)', () => {
  it('answers unknown_user_id, and asks about known ones', async () => {
    const unknown = tpp.ask({ login_hint: 'stranger', user_code: USER_CODE });
    const expected = { error: 'unknown_user_id', code: 'ERR_CIBA_UNKNOWN_CUSTOMER' };
    expect(await refusalOf(unknown)).toEqual(expected);
    const { id } = await asked();
    expect(await approvals().find(id)).toMatchObject({ psuId: 'psu-6f1c2a' });
    await approvals().reject(id);
  });
});

describe('tokens of CIBA for a client of certificate and DPoP key (RFC 9449 §5)', () => {
  it('need both at the poll, and carry both', async () => {
    const client = clientNamed(tppNamed(bank.description, 'money-one'), PROVES.slice('money-one'.length));
    const [proving, bare] = [await connect(PROVES, { client }), await connect(PROVES)];
    const authReqId = await approved(bare);
    expect(await refusalOf(bare.poll(authReqId))).toMatchObject({ error: 'invalid_dpop_proof' });
    const stolen = await connect(PROVES, { client, certificate: tppNamed(bank.description, 'money-two') });
    expect((await refusalOf(stolen.poll(authReqId))).code).toBe('ERR_TPP_CLIENT_MISMATCH');
    // Neither refusal used the request up.
    const tokens = await proving.poll(authReqId);
    expect(tokens.token_type).toBe('dpop');
    const { cnf } = decodeJwt(tokens.access_token);
    expect(Object.keys(cnf as object).toSorted()).toEqual(['jkt', 'x5t#S256']);
    const refresh = tokens.refresh_token ?? '';
    expect((await refusalOf(bare.refresh(refresh))).error).toBe('invalid_dpop_proof');
    expect((await proving.refresh(refresh)).token_type).toBe('dpop');
  });
});

describe('between request and poll', () => {
  it('a client that ends takes its requests with it, answered or not (I17)', async () => {
    await register('money-one-mtls-ciba-ends', {});
    const ending = await connect('money-one-mtls-ciba-ends');
    const [waiting, done] = [await asked(ending), await approved(ending)];
    await server.clients.end('money-one-mtls-ciba-ends');
    for (const authReqId of [waiting.authReqId, done]) {
      expect((await refusalOf(ending.poll(authReqId))).error).toBe('invalid_client');
    }
    expect(await approvals().find(waiting.id)).toBeUndefined();
    expect(await codeOf(approvals().approve(waiting.id, ANSWER))).toBe('ERR_APPROVAL_OVER');
    // An identifier is not given again: no later client gets what was asked for an earlier one.
    expect(await codeOf(register('money-one-mtls-ciba-ends', {}))).toBe('ERR_CLIENT_REGISTRATION');
  });

  // Last: the TPP is lost at the end.
  it('a TPP that is blocked or leaves the registry gets no tokens, and no customer sees its question (I17)', async () => {
    const { organizationIdentifier: authorizationNumber } = tppNamed(bank.description, 'money-one');
    const [waiting, done] = [await asked(), await approved()];
    const refusals = async () => {
      const polls = [waiting.authReqId, done].map(async (one) => (await refusalOf(tpp.poll(one))).code);
      return [...new Set(await Promise.all(polls)), await codeOf(approvals().approve(waiting.id, ANSWER))];
    };
    const block = { authorizationNumber, nca: 'GB-FCA', since: '2026-01-01', reason: 'x' };
    await replaceFile(bank.files.blocks, stringify({ blocked: [block] }));
    await expect.poll(() => server.blockList.isBlocked(block), { timeout: 6000 }).toBe(true);
    expect(await refusals()).toEqual(['ERR_TPP_BLOCKED', 'ERR_TPP_BLOCKED']);
    expect((await refusalOf(tpp.ask({ user_code: USER_CODE }))).code).toBe('ERR_TPP_BLOCKED');
    expect(await approvals().find(waiting.id)).toBeUndefined();
    expect(await approvals().waitingFor('psu-6f1c2a')).toEqual([]);
    const { tpps } = parse(await readFile(bank.files.registry, 'utf8')) as { tpps: (typeof block)[] };
    const others = tpps.filter((one) => one.authorizationNumber !== authorizationNumber);
    await replaceFile(bank.files.registry, stringify({ tpps: others }));
    await replaceFile(bank.files.blocks, stringify({ blocked: [] }));
    const removed = ['ERR_TPP_NOT_REGISTERED', 'ERR_TPP_NOT_REGISTERED'];
    await expect.poll(refusals, { timeout: 6000 }).toEqual(removed);
  });
});
