import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { type RevocationTarget, revokeInSandbox } from '../../src/sandbox/revocation/revoke.ts';
import { type RunningSandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { layFolder } from './made-folders.ts';

const free = { front: 0, mtls: 0, resource: 0, tpp: 0 };
let folder: string;
let sandbox: RunningSandbox;
let freeFolder: () => Promise<void>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-revoked-'));
  freeFolder = await layFolder(folder);
  sandbox = await startSandbox({ folder, ports: free });
}, 120_000);
afterAll(async () => {
  await sandbox.close();
  await freeFolder();
  await rm(folder, { recursive: true, force: true });
});

/** `granted`, or the code in the refusal of a token request. */
async function answerTo(name: string): Promise<string> {
  const { description } = sandbox;
  const tpp = await connectTpp({ description, tpp: tppNamed(description, name) });
  try {
    await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    return 'granted';
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError)) throw error;
    return /ERR_\w+/.exec(error.error_description ?? '')?.[0] ?? 'refused without a code';
  } finally {
    await tpp.close();
  }
}

/** The answer that is no longer `granted`, within the time in which a revocation has to show. */
async function refusalOf(name: string): Promise<string> {
  for (let tries = 0; tries < 40; tries += 1) {
    const answer = await answerTo(name);
    if (answer !== 'granted') return answer;
    await sleep(200);
  }
  return 'granted';
}

const revoke = (target: RevocationTarget, isUndone = false) =>
  revokeInSandbox(folder, { target, isUndone, at: new Date(), reason: 'cessationOfOperation' });

describe('a TPP whose certificate is revoked while the sandbox runs', () => {
  it('is refused at the token endpoint, and still after a restart; others go on (F1, F3)', async () => {
    expect(await answerTo('money-two')).toBe('granted');
    await revoke({ tpp: 'money-two' });
    expect(await refusalOf('money-two')).toBe('ERR_CERT_REVOKED');
    expect(await answerTo('money-one')).toBe('granted');
    const { revocationUrl } = sandbox.description;
    await sandbox.close();
    sandbox = await startSandbox({ folder, ports: free });
    expect(sandbox.description.revocationUrl).toBe(revocationUrl);
    expect(await answerTo('money-two')).toBe('ERR_CERT_REVOKED');
    expect(await answerTo('money-one')).toBe('granted');
  }, 30_000);

  it('is refused with every other TPP when its issuing CA is revoked (F2)', async () => {
    expect(await answerTo('money-one')).toBe('granted');
    await revoke({ authority: 'issuing-ca' });
    expect(await refusalOf('money-one')).toBe('ERR_CERT_REVOKED');
  }, 30_000);
});
