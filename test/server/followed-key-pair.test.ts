import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventFields, type Log, silentLog } from '../../src/events.ts';
import { createListener } from '../../src/mutual-tls/listeners.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';
import { FollowedKeyPair } from '../../src/server/followed-key-pair.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const folder = mkdtempSync(join(tmpdir(), 'tallystick-key-pair-'));
const files = { certificateFile: join(folder, 'server.pem'), privateKeyFile: join(folder, 'server.key') };
afterAll(() => rmSync(folder, { recursive: true }));

let root: Authority;
let first: IssuedCertificate;
let second: IssuedCertificate;
let past: IssuedCertificate;
let ec: IssuedCertificate;
beforeAll(async () => {
  root = await createAuthority({ name: 'Root', ...PERIOD });
  const issue = (change: object = {}) =>
    root.issue({
      profile: 'server',
      subject: { commonName: 'localhost' },
      keyType: 'rsa-2048',
      ...PERIOD,
      ...change,
    });
  [first, second, past, ec] = await Promise.all([
    issue(),
    issue(),
    issue({ notAfter: new Date('2026-01-01') }),
    issue({ keyType: 'ec-p256' }),
  ]);
});

const open = (change: { now?: () => Date; log?: Log; pollSeconds?: number } = {}) =>
  FollowedKeyPair.open({
    ...files,
    place: 'tls',
    clock: { now: change.now ?? (() => NOW) },
    log: change.log ?? silentLog,
    pollSeconds: change.pollSeconds ?? 0.02,
  });
const write = (certificatePem: string | Uint8Array, privateKeyPem: string | Uint8Array) => {
  writeFileSync(files.certificateFile, certificatePem);
  writeFileSync(files.privateKeyFile, privateKeyPem, { mode: 0o600 });
};
const encrypted = (pem: string, type: 'pkcs8' | 'sec1') =>
  createPrivateKey(pem)
    .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
    .toString();

describe('a certificate and its key', () => {
  it.each<[string, () => readonly [string | Uint8Array, string | Uint8Array], string, RegExp]>([
    [
      'a key of another certificate',
      () => [first.certificatePem, second.privateKeyPem],
      'privateKeyFile',
      /another certificate than CN=localhost/,
    ],
    [
      'an expired certificate',
      () => [past.certificatePem, past.privateKeyPem],
      'certificateFile',
      /expired on 2026-01-01/,
    ],
    [
      'the chain in the wrong order',
      () => [root.certificatePem + first.certificatePem, first.privateKeyPem],
      'certificateFile',
      /begin with .* number 2/,
    ],
    ['a certificate in DER', () => [first.der, first.privateKeyPem], 'certificateFile', /no PEM/],
    ['the two mixed up', () => [first.privateKeyPem, first.certificatePem], 'certificateFile', /mixed up/],
    [
      'a damaged certificate',
      () => [first.certificatePem.replace('MII', 'MIJ'), first.privateKeyPem],
      'certificateFile',
      /cannot be read, number 1/,
    ],
    [
      'an encrypted key',
      () => [first.certificatePem, encrypted(first.privateKeyPem, 'pkcs8')],
      'privateKeyFile',
      /is encrypted/,
    ],
    [
      'an encrypted key of the older form',
      () => [first.certificatePem, encrypted(ec.privateKeyPem, 'sec1')],
      'privateKeyFile',
      /is encrypted/,
    ],
    [
      'a certificate in place of the key',
      () => [first.certificatePem, first.certificatePem],
      'privateKeyFile',
      /is a certificate/,
    ],
    ['a key that is no PEM', () => [first.certificatePem, 'junk'], 'privateKeyFile', /no PEM/],
    [
      'a damaged key',
      () => [first.certificatePem, first.privateKeyPem.replace(/[A-Za-z]{8}/, '')],
      'privateKeyFile',
      /cannot be read|no PEM/,
    ],
    [
      'a key that few clients support',
      () => [
        first.certificatePem,
        generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
      ],
      'privateKeyFile',
      /RSA of at least 2048 bits, or EC/,
    ],
  ])('%s is refused at the start, with the field', async (_title, textsOf, field, message) => {
    write(...textsOf());
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path: `tls.${field}`, message: expect.stringMatching(message) }] },
    });
  });

  it('that are not there are named', async () => {
    write(first.certificatePem, first.privateKeyPem);
    rmSync(files.privateKeyFile);
    await expect(open()).rejects.toMatchObject({ details: { problems: [{ path: 'tls.privateKeyFile' }] } });
  });

  it('may have text around the blocks, and the older form of an EC key with its parameters', async () => {
    const sec1 = createPrivateKey(ec.privateKeyPem).export({ type: 'sec1', format: 'pem' });
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    write(`subject=/CN=localhost\n${ec.certificatePem}${root.certificatePem}`, `${parameters}${sec1}`);
    const pair = await open();
    const listener = createListener({
      name: 'front',
      ...pair.current,
      requestClientCertificate: false,
      log: silentLog,
    });
    const port = await listener.listen(0, '127.0.0.1');
    const socket = await handshake(port);
    expect(socket.getPeerCertificate().fingerprint256).toBe(new X509Certificate(ec.der).fingerprint256);
    socket.destroy();
    await Promise.all([listener.close(), pair.close()]);
  });

  it.each(['RSA', 'EC'])('work with TLS 1.2 and 1.3: %s (RFC 9325 §4.2)', async (type) => {
    const { certificatePem, privateKeyPem } = type === 'RSA' ? first : ec;
    write(certificatePem, privateKeyPem);
    const pair = await open();
    const listener = createListener({
      name: 'front',
      ...pair.current,
      requestClientCertificate: false,
      log: silentLog,
    });
    const port = await listener.listen(0, '127.0.0.1');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake(port, { maxVersion });
      expect(socket.getProtocol()).toBe(maxVersion);
      expect(socket.getCipher().name).toMatch(
        maxVersion === 'TLSv1.3' ? /^TLS_AES/ : new RegExp(`^ECDHE-${type === 'EC' ? 'ECDSA' : 'RSA'}-AES`),
      );
      socket.destroy();
    }
    await Promise.all([listener.close(), pair.close()]);
  });
});

function handshake(port: number, options: { maxVersion?: 'TLSv1.2' | 'TLSv1.3' } = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: root.certificatePem,
      ...options,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

describe('a certificate and its key that are renewed', () => {
  it('are used by new connections without one failed request, also when written one after the other (C17)', async () => {
    write(first.certificatePem, first.privateKeyPem);
    const events: [string, EventFields | undefined][] = [];
    const pair = await open({
      log: { emit: (name, fields?: EventFields) => void events.push([name, fields]) },
    });
    const listener = createListener({
      name: 'front',
      ...pair.current,
      requestClientCertificate: false,
      log: silentLog,
    });
    pair.follow((one) => listener.replaceCertificate(one));
    const port = await listener.listen(0, '127.0.0.1');
    listener.serve(new URL(`https://localhost:${port}`), (_request, response) => void response.end('ok'));
    const kept = await handshake(port);
    const served = new Set<string>();
    let isOver = false;
    const load = (async () => {
      while (!isOver) served.add(await servedBy(port));
    })();

    const names = () => events.map(([name]) => name);
    writeFileSync(files.certificateFile, second.certificatePem);
    await expect.poll(names).toContain('key-pair.refused');
    expect(pair.current.certificatePem).toBe(first.certificatePem);
    expect(pair.health()).toEqual({
      name: 'certificate',
      notice: expect.stringContaining('newer files are bad'),
    });
    writeFileSync(files.privateKeyFile, second.privateKeyPem);
    await expect.poll(() => served.has(serialOf(second)), { timeout: 5000 }).toBe(true);
    expect(pair.health()).toEqual({ name: 'certificate' });

    write(past.certificatePem, past.privateKeyPem);
    await expect.poll(() => pair.isOutdated).toBe(true);
    expect(await servedBy(port)).toBe(serialOf(second));
    isOver = true;
    await load;
    expect(served).toEqual(new Set([serialOf(first), serialOf(second)]));
    expect(kept.readyState).toBe('open');
    kept.destroy();
    await Promise.all([listener.close(), pair.close()]);
  });

  it.skipIf(process.platform === 'win32')(
    'are refused while every user of the machine may read the key, as at the next start',
    async () => {
      write(first.certificatePem, first.privateKeyPem);
      const events: [string, EventFields | undefined][] = [];
      const pair = await open({
        log: { emit: (name, fields?: EventFields) => void events.push([name, fields]) },
      });
      const refusals = () => events.filter(([name]) => name === 'key-pair.refused');
      rmSync(files.privateKeyFile);
      writeFileSync(files.certificateFile, second.certificatePem);
      writeFileSync(files.privateKeyFile, second.privateKeyPem, { mode: 0o644 });
      await expect.poll(() => pair.isOutdated).toBe(true);
      await expect
        .poll(() => refusals().at(-1)?.[1]?.problems)
        .toEqual([
          { path: 'tls.privateKeyFile', message: expect.stringContaining('(mode 0644): run chmod 600') },
        ]);
      expect(pair.current.certificatePem).toBe(first.certificatePem);
      const count = refusals().length;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(refusals()).toHaveLength(count);
      chmodSync(files.privateKeyFile, 0o600);
      await expect.poll(() => pair.current.certificatePem).toBe(second.certificatePem);
      expect(pair.isOutdated).toBe(false);
      await pair.close();
    },
  );

  it('have warnings before the certificate expires', async () => {
    write(first.certificatePem, first.privateKeyPem);
    const events: [string, EventFields | undefined][] = [];
    const log: Log = { emit: (name, fields?: EventFields) => void events.push([name, fields]) };
    let now = new Date('2048-12-25');
    const pair = await open({ now: () => now, log });
    await expect.poll(() => events.map(([name]) => name)).toContain('key-pair.expiring');
    expect(pair.secondsLeft).toBe(7 * 86_400);
    expect(pair.health()).toEqual({ name: 'certificate', notice: 'expires in less than two weeks' });
    now = new Date('2049-01-02');
    expect(pair.secondsLeft).toBeLessThan(0);
    expect(pair.health()).toEqual({ name: 'certificate', problem: 'has expired' });
    await pair.close();
  });
});

const serialOf = ({ der }: IssuedCertificate) => new X509Certificate(der).serialNumber;

/** The serial number of the certificate behind an answer on a new connection. */
function servedBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    request(
      {
        port,
        host: '127.0.0.1',
        servername: 'localhost',
        headers: { host: `localhost:${port}` },
        ca: root.certificatePem,
        agent: false,
      },
      (response) => {
        const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
        response.resume();
        if (response.statusCode === 200) resolve(serialNumber);
        else reject(new Error(`status ${response.statusCode}`));
      },
    )
      .once('error', reject)
      .end();
  });
}
