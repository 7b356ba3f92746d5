import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EventFields } from '../../../src/events.ts';
import { createListener, type Listener } from '../../../src/mutual-tls/listeners.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { answerOcsp } from '../../../src/sandbox/revocation/ocsp-responder.ts';
import { ListenerCertificates } from '../../../src/server/own-certificate/listener-certificates.ts';
import { type OpenedStaple, openStaple } from '../../../src/server/own-certificate/opened-staple.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const folder = mkdtempSync(join(tmpdir(), 'tallystick-two-certificates-'));
const filesOf = (name: string) => ({
  certificateFile: join(folder, `${name}.pem`),
  privateKeyFile: join(folder, `${name}.key`),
});

let root: Authority;
let responder: IssuedCertificate;
let rsa: IssuedCertificate;
let rsaAgain: IssuedCertificate;
let ec: IssuedCertificate;
let ecAgain: IssuedCertificate;
let ecEnding: IssuedCertificate;
let now: Date;
let events: [string, EventFields | undefined][];
let opened: ListenerCertificates;
let staple: OpenedStaple | undefined;
let listener: Listener;

const ocsp = createServer(async (request, response) => {
  const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
  const authority = {
    name: 'root',
    certificate: parseCertificate(root.der),
    key: createPrivateKey(root.privateKeyPem),
    responder: {
      certificate: parseCertificate(responder.der),
      key: createPrivateKey(responder.privateKeyPem),
    },
    issued: [rsa, ec].map(({ der }) => parseCertificate(der).serialNumber),
  };
  const times = { thisUpdate: now, nextUpdate: new Date(now.getTime() + 3600_000) };
  response.end(answerOcsp(body, { authorities: [authority], revoked: [], ...times }));
});
const ocspHost = () => `127.0.0.1:${(ocsp.address() as AddressInfo).port}`;

beforeAll(async () => {
  await new Promise<void>((resolve) => ocsp.listen(0, '127.0.0.1', resolve));
  root = await createAuthority({ name: 'Root', ...PERIOD, publishes: { ocspUrl: `http://${ocspHost()}` } });
  const issue = (change: object = {}) =>
    root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD, ...change });
  [responder, rsa, rsaAgain, ec, ecAgain, ecEnding] = await Promise.all([
    root.issue({ profile: 'ocsp-responder', subject: { commonName: 'responder' }, ...PERIOD }),
    issue({ keyType: 'rsa-2048' }),
    issue({ keyType: 'rsa-2048' }),
    issue(),
    issue(),
    issue({ notAfter: new Date('2026-12-01') }),
  ]);
});
afterAll(() => {
  ocsp.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  now = NOW;
  events = [];
  write('first', rsa);
  write('second', ec);
});
afterEach(async () => {
  await Promise.all([listener?.close(0), staple?.close(), opened?.close()]);
});

function write(name: string, { certificatePem, privateKeyPem }: IssuedCertificate): void {
  const { certificateFile, privateKeyFile } = filesOf(name);
  writeFileSync(certificateFile, certificatePem + root.certificatePem);
  writeFileSync(privateKeyFile, privateKeyPem, { mode: 0o600 });
}

const parts = () => ({
  clock: { now: () => now },
  log: { emit: (name: string, fields?: EventFields) => void events.push([name, fields]) },
});
const open = () =>
  ListenerCertificates.open({
    ...filesOf('first'),
    second: filesOf('second'),
    place: 'tls',
    pollSeconds: 0.02,
    ...parts(),
  });

async function listen(): Promise<number> {
  opened = await open();
  staple = openStaple(
    {
      tls: { ...filesOf('first'), ocspStapling: true },
      revocation: {
        privateHosts: [ocspHost()],
        ocspTimeoutSeconds: 2,
        crlTimeoutSeconds: 2,
        maxCrlBytes: 1000,
        coolDownSeconds: 0,
      },
      outbound: {},
    } as unknown as Parameters<typeof openStaple>[0],
    opened,
    parts(),
  );
  listener = createListener({
    name: 'front',
    ...opened.current,
    requestClientCertificate: false,
    log: { emit: () => undefined },
    staple: staple?.show,
  });
  opened.follow((pair) => listener.replaceCertificate(pair));
  return listener.listen(0, '127.0.0.1');
}

interface Greeted {
  readonly shown: string | undefined;
  /** The serial number in the OCSP answer. */
  readonly stapled: string | undefined;
}

/** A whole handshake; `options` say what the client offers. */
function greet(port: number, options: ConnectionOptions = {}): Promise<Greeted> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: root.certificatePem,
      requestOCSP: true,
      ...options,
    });
    let answer: Buffer | null = null;
    socket.once('OCSPResponse', (bytes: Buffer | null) => {
      answer = bytes;
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve({ shown: hex(socket.getPeerX509Certificate()?.serialNumber), stapled: answeredSerial(answer) });
      socket.destroy();
    });
  });
}
function answeredSerial(bytes: Buffer | null): string | undefined {
  const response = bytes === null ? undefined : parseOcspResponse(bytes);
  const basic = response?.responseStatus === 'successful' ? response.basic : undefined;
  return hex(basic?.responses[0]?.certId.serialNumber);
}

const hex = (serial: string | undefined) => serial?.toLowerCase().replace(/^0+/, '');
const serialOf = ({ der }: IssuedCertificate) => hex(parseCertificate(der).serialNumber);

const TLS_1_2 = { maxVersion: 'TLSv1.2' } as const;
/** What a client offers, and which certificate it gets and which OCSP answer. */
const OFFERS: readonly [string, ConnectionOptions, 'rsa' | 'ec', 'rsa' | 'ec' | undefined][] = [
  ['everything, with TLS 1.3', {}, 'ec', 'ec'],
  ['ECDSA alone, with TLS 1.3', { sigalgs: 'ECDSA+SHA256' }, 'ec', 'ec'],
  [
    'ECDSA on another curve beside RSA, with TLS 1.3',
    { sigalgs: 'ECDSA+SHA384:RSA-PSS+SHA256' },
    'rsa',
    'rsa',
  ],
  ['RSA alone, with TLS 1.3', { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' }, 'rsa', 'rsa'],
  ['everything, with TLS 1.2', TLS_1_2, 'ec', undefined],
  [
    'suites of EC keys, with TLS 1.2',
    { ...TLS_1_2, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    'ec',
    undefined,
  ],
  [
    'suites of RSA keys, with TLS 1.2',
    { ...TLS_1_2, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    'rsa',
    undefined,
  ],
  ['signatures by RSA alone, with TLS 1.2', { ...TLS_1_2, sigalgs: 'RSA+SHA256' }, 'rsa', 'rsa'],
  ['no server name', { servername: '', checkServerIdentity: () => undefined }, 'ec', undefined],
];

describe('a listener with an RSA and an EC certificate (RFC 9325 §4.2)', () => {
  it.each(['rsa first', 'ec first'])(
    'serves each client with the one that it can verify: %s',
    async (order) => {
      if (order === 'ec first') {
        write('first', ec);
        write('second', rsa);
      }
      const port = await listen();
      const serials = { rsa: serialOf(rsa), ec: serialOf(ec) };
      await expect.poll(async () => (await greet(port)).stapled).toBe(serials.ec);
      await expect
        .poll(async () => (await greet(port, { sigalgs: 'RSA-PSS+SHA256:ECDSA+SHA384:RSA+SHA256' })).stapled)
        .toBe(serials.rsa);
      for (const [offer, options, shown, stapled] of OFFERS) {
        const found = await greet(port, options);
        expect([offer, found.shown, found.stapled]).toEqual([
          offer,
          serials[shown],
          stapled === undefined ? undefined : serials[stapled],
        ]);
      }
    },
  );

  it('takes a renewed one into use, and keeps the other', async () => {
    const port = await listen();
    const shown = async () => [
      (await greet(port)).shown,
      (await greet(port, { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384' })).shown,
    ];
    expect(await shown()).toEqual([serialOf(ec), serialOf(rsa)]);
    write('second', ecAgain);
    await expect.poll(shown).toEqual([serialOf(ecAgain), serialOf(rsa)]);
    write('first', rsaAgain);
    await expect.poll(shown).toEqual([serialOf(ecAgain), serialOf(rsaAgain)]);
    // A key of the type that the other has is refused: clients of one type would be without a certificate.
    write('first', ec);
    await expect.poll(() => events.map(([name]) => name)).toContain('key-pair.refused');
    expect(await shown()).toEqual([serialOf(ecAgain), serialOf(rsaAgain)]);
    expect(opened.health().notice).toContain('newer files are bad');
  });

  it('refuses two keys of one type, and a fault of the second, with the field', async () => {
    write('second', rsaAgain);
    const refused = (message: RegExp) => ({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path: 'tls.second.privateKeyFile', message: expect.stringMatching(message) }] },
    });
    await expect(open()).rejects.toMatchObject(refused(/is RSA, as the key of the other certificate is/));
    rmSync(filesOf('second').privateKeyFile);
    await expect(open()).rejects.toMatchObject(refused(/cannot be read/));
  });

  it('reports the end of the second as well, and is out of order after it', async () => {
    write('second', ecEnding);
    opened = await open();
    await expect.poll(() => events.map(([name]) => name)).toContain('key-pair.expiring');
    const reported = events
      .filter(([name]) => name === 'key-pair.expiring')
      .map(([, fields]) => fields?.file);
    expect(reported).toEqual([filesOf('second').certificateFile]);
    expect(opened.health().notice).toBe('expires in less than two weeks');
    now = new Date('2026-12-02');
    expect(opened.secondsLeft).toBeLessThan(0);
    expect(opened.health().problem).toBe('has expired');
  });
});
