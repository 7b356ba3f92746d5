import { readFile } from 'node:fs/promises';
import { compactVerify, importJWK } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EncryptionKeyFile } from '../../../../src/authorization-server/signing/encryption-key-file.ts';
import type { Keyring } from '../../../../src/authorization-server/signing/keyring.ts';
import { Cryptoki } from '../../../../src/authorization-server/signing/pkcs11/cryptoki.ts';
import { Pkcs11Keys } from '../../../../src/authorization-server/signing/pkcs11/pkcs11-keys.ts';
import type { Signer } from '../../../../src/authorization-server/signing/signer.ts';
import { isRefusal } from '../../../../src/errors.ts';
import type { EventName, EventSink } from '../../../../src/events.ts';
import { createLog } from '../../../../src/log.ts';
import { TestClock } from '../../../storage/store-contract.ts';
import { NO_SOFT_HSM, TestToken } from './soft-hsm.ts';

const RETAIN = 900;
const ORDER = { delaySeconds: 600 };
let token: TestToken;
let clock: TestClock;
let events: EventName[];
let fields: object[];
const opened: { close(): Promise<void> }[] = [];

const note: EventSink = (name, _definition, more) => {
  events.push(name);
  fields.push(more);
};

async function open(more: object = {}, timeoutMilliseconds = 5000): Promise<Pkcs11Keys> {
  const log = createLog({ sinks: [note], level: 'error', destination: { write: () => undefined } });
  const keys = await Pkcs11Keys.open({
    token: {
      moduleFile: token.moduleFile,
      tokenLabel: token.label,
      pinFile: token.pinFile,
      sessions: 4,
      ...more,
    },
    keyLabel: 'tallystick',
    timeoutMilliseconds,
    pollSeconds: 0.1,
    retainSeconds: RETAIN,
    encryption: new EncryptionKeyFile({ file: undefined, clock, retainSeconds: RETAIN }),
    clock,
    log,
  });
  opened.push(keys);
  return keys;
}

async function follow(timeoutMilliseconds?: number): Promise<Keyring> {
  const ring = await (await open({}, timeoutMilliseconds)).follow();
  opened.push(ring);
  return ring;
}

async function jwsBy(signer: Signer, alg: string): Promise<string> {
  const key = signer.keys.find((one) => one.alg === alg);
  if (key === undefined) throw new Error(`no ${alg}`);
  const input = `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.e30`;
  return `${input}.${(await signer.sign(key.kid, Buffer.from(input))).toString('base64url')}`;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no refusal',
    (error: unknown) => (isRefusal(error) ? error.code : String(error)),
  );

/** Processes of tokens that this process has started. */
async function tokenProcesses(): Promise<number[]> {
  const own = (await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')).trim().split(' ');
  const named = await Promise.all(
    own.map(async (pid) => ({ pid, line: await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') })),
  );
  return named.filter(({ line }) => line.includes('token-child')).map(({ pid }) => Number(pid));
}

describe.skipIf(NO_SOFT_HSM !== undefined)('keys of a PKCS#11 token', () => {
  beforeAll(async () => {
    token = await TestToken.create();
    clock = new TestClock();
    events = [];
    fields = [];
    const keys = await open();
    expect(await keys.states()).toEqual([]);
    await keys.rotate(ORDER);
    await keys.close();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    events = [];
    fields = [];
    await token.writePin('123456');
  });
  afterAll(() => token.remove());

  it('sign ES256 and PS256 in the form of JWS, several at once', async () => {
    const ring = await follow();
    for (const alg of ['ES256', 'PS256']) {
      const key = await importJWK(ring.keys.find((one) => one.alg === alg) ?? {}, alg);
      const made = await Promise.all(Array.from({ length: 20 }, () => jwsBy(ring, alg)));
      for (const jws of made) await compactVerify(jws, key, { algorithms: [alg] });
    }
    expect(ring.keys.every((key) => !('d' in key) && !('name' in key) && !('reference' in key))).toBe(true);
  });

  it('are made so that the token gives out no private key', async () => {
    await (await open()).states();
    const library = await Cryptoki.load(token.moduleFile);
    await library.code('C_Initialize', [
      { create: null, destroy: null, lock: null, unlock: null, flags: 2, reserved: null },
    ]);
    const slots = Buffer.alloc(64);
    const one: [number] = [0];
    await library.call('C_GetSlotList', [1, slots, [8]]);
    const [slot] = library.words(slots, 1);
    await library.call('C_OpenSession', [slot, 4, null, null, one]);
    const [session] = one;
    await library.call('C_Login', [session, 1, Buffer.from('123456'), 6]);
    const privateKey = { type: 0, pValue: Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), ulValueLen: 8 };
    await library.call('C_FindObjectsInit', [session, [privateKey], 1]);
    const found = Buffer.alloc(64);
    await library.call('C_FindObjects', [session, found, 8, one]);
    expect(one[0]).toBeGreaterThan(1);
    for (const handle of library.words(found, one[0])) {
      // CKA_VALUE of an EC key, CKA_PRIVATE_EXPONENT of an RSA key: CKR_ATTRIBUTE_SENSITIVE, or not of this type.
      for (const type of [0x11, 0x123]) {
        const value = Buffer.alloc(1024);
        const wanted = [{ type, pValue: value, ulValueLen: value.length }];
        expect([0x11, 0x12]).toContain(
          await library.code('C_GetAttributeValue', [session, handle, wanted, 1]),
        );
        expect(value.every((byte) => byte === 0)).toBe(true);
      }
    }
  });

  it('rotate as those of a file: published ahead, retained, destroyed when they are over', async () => {
    const [ring, other] = [await follow(), await follow()];
    const first = ring.keys.map(({ kid }) => kid);
    await ring.rotate(ORDER);
    // Another host finds them by itself.
    await expect.poll(() => other.keys.length).toBe(4);
    expect(other.keys.slice(0, 2).map(({ kid }) => kid)).toEqual(first);
    clock.forward(600);
    expect(other.keys.slice(0, 2).some(({ kid }) => first.includes(kid))).toBe(false);
    expect((await other.states()).map(({ state }) => state).toSorted()).toEqual([
      'published',
      'published',
      'signing',
      'signing',
    ]);
    clock.forward(RETAIN);
    const states = await ring.rotate(ORDER);
    expect(states.map(({ state }) => state).toSorted()).toEqual(['next', 'next', 'signing', 'signing']);
    expect(states.some(({ kid }) => first.includes(kid))).toBe(false);
  });

  it('are gone from the token when they are compromised', async () => {
    const ring = await follow();
    const old = ring.keys.map(({ kid }) => kid);
    await ring.rotate({ ...ORDER, isCompromised: true });
    expect(ring.keys.some(({ kid }) => old.includes(kid))).toBe(false);
    expect(ring.keys).toHaveLength(2);
    await jwsBy(ring, 'ES256');
  });

  it('are refused at the start with the reason', async () => {
    const problemOf = async (more: object) => {
      const error = await open(more).catch((one: unknown) => one);
      return isRefusal(error, 'ERR_CONFIG_INVALID') ? error.details.problems[0]?.message : String(error);
    };
    expect(await problemOf({ moduleFile: '/nowhere.so' })).toContain('cannot open shared object file');
    expect(await problemOf({ tokenLabel: 'other' })).toContain('no slot has a token with this label');
    expect(await problemOf({ pinFile: '/nowhere' })).toContain('ENOENT');
    await token.writePin('999999');
    expect(await problemOf({})).toContain('refused the PIN: 0xa0');
  });

  it('come back when the process of the library was killed, and are refused until then', async () => {
    const ring = await follow();
    const [pid] = await tokenProcesses();
    process.kill(pid ?? 0, 'SIGSEGV');
    await expect.poll(() => codeOf(jwsBy(ring, 'ES256'))).toBe('ERR_SIGNING_UNAVAILABLE');
    await expect.poll(() => codeOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
    await expect.poll(() => events.slice(-2)).toEqual(['signing-keys.away', 'signing-keys.back']);
  });

  it('are refused in time while the library hangs, and come back by themselves', async () => {
    const ring = await follow(400);
    const [pid] = await tokenProcesses();
    process.kill(pid ?? 0, 'SIGSTOP');
    const codes = await Promise.all(Array.from({ length: 600 }, () => codeOf(jwsBy(ring, 'ES256'))));
    expect(new Set(codes)).toEqual(new Set(['ERR_SIGNING_UNAVAILABLE']));
    await expect.poll(() => codeOf(jwsBy(ring, 'ES256'))).toBe('no refusal');
    expect(await tokenProcesses()).not.toContain(pid);
  });

  it('try a PIN once that the token refuses, until its file changes', async () => {
    const ring = await follow();
    await token.writePin('999999');
    const [pid] = await tokenProcesses();
    process.kill(pid ?? 0, 'SIGKILL');
    await expect.poll(() => ring.problem).toContain('refused the PIN');
    const away = events.filter((name) => name === 'signing-keys.away').length;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(events.filter((name) => name === 'signing-keys.away')).toHaveLength(away);
    await token.writePin('123456');
    await expect.poll(() => codeOf(jwsBy(ring, 'ES256')), { timeout: 15_000 }).toBe('no refusal');
  });

  it('leave no process behind', async () => {
    const ring = await follow();
    expect(await tokenProcesses()).toHaveLength(1);
    await ring.close();
    await expect.poll(tokenProcesses).toEqual([]);
  });

  it('may be brought by another tool, and are left out with the reason where they do not fit', async () => {
    await token.import('P-256', 'tallystick', '0a');
    await token.import('P-384', 'tallystick', '0b');
    await token.import('P-256', 'tallystick-other', '0c');
    const ring = await follow();
    expect(
      (await ring.states()).filter(({ name }) => name?.startsWith('tallystick@') === false),
    ).toMatchObject([{ name: 'tallystick', alg: 'ES256', state: 'published' }]);
    expect(fields).toContainEqual({
      problems: [{ path: 'tallystick', message: 'is on another curve than P-256' }],
    });
  });
});
