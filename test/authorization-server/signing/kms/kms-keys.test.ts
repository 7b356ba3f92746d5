import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compactVerify, importJWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EncryptionKeyFile } from '../../../../src/authorization-server/signing/encryption-key-file.ts';
import type { Keyring } from '../../../../src/authorization-server/signing/keyring.ts';
import { AwsKms } from '../../../../src/authorization-server/signing/kms/aws-kms.ts';
import { KmsKeys } from '../../../../src/authorization-server/signing/kms/kms-keys.ts';
import type { Signer } from '../../../../src/authorization-server/signing/signer.ts';
import { isRefusal } from '../../../../src/errors.ts';
import { type EventName, logTo } from '../../../../src/events.ts';
import { TestClock } from '../../../storage/store-contract.ts';
import { CREDENTIALS, type KmsFault, KmsServer } from './kms-server.ts';

const RETAIN = 900;
const ORDER = { delaySeconds: 600 };
let folder: string;
let kms: KmsServer;
let clock: TestClock;
let events: EventName[];
let keys: KmsKeys;

const file = (name: string) => join(folder, name);
const writeCredentials = (secretAccessKey: string) =>
  writeFile(
    file('credentials.json'),
    JSON.stringify({
      Version: 1,
      AccessKeyId: CREDENTIALS.accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: CREDENTIALS.sessionToken,
    }),
    { mode: 0o600 },
  );

function open(encryptionFile?: string): KmsKeys {
  const log = logTo((name) => void events.push(name));
  const service = new AwsKms({
    region: 'eu-central-1',
    url: kms.url,
    credentialsFile: file('credentials.json'),
    caPem: kms.caPem,
    timeoutMilliseconds: 2000,
    clock,
    log,
  });
  const encryption = new EncryptionKeyFile({ file: encryptionFile, clock, retainSeconds: RETAIN });
  return new KmsKeys({ keysFile: file('keys.json'), service, encryption, retainSeconds: RETAIN, clock, log });
}

async function jwsBy(signer: Signer, alg: string): Promise<string> {
  const key = signer.keys.find((one) => one.alg === alg);
  const input = `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.e30`;
  return `${input}.${(await signer.sign(key?.kid ?? '', Buffer.from(input))).toString('base64url')}`;
}

const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no refusal',
    (error: unknown) => (isRefusal(error) ? `${error.code} ${JSON.stringify(error.details)}` : String(error)),
  );

describe('keys of a KMS', () => {
  beforeAll(async () => {
    kms = await KmsServer.start();
    kms.make('signing-1', 'elliptic');
    kms.make('signing-2', 'elliptic');
    kms.make('signing-rsa', 'rsa');
    kms.make('signing-384', 'p384');
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-kms-keys-'));
    clock = new TestClock();
    events = [];
    kms.fault = 'none';
    await writeCredentials(CREDENTIALS.secretAccessKey);
    keys = open();
  });
  afterEach(async () => {
    await keys.close();
    await rm(folder, { recursive: true });
  });
  afterAll(() => kms.close());

  async function follow(): Promise<Keyring> {
    await keys.rotate({ ...ORDER, keyIds: ['signing-1', 'signing-rsa'] });
    return keys.follow();
  }

  it('sign ES256 and PS256 in the form of JWS, by requests that are signed', async () => {
    const ring = await follow();
    for (const alg of ['ES256', 'PS256']) {
      const key = await importJWK(ring.keys.find((one) => one.alg === alg) ?? {}, alg);
      for (let count = 0; count < 5; count += 1) {
        await compactVerify(await jwsBy(ring, alg), key, { algorithms: [alg] });
      }
    }
    expect(ring.keys.every((key) => !('d' in key) && !('kms_key' in key))).toBe(true);
    expect(await readFile(file('keys.json'), 'utf8')).not.toMatch(/"d":/);
    await ring.close();
  });

  it('rotate by the name of a key, published ahead and retained', async () => {
    const ring = await follow();
    const [first] = ring.keys;
    await ring.rotate({ ...ORDER, keyIds: ['signing-2'] });
    expect(ring.keys[0]).toEqual(first);
    expect(ring.keys).toHaveLength(3);
    clock.forward(600);
    expect((await ring.states()).map(({ name, state }) => [name, state])).toEqual([
      ['signing-1', 'published'],
      ['signing-rsa', 'signing'],
      ['signing-2', 'signing'],
    ]);
    await ring.rotate({ ...ORDER, keyIds: ['signing-2'], isCompromised: true }).catch(() => undefined);
    await ring.close();
  });

  it('are refused where they do not fit, or are not named', async () => {
    expect(await refusalOf(keys.rotate(ORDER))).toContain('they are made in the KMS');
    expect(await refusalOf(keys.rotate({ ...ORDER, keyIds: ['signing-384'] }))).toContain('neither of P-256');
    expect(await refusalOf(keys.rotate({ ...ORDER, keyIds: ['signing-rsa'] }))).toContain('a key for ES256');
    expect(await refusalOf(keys.rotate({ ...ORDER, keyIds: ['unknown'] }))).toContain('NotFoundException');
    expect(await refusalOf(keys.follow())).toContain('keys rotate --key');
  });

  it.each<[KmsFault, string, number]>([
    ['error', 'status 500', 2],
    ['throttle', 'ThrottlingException', 2],
    ['hang', 'no answer in time', 2],
    ['denied', 'AccessDeniedException', 1],
  ])('are refused as unavailable after %s, with bounded tries', async (fault, problem, tries) => {
    const ring = await follow();
    kms.fault = fault;
    const before = kms.requests;
    const refusal = await refusalOf(jwsBy(ring, 'ES256'));
    expect(refusal).toContain('ERR_SIGNING_UNAVAILABLE');
    expect(refusal).toContain(problem);
    expect(kms.requests - before).toBe(tries);
    if (tries === 2) {
      // The circuit is open: nothing is sent.
      expect(ring.problem).toContain('did not answer');
      expect(await refusalOf(jwsBy(ring, 'ES256'))).toContain('ERR_SIGNING_UNAVAILABLE');
      expect(kms.requests - before).toBe(tries);
    }
    kms.fault = 'none';
    clock.forward(6);
    expect(await refusalOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
    expect(ring.problem).toBe(undefined);
    if (tries === 2)
      expect(events).toEqual(expect.arrayContaining(['signing-keys.away', 'signing-keys.back']));
    await ring.close();
  });

  it('are tried once more after one failure', async () => {
    const ring = await follow();
    kms.fault = 'once';
    expect(await refusalOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
    await ring.close();
  });

  it('are asked for with renewed credentials, and refused with wrong ones', async () => {
    const ring = await follow();
    await writeCredentials('wrong');
    clock.forward(6);
    expect(await refusalOf(jwsBy(ring, 'ES256'))).toContain('AccessDeniedException');
    await writeCredentials(CREDENTIALS.secretAccessKey);
    clock.forward(6);
    expect(await refusalOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
    await ring.close();
  });

  it.skipIf(process.platform === 'win32')(
    'are asked for with the credentials before, while every user of the machine may read the renewed ones',
    async () => {
      const ring = await follow();
      await jwsBy(ring, 'ES256');
      await writeCredentials('wrong');
      await chmod(file('credentials.json'), 0o644);
      clock.forward(6);
      expect(await refusalOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
      expect(await refusalOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
      expect(events.filter((name) => name === 'signing-keys.refused')).toHaveLength(1);
      await chmod(file('credentials.json'), 0o600);
      expect(await refusalOf(jwsBy(ring, 'ES256'))).toContain('AccessDeniedException');
      await writeCredentials(CREDENTIALS.secretAccessKey);
      await ring.close();
    },
  );

  it('come with keys for encryption of a file', async () => {
    const withFile = open(file('encryption.json'));
    await withFile.rotate({ ...ORDER, keyIds: ['signing-1'], withEncryption: true });
    const ring = await withFile.follow();
    expect(ring.encryption.keys.map(({ alg }) => alg).toSorted()).toEqual(['ECDH-ES', 'RSA-OAEP-256']);
    await ring.close();
  });
});
