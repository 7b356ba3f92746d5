import { createHash, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import type { TestSandbox } from '../running-sandbox.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const isChromiumMissing = !existsSync(CHROMIUM);
if (isChromiumMissing && process.env.CI !== undefined) throw new Error('CI must have chromium');
/** For the title of tests that need the browser. */
export const chromiumNote = isChromiumMissing ? ' [skipped: there is no chromium on this machine]' : '';

/** A browser that trusts the server key of the sandbox, under every name. */
export async function launchChromium(
  sandbox?: Pick<TestSandbox, 'folder'>,
  { hosts = {} }: { readonly hosts?: Readonly<Record<string, number>> } = {},
): Promise<Browser> {
  const rules = Object.entries(hosts).map(([host, port]) => `MAP ${host} 127.0.0.1:${port}`);
  const pins = sandbox === undefined ? [] : [await keyPinOf(sandbox)];
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      `--host-resolver-rules=${rules.join(',')}`,
      ...pins.map((pin) => `--ignore-certificate-errors-spki-list=${pin}`),
    ],
  });
}

async function keyPinOf({ folder }: Pick<TestSandbox, 'folder'>): Promise<string> {
  const pem = await readFile(pathsOf(folder).server.certificateFile, 'utf8');
  const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

/** Sites of a TPP, each a server of its own, for `launchChromium`. */
export async function openSites(
  sandbox: Pick<TestSandbox, 'folder'>,
  sites: Readonly<Record<string, RequestListener>>,
) {
  const { certificateFile, keyFile } = pathsOf(sandbox.folder).server;
  const [cert, key] = await Promise.all([certificateFile, keyFile].map((file) => readFile(file)));
  const opened = await Promise.all(
    Object.entries(sites).map(async ([host, answer]) => {
      const server = createServer({ cert, key }, answer);
      await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
      return { host, server, port: (server.address() as AddressInfo).port };
    }),
  );
  return {
    hosts: Object.fromEntries(opened.map(({ host, port }) => [host, port])),
    close: () => {
      for (const { server } of opened) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}
