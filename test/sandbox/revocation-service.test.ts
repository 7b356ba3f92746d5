import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { makeFolder, pathsOf } from '../../src/sandbox/folder.ts';
import { choosePorts } from '../../src/sandbox/ports.ts';
import { loadCertificate } from '../../src/sandbox/revocation/published-authority.ts';
import {
  openRevocationService,
  type RevocationService,
} from '../../src/sandbox/revocation/revocation-service.ts';
import { revokeInSandbox } from '../../src/sandbox/revocation/revoke.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const skipped = hasOpenssl ? '' : ' [skipped: no openssl]';
const run = promisify(execFile);
const log = createLog({ level: 'error' });
const free = { front: 0, mtls: 0, resource: 0, tpp: 0, revocation: 0 };
let folder: string;
let service: RevocationService;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-revocation-'));
  const ports = await choosePorts(free, undefined);
  url = `http://127.0.0.1:${ports.revocation}`;
  await makeFolder(folder, { ports, now: new Date() });
  service = await openRevocationService(folder, { port: ports.revocation, log });
}, 120_000);
afterAll(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

/** What the openssl command says about certificates of the folder. */
async function openssl(...args: string[]): Promise<string> {
  const done = await run('openssl', args, { cwd: folder }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${done.stdout}${done.stderr}`;
}

const ask = (issuer: string, certificate: string, ...args: string[]) =>
  openssl(
    'ocsp',
    ...args,
    '-issuer',
    `pki/${issuer}.pem`,
    '-cert',
    certificate,
    '-url',
    `${url}/ocsp`,
    '-CAfile',
    'pki/root.pem',
  );

/** `openssl verify` with the CRLs of root and issuing CA, fetched now. */
async function verifyByCrl(certificate: string): Promise<string> {
  const crls = await Promise.all(
    ['root', 'issuing-ca', 'revoked-ca'].map(async (name) => {
      const der = Buffer.from(await (await fetch(`${url}/${name}.crl`)).arrayBuffer());
      return `-----BEGIN X509 CRL-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END X509 CRL-----\n`;
    }),
  );
  await writeFile(join(folder, 'crls.pem'), crls.join(''));
  return openssl(
    'verify',
    '-crl_check_all',
    '-CRLfile',
    'crls.pem',
    '-CAfile',
    'pki/root.pem',
    '-untrusted',
    'pki/intermediates.pem',
    certificate,
  );
}

describe.skipIf(!hasOpenssl)(`the revocation service, as the openssl command sees it${skipped}`, () => {
  it('answers OCSP of SHA-1 and SHA-256 CertIDs by a delegated responder, with the nonce (RFC 6960 §4.2.2.2)', async () => {
    for (const hash of ['-sha1', '-sha256']) {
      const good = await ask('issuing-ca', 'tpps/money-one/qwac.pem', hash);
      expect(good).toContain('Response verify OK');
      expect(good).toContain('qwac.pem: good');
      expect(good).not.toContain('no nonce in response');
      const bad = await ask('issuing-ca', 'broken/revoked-by-ocsp/qwac.pem', hash);
      expect(bad).toContain('Response verify OK');
      expect(bad).toMatch(/: revoked[\s\S]*keyCompromise/);
    }
    expect(await ask('root', 'pki/issuing-ca.pem')).toContain('issuing-ca.pem: good');
    expect(await ask('root', 'pki/revoked-ca.pem')).toContain('revoked-ca.pem: revoked');
  });

  it('signs with a responder of id-kp-OCSPSigning and nocheck that the issuing CA made (RFC 6960 §4.2.2.2.1)', async () => {
    const text = await openssl('x509', '-in', 'pki/issuing-ca-ocsp.pem', '-noout', '-text');
    expect(text).toContain('OCSP Signing');
    expect(text).toContain('OCSP No Check');
    expect(text).toContain('CN = Tallystick Sandbox Issuing CA');
  });

  it('calls a serial number unknown that it has not given, and says nothing of other authorities', async () => {
    const unknown = await openssl(
      'ocsp',
      '-issuer',
      'pki/issuing-ca.pem',
      '-serial',
      '0x1234',
      '-url',
      `${url}/ocsp`,
      '-CAfile',
      'pki/root.pem',
    );
    expect(unknown).toContain('0x1234: unknown');
    expect(await ask('server', 'tpps/money-one/qwac.pem')).toContain('unauthorized');
  });

  it('publishes CRLs that verify, with numbers that grow (RFC 5280 §5.2.3)', async () => {
    const numbers: bigint[] = [];
    for (let time = 0; time < 2; time += 1) {
      await writeFile(
        join(folder, 'i.crl'),
        Buffer.from(await (await fetch(`${url}/issuing-ca.crl`)).arrayBuffer()),
      );
      const text = await openssl(
        'crl',
        '-inform',
        'DER',
        '-in',
        'i.crl',
        '-noout',
        '-text',
        '-crlnumber',
        '-CAfile',
        'pki/intermediates.pem',
      );
      expect(text).toContain('verify OK');
      numbers.push(BigInt(/crlNumber=(0x[0-9A-F]+)/.exec(text)?.[1] ?? 0));
    }
    expect((numbers[1] ?? 0n) > (numbers[0] ?? 0n)).toBe(true);
    expect(await verifyByCrl('tpps/money-one/qwac.pem')).toContain('qwac.pem: OK');
    expect(await verifyByCrl('broken/revoked-by-crl/qwac.pem')).toContain('certificate revoked');
    expect(await verifyByCrl('broken/revoked-intermediate/qwac.pem')).toMatch(/error 23 at 1 depth/);
  });

  it('says at once what `tallystick sandbox revoke` in another process has written, and after a restart', async () => {
    const certificate = 'tpps/money-two/qwac.pem';
    expect(await ask('issuing-ca', certificate)).toContain('qwac.pem: good');
    const revoke = (...flags: string[]) =>
      run(process.execPath, [MAIN, 'sandbox', 'revoke', '--dir', folder, ...flags]);
    await revoke('--tpp', 'money-two', '--reason', 'cessationOfOperation');
    expect(await ask('issuing-ca', certificate)).toMatch(/: revoked[\s\S]*cessationOfOperation/);
    expect(await verifyByCrl(certificate)).toContain('certificate revoked');
    const port = Number(new URL(url).port);
    await service.close();
    service = await openRevocationService(folder, { port, log });
    expect(await ask('issuing-ca', certificate)).toContain('qwac.pem: revoked');
    await revoke('--tpp', 'money-two', '--undo');
    expect(await ask('issuing-ca', certificate)).toContain('qwac.pem: good');
    expect(await verifyByCrl(certificate)).toContain('qwac.pem: OK');
  });

  it('revokes by serial number, and the issuing CA with everything below it', async () => {
    const { serialNumber } = await loadCertificate(pathsOf(folder).tpp('pay-by-bank', 'qwac.pem'));
    const revoke = (target: Parameters<typeof revokeInSandbox>[1]['target'], isUndone = false) =>
      revokeInSandbox(folder, { target, isUndone, at: new Date(), reason: 'unspecified' });
    await revoke({ serialNumber: serialNumber.toUpperCase() });
    expect(await ask('issuing-ca', 'tpps/pay-by-bank/qwac.pem')).toContain(': revoked');
    expect(await ask('issuing-ca', 'tpps/pay-by-bank/renewed.pem')).toContain(': good');
    await revoke({ authority: 'issuing-ca' });
    expect(await ask('root', 'pki/issuing-ca.pem')).toContain(': revoked');
    expect(await verifyByCrl('tpps/money-one/qwac.pem')).toMatch(/error 23 at 1 depth/);
    await revoke({ authority: 'issuing-ca' }, true);
    expect(await verifyByCrl('tpps/money-one/qwac.pem')).toContain('OK');
  });
});

describe('the revocation service', () => {
  it('answers OCSP by GET, and calls a broken request malformed (RFC 6960 appendix A.1)', async () => {
    const broken = await fetch(`${url}/ocsp/MAA%3D`);
    expect([broken.status, broken.headers.get('content-type')]).toEqual([200, 'application/ocsp-response']);
    expect(Buffer.from(await broken.arrayBuffer()).toString('hex')).toBe('30030a0101');
    if (!hasOpenssl) return;
    await openssl(
      'ocsp',
      '-issuer',
      'pki/issuing-ca.pem',
      '-cert',
      'tpps/money-one/qwac.pem',
      '-reqout',
      'request.der',
    );
    const request = await readFile(join(folder, 'request.der'));
    const answer = await fetch(`${url}/ocsp/${encodeURIComponent(request.toString('base64'))}`);
    await writeFile(join(folder, 'answer.der'), Buffer.from(await answer.arrayBuffer()));
    expect(
      await openssl(
        'ocsp',
        '-respin',
        'answer.der',
        '-reqin',
        'request.der',
        '-issuer',
        'pki/issuing-ca.pem',
        '-CAfile',
        'pki/root.pem',
      ),
    ).toContain('Response verify OK');
  });

  it('publishes the certificates of its authorities, and refuses what it does not serve', async () => {
    const der = Buffer.from(await (await fetch(`${url}/issuing-ca.cer`)).arrayBuffer());
    expect(der).toEqual((await loadCertificate(pathsOf(folder).issuingCa)).der);
    const statuses = await Promise.all(
      [
        fetch(`${url}/nothing.crl`),
        fetch(`${url}/ocsp`, { method: 'PUT' }),
        fetch(`${url}/root.crl`, { method: 'POST' }),
        fetch(`${url}/ocsp`, { method: 'POST', body: Buffer.alloc(10_000) }),
      ].map(async (response) => (await response).status),
    );
    expect(statuses).toEqual([404, 405, 405, 413]);
  });

  it('keeps the port that its certificates name, and refuses another', async () => {
    const last = await choosePorts(free, undefined);
    expect((await choosePorts(free, last)).revocation).toBe(last.revocation);
    await expect(choosePorts({ ...free, revocation: last.revocation + 1 }, last)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    const port = Number(new URL(url).port);
    await expect(openRevocationService(folder, { port, log })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });
});
