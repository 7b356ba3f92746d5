import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import {
  chromiumNote,
  isChromiumMissing,
  launchChromium,
} from '../authorization-server/customer/chromium.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

const FREE = { front: 0, mtls: 0, resource: 0, tpp: 0 };

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

describe.skipIf(isChromiumMissing)(`the page of the demo TPP, in a real browser${chromiumNote}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium(sandbox);
  });
  afterAll(() => browser?.close());

  it('connects the bank of a customer, shows the accounts that he chose, and disconnects', async () => {
    const page = await browser.newPage();
    const [customer] = sandbox.description.customers;
    await page.goto(sandbox.description.tppUrl);
    await page.getByRole('button', { name: 'Connect my bank' }).click();
    await page.getByLabel('Customer name').fill(customer?.username ?? '');
    await page.getByLabel('Password').fill(customer?.password ?? '');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Current account').check();
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.getByText('1830.25 GBP').waitFor();
    expect(page.url()).toBe(`${sandbox.description.tppUrl}/`);
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.getByText('no longer connected').waitFor();
    await page.goto(sandbox.description.tppUrl);
    expect(await page.getByRole('button', { name: 'Connect my bank' }).count()).toBe(1);
    await page.close();
  }, 60_000);
});

describe('the files of a TPP of the sandbox', () => {
  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

  it.skipIf(!hasOpenssl)(
    'hold certificate and key as PKCS #12 too, as another program reads it',
    async () => {
      const tpp = tppNamed(sandbox.description, 'money-one');
      const { pkcs12Passphrase: passphrase } = sandbox.description;
      const open = (word: string) =>
        spawnSync('openssl', ['pkcs12', '-in', tpp.pkcs12File, '-passin', `pass:${word}`, '-nodes'], {
          encoding: 'utf8',
        });
      const { stdout } = open(passphrase);
      expect(new X509Certificate(stdout).raw).toEqual(
        new X509Certificate(await readFile(tpp.certificateFile)).raw,
      );
      expect(stdout).toContain('BEGIN PRIVATE KEY');
      expect(open('wrong').status).not.toBe(0);
      const key = execFileSync('openssl', ['pkey', '-in', tpp.signingKeyPemFile, '-noout', '-text']);
      expect(String(key)).toContain('P-256');
    },
  );
});

describe('a sandbox for other machines', () => {
  it('has the name of its host in its certificate and every URL, and keeps it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-host-'));
    const named = await startSandbox({ folder, ports: FREE, host: 'sandbox.example' });
    const { issuer, mtlsUrl, resourceUrl, tppUrl } = named.description;
    await named.close();
    for (const url of [issuer, mtlsUrl, resourceUrl, tppUrl]) {
      expect(new URL(url).hostname).toBe('sandbox.example');
    }
    const certificate = new X509Certificate(await readFile(pathsOf(folder).server.certificateFile));
    expect(certificate.checkHost('sandbox.example')).toBe('sandbox.example');
    const other = await startSandbox({ folder, host: 'other.example' }).catch((error: unknown) => error);
    expect(isRefusal(other, 'ERR_CONFIG_INVALID')).toBe(true);
    const again = await startSandbox({ folder });
    expect(again.description.issuer).toBe(issuer);
    await again.close();
    await rm(folder, { recursive: true });
  }, 60_000);
});
