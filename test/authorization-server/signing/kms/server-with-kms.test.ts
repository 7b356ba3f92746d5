import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bank, type BankProcess, openBank } from '../../../durability/bank.ts';
import { Tpp } from '../../../durability/tpp.ts';
import { CREDENTIALS, KmsServer } from './kms-server.ts';

const run = promisify(execFile);
const MAIN = new URL('../../../../src/cli/main.ts', import.meta.url).pathname;
const TIMEOUT = 1500;

describe('an authorization server whose keys are in a KMS', () => {
  let kms: KmsServer;
  let bank: Bank;
  let server: BankProcess;
  let tpp: Tpp;
  const more = () => ({
    signingKeysFile: undefined,
    signingKeys: {
      kms: {
        region: 'eu-central-1',
        url: kms.url,
        credentialsFile: 'kms-credentials.json',
        keysFile: 'kms-keys.json',
        caFile: 'kms-ca.pem',
        timeoutMilliseconds: TIMEOUT,
      },
    },
  });
  beforeAll(async () => {
    kms = await KmsServer.start();
    bank = await openBank();
    tpp = new Tpp(bank);
    const inFolder = (name: string) => join(bank.folder, name);
    const {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
    } = CREDENTIALS;
    await writeFile(
      inFolder('kms-credentials.json'),
      JSON.stringify({ AccessKeyId, SecretAccessKey, SessionToken }),
      {
        mode: 0o600,
      },
    );
    await writeFile(inFolder('kms-ca.pem'), kms.caPem);
    const file = inFolder('keys.json');
    await writeFile(file, JSON.stringify(bank.configuration({ front: 0, mtls: 0, health: 0 }, more())));
    const words = ['keys', 'rotate', '--config', file, '--key'];
    await run(process.execPath, [MAIN, ...words, kms.make('one', 'elliptic'), kms.make('two', 'rsa')]);
    server = await bank.start(more());
  }, 90_000);
  afterEach(() => {
    kms.fault = 'none';
  });
  afterAll(async () => {
    tpp.close();
    await bank.close();
    await kms.close();
  });

  it('signs access tokens, ID tokens and status lists by the KMS', async () => {
    const { json } = await tpp.exchange(server, await tpp.code(server));
    expect([json.access_token, json.id_token].map((jwt) => decodeProtectedHeader(String(jwt)).alg)).toEqual([
      'ES256',
      'ES256',
    ]);
    expect(await tpp.isLive(server, json.access_token)).toBe(true);
  });

  it('waits for a KMS that is slow', async () => {
    kms.fault = 'slow';
    const slow = await Promise.all(Array.from({ length: 8 }, () => tpp.clientCredentials(server)));
    expect(slow.map(({ status }) => status)).toEqual(Array(8).fill(200));
  });

  it('answers 503 with Retry-After while the KMS hangs, serves others, keeps the code, and recovers by itself (N15)', async () => {
    const code = await tpp.code(server);
    kms.fault = 'hang';
    const order: string[] = [];
    const noted = async (name: string, answer: Promise<{ readonly status: number }>) => {
      const { status } = await answer;
      order.push(`${name} ${status}`);
    };
    const refused = Promise.all(Array.from({ length: 8 }, () => tpp.clientCredentials(server)));
    await Promise.all([
      refused.then(() => void order.push('tokens')),
      noted('par', tpp.post(server, '/par', {})),
      noted('jwks', tpp.browse(server, '/jwks')),
      noted('discovery', tpp.browse(server, '/.well-known/openid-configuration')),
    ]);
    // By order, as no time holds on a busy machine: all of them while eight requests wait for the KMS.
    expect(order.slice(0, 3).toSorted()).toEqual(['discovery 200', 'jwks 200', 'par 400']);
    for (const { status, json, headers } of await refused) {
      expect([status, json.error]).toEqual([503, 'temporarily_unavailable']);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      expect(json.error_description).toContain('ERR_SIGNING_UNAVAILABLE');
    }
    const before = kms.requests;
    expect((await tpp.exchange(server, code)).status).toBe(503);
    expect((await tpp.pushed(server)).requestUri).toMatch(/^urn:/);
    // The circuit is open: no request waits for the KMS.
    expect(kms.requests).toBe(before);
    kms.fault = 'none';
    const isServed = async () => (await tpp.clientCredentials(server)).status === 200;
    await expect.poll(isServed, { timeout: 15_000, interval: 250 }).toBe(true);
    expect((await tpp.exchange(server, code)).status).toBe(200);
  }, 30_000);
});
