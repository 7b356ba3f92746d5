import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  rotateSigningKeys,
  signingKeyStates,
} from '../../../src/authorization-server/signing/signing-key-rotation.ts';
import { parseKeys, presentKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import { openSigningKeys } from '../../../src/authorization-server/signing/signing-keys.ts';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { TestClock } from '../../storage/store-contract.ts';

const RETAIN = 900;
let folder: string;
let file: string;
let clock: TestClock;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-keys-'));
  file = join(folder, 'keys.json');
  clock = new TestClock();
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openSigningKeys({ file, clock, log: silentLog, retainSeconds: RETAIN, pollSeconds: 0.02 });
const signers = (keys: readonly { readonly alg?: string; readonly kid?: string }[]) =>
  ['ES256', 'PS256'].map((alg) => keys.find((key) => key.alg === alg)?.kid);
const rotate = (more: object = {}) =>
  rotateSigningKeys({ file, clock, delaySeconds: 600, retainSeconds: RETAIN, ...more });
const states = async () =>
  (await signingKeyStates({ file, clock, retainSeconds: RETAIN })).map(({ state }) => state);

describe('signing keys', () => {
  it('are the same for all who make them at once (H18)', async () => {
    const rings = await Promise.all([open(), open(), open()]);
    const kids = rings.map((ring) => ring.keys.map(({ kid }) => kid).join());
    expect(new Set(kids).size).toBe(1);
    await Promise.all(rings.map((ring) => ring.close()));
  });

  it('are published before they sign, and stay published while what they signed lives (H18)', async () => {
    const ring = await open();
    const [first] = [ring.keys];
    await rotate();
    await expect.poll(() => ring.keys.length).toBe(4);
    expect(signers(ring.keys)).toEqual(signers(first));
    clock.forward(599);
    expect(signers(ring.keys)).toEqual(signers(first));
    clock.forward(1);
    const second = ring.keys;
    expect(second).toHaveLength(4);
    expect(signers(second)).not.toEqual(signers(first));
    expect(await states()).toEqual(['published', 'published', 'signing', 'signing']);
    clock.forward(RETAIN - 1);
    expect(ring.keys).toHaveLength(4);
    clock.forward(1);
    expect(signers(ring.keys)).toEqual(signers(second));
    expect(ring.keys).toHaveLength(2);
    expect(await states()).toEqual(['over', 'over', 'signing', 'signing']);
    await ring.close();
  });

  it('leave the file when they are over, at the next rotation', async () => {
    await (await open()).close();
    await rotate();
    clock.forward(600 + RETAIN);
    expect((await rotate()).map(({ state }) => state)).toEqual(['signing', 'signing', 'next', 'next']);
    expect(JSON.parse(await readFile(file, 'utf8')).keys).toHaveLength(4);
  });

  it('are gone at once when they are compromised', async () => {
    const ring = await open();
    const old = ring.keys.map(({ kid }) => kid);
    await rotate({ isCompromised: true });
    await expect.poll(() => ring.keys.some(({ kid }) => old.includes(kid))).toBe(false);
    expect(ring.keys).toHaveLength(2);
    await ring.close();
  });

  it('reach their followers at the change of the file and when their time comes', async () => {
    clock = new TestClock();
    const now = systemClock;
    const ring = await openSigningKeys({
      file,
      clock: now,
      log: silentLog,
      retainSeconds: RETAIN,
      pollSeconds: 0.02,
    });
    const told: (string | undefined)[] = [];
    ring.follow((keys) => void told.push(signers(keys)[0]));
    expect(told).toHaveLength(1);
    await rotateSigningKeys({ file, clock: now, delaySeconds: 1, retainSeconds: RETAIN });
    await expect.poll(() => new Set(told).size, { timeout: 5000 }).toBe(2);
    await ring.close();
  });

  it.skipIf(process.platform === 'win32')(
    'stay as they are while every user of the machine may read the file',
    async () => {
      const ring = await open();
      const kids = () => ring.keys.map(({ kid }) => kid).join();
      const before = kids();
      await rotate();
      await chmod(file, 0o644);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(kids()).toBe(before);
      await chmod(file, 0o600);
      await expect.poll(kids).not.toBe(before);
      await ring.close();
    },
  );

  it('never hold a member of ours in what is published or signs', async () => {
    await (await open()).close();
    await rotate();
    const kept = parseKeys(await readFile(file, 'utf8'), { source: file, now: clock.now().getTime() / 1000 });
    expect(kept.some((key) => key.use_from !== undefined)).toBe(true);
    expect(presentKeys(kept, clock.now().getTime() / 1000, RETAIN).every((key) => !('use_from' in key))).toBe(
      true,
    );
  });

  it.each([
    ['is not JSON', '{'],
    ['holds no key', '{"keys":[]}'],
    ['holds a public key', '{"keys":[{"kty":"EC","alg":"ES256","kid":"a"}]}'],
    ['has a kid twice', '{"keys":[{"alg":"ES256","kid":"a","d":"x"},{"alg":"PS256","kid":"a","d":"x"}]}'],
    ['has no key in use', '{"keys":[{"alg":"ES256","kid":"a","d":"x","use_from":99999999999}]}'],
    [
      'holds a malformed key',
      '{"keys":[{"kty":"EC","crv":"P-256","x":"x","y":"y","alg":"ES256","kid":"a","d":"x"}]}',
    ],
    ['has a time in words', '{"keys":[{"alg":"ES256","kid":"a","d":"x","use_from":"now"}]}'],
  ])('are refused when the file %s', async (_what, content) => {
    await writeFile(file, content, { mode: 0o600 });
    expect(isRefusal(await open().catch((error: unknown) => error), 'ERR_CONFIG_INVALID')).toBe(true);
  });
});
