import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompactEncrypt, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  rotateSigningKeys,
  signingKeyStates,
} from '../../../src/authorization-server/signing/signing-key-rotation.ts';
import type { Keyring } from '../../../src/authorization-server/signing/keyring.ts';
import { openSigningKeys } from '../../../src/authorization-server/signing/signing-keys.ts';
import { silentLog } from '../../../src/events.ts';
import { TestClock } from '../../storage/store-contract.ts';

const RETAIN = 900;
let folder: string;
let file: string;
let clock: TestClock;
let ring: Keyring;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-enc-'));
  file = join(folder, 'keys.json');
  clock = new TestClock();
  ring = await openSigningKeys({ file, clock, log: silentLog, retainSeconds: RETAIN, pollSeconds: 0.02 });
});
afterEach(async () => {
  await ring.close();
  await rm(folder, { recursive: true });
});

const rotate = (more: object = {}) =>
  rotateSigningKeys({ file, clock, delaySeconds: 600, retainSeconds: RETAIN, ...more });
const published = () => ring.encryption.keys.map(({ kid }) => kid);

async function encryptedTo(key: JWK, enc = 'A256GCM'): Promise<string> {
  return new CompactEncrypt(Buffer.from('hello'))
    .setProtectedHeader({ alg: key.alg ?? '', enc, kid: key.kid ?? '' })
    .encrypt(await importJWK(key));
}

describe('keys for encryption to this server', () => {
  it('are none until the operator makes them, and then one for each algorithm, in use at once', async () => {
    expect(published()).toEqual([]);
    await rotate();
    expect(published()).toEqual([]);
    await rotate({ withEncryption: true });
    await expect.poll(() => ring.encryption.keys.map(({ alg }) => alg)).toEqual(['RSA-OAEP-256', 'ECDH-ES']);
    for (const key of ring.encryption.keys) {
      expect(key).not.toHaveProperty('d');
      expect(key.use).toBe('enc');
      for (const enc of ['A256GCM', 'A128CBC-HS256']) {
        const jwe = await encryptedTo(key, enc);
        expect(await ring.encryption.decrypt(jwe, key)).toBe('hello');
        expect(await ring.encryption.decrypt(jwe, { alg: key.alg })).toBe('hello');
      }
    }
    // They sign nothing, and are not among the keys that the provider has.
    expect(ring.keys.every(({ alg }) => ['ES256', 'PS256'].includes(alg))).toBe(true);
  });

  it('decrypt before they are published and after they are replaced, until they leave the file', async () => {
    await rotate({ withEncryption: true });
    await expect.poll(() => published().length).toBe(2);
    const [first] = ring.encryption.keys;
    if (first === undefined) throw new Error('no key');
    const before = published();
    await rotate();
    await expect.poll(async () => (await readFile(file, 'utf8')).match(/"use":"enc"/g)?.length).toBe(4);
    expect(published()).toEqual(before);
    clock.forward(600);
    await expect.poll(() => published().some((kid) => before.includes(kid))).toBe(false);
    expect(published()).toHaveLength(2);
    expect(await ring.encryption.decrypt(await encryptedTo(first), first)).toBe('hello');
    const states = await signingKeyStates({ file, clock, retainSeconds: RETAIN });
    const ofEncryption = states.filter(({ alg }) => /RSA-OAEP|ECDH/.test(alg)).map(({ state }) => state);
    expect(ofEncryption).toEqual(['published', 'published', 'encrypting', 'encrypting']);
    clock.forward(RETAIN);
    await rotate({ isCompromised: true });
    const gone = await encryptedTo(first);
    await expect
      .poll(() =>
        ring.encryption.decrypt(gone, first).then(
          () => 'decrypted',
          (error: Error) => error.message,
        ),
      )
      .toBe('there is no key for RSA-OAEP-256');
  });

  it.each(['RSA1_5', 'dir', 'A256KW', 'PBES2-HS256+A128KW', 'RSA-OAEP', 'ECDH-ES+A256KW'])(
    'of %s end the start',
    async (alg) => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      const { keys } = JSON.parse(await readFile(file, 'utf8')) as { readonly keys: readonly JWK[] };
      const other = { ...(await exportJWK(privateKey)), alg, use: 'enc', kid: 'other' };
      await writeFile(file, JSON.stringify({ keys: [...keys, other] }), { mode: 0o600 });
      const opening = openSigningKeys({ file, clock, log: silentLog, retainSeconds: RETAIN });
      await expect(opening).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    },
  );

  it('that are weak end the start', async () => {
    const { privateKey } = await import('node:crypto').then(({ generateKeyPairSync }) =>
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
    );
    const { keys } = JSON.parse(await readFile(file, 'utf8')) as { readonly keys: readonly JWK[] };
    const weak = { ...privateKey.export({ format: 'jwk' }), alg: 'RSA-OAEP-256', use: 'enc', kid: 'weak' };
    await writeFile(file, JSON.stringify({ keys: [...keys, weak] }), { mode: 0o600 });
    const opening = openSigningKeys({ file, clock, log: silentLog, retainSeconds: RETAIN });
    await expect(opening).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
