import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventFields } from '../../../src/events.ts';
import { createListener, type Listener } from '../../../src/mutual-tls/listeners.ts';
import { parseKeyPair } from '../../../src/mutual-tls/key-pair.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { answerOcsp } from '../../../src/sandbox/revocation/ocsp-responder.ts';
import { OcspStaple } from '../../../src/server/own-certificate/ocsp-staple.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';

const START = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const HOUR = 3600_000;
const folder = mkdtempSync(join(tmpdir(), 'tallystick-staple-'));

/** A responder that answers, fails, or speaks of other days. */
let answers: { isDown: boolean; isRevoked: boolean; isForged: boolean };
let asked = 0;
let now: number;
let authority: Authority;
let stranger: Authority;
let server: IssuedCertificate;
let responders: { readonly own: IssuedCertificate; readonly foreign: IssuedCertificate };
let events: [string, EventFields | undefined][];
let staple: OcspStaple;
let listener: Listener;

const responder = createServer(async (request, response) => {
  asked += 1;
  const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
  if (answers.isDown) response.writeHead(503).end();
  else response.end(answer(body));
});

function answer(request: Buffer): Buffer {
  const issuer = parseCertificate(authority.der);
  const by = answers.isForged ? responders.foreign : responders.own;
  const { serialNumber } = parseCertificate(server.der);
  return answerOcsp(request, {
    authorities: [
      {
        name: 'root',
        certificate: issuer,
        key: createPrivateKey(authority.privateKeyPem),
        responder: { certificate: parseCertificate(by.der), key: createPrivateKey(by.privateKeyPem) },
        issued: [serialNumber],
      },
    ],
    revoked: answers.isRevoked
      ? [{ authority: 'root', serialNumber, at: PERIOD.notBefore, reason: 'keyCompromise' }]
      : [],
    thisUpdate: new Date(now),
    nextUpdate: new Date(now + 8 * HOUR),
  });
}

beforeAll(async () => {
  await new Promise<void>((resolve) => responder.listen(0, '127.0.0.1', resolve));
  const ocspUrl = `http://127.0.0.1:${(responder.address() as AddressInfo).port}/ocsp`;
  [authority, stranger] = await Promise.all([
    createAuthority({ name: 'Root', ...PERIOD, publishes: { ocspUrl } }),
    createAuthority({ name: 'Root', ...PERIOD }),
  ]);
  const issue = { profile: 'ocsp-responder', subject: { commonName: 'responder' }, ...PERIOD } as const;
  const [own, foreign] = await Promise.all([authority.issue(issue), stranger.issue(issue)]);
  responders = { own, foreign };
  server = await authority.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
});
afterAll(() => {
  responder.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  answers = { isDown: false, isRevoked: false, isForged: false };
  now = START.getTime();
  asked = 0;
  events = [];
});
afterEach(async () => {
  await Promise.all([staple.close(), listener.close(0)]);
});

async function open(kept?: string): Promise<number> {
  const { host } = new URL(`http://127.0.0.1:${(responder.address() as AddressInfo).port}`);
  staple = new OcspStaple({
    certificateFile: 'server.pem',
    clock: { now: () => new Date(now) },
    log: { emit: (name, fields?: EventFields) => void events.push([name, fields]) },
    folder: kept,
    privateHosts: [host],
    ocspTimeoutSeconds: 2,
    crlTimeoutSeconds: 2,
    maxCrlBytes: 1000,
    coolDownSeconds: 0,
  });
  const pair = parseKeyPair(server.certificatePem + authority.certificatePem, server.privateKeyPem, {
    certificateFile: 'server.pem',
    privateKeyFile: 'server.key',
    place: 'tls',
    at: START,
  });
  listener = createListener({
    name: 'front',
    ...pair,
    requestClientCertificate: false,
    log: { emit: () => undefined },
    staple: () => staple.answerFor(pair.certificateDer),
  });
  staple.use(pair);
  return listener.listen(0, '127.0.0.1');
}

/** What a client that asks for it gets with its handshake. */
function shown(port: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const ca = authority.certificatePem;
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, requestOCSP: true });
    socket.once('OCSPResponse', (bytes: Buffer | null) => {
      resolve(bytes);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

describe('the OCSP answer of a handshake (RFC 6066 section 8)', () => {
  it('is asked for once, ahead, and shown to every client that asks', async () => {
    const port = await open();
    await vi.waitFor(async () => expect((await shown(port))?.length).toBeGreaterThan(100));
    const response = parseOcspResponse((await shown(port)) ?? new Uint8Array());
    expect(response).toMatchObject({ basic: { responses: [{ status: { kind: 'good' } }] } });
    expect(asked).toBe(1);
  });

  it('is never shown after its end, nor for another certificate', async () => {
    const port = await open();
    await vi.waitFor(async () => expect(await shown(port)).not.toBeNull());
    expect(staple.answerFor(Buffer.from(authority.der))).toBeUndefined();
    now += 8 * HOUR;
    expect((await shown(port))?.length ?? 0).toBe(0);
  });

  it('stays the last good one over a restart while the responder is down', async () => {
    const port = await open(folder);
    await vi.waitFor(async () => expect(await shown(port)).not.toBeNull());
    await Promise.all([staple.close(), listener.close(0)]);
    answers.isDown = true;
    // Past half of the answer's life, so that a newer one is asked for.
    now += 5 * HOUR;
    const next = await open(folder);
    await vi.waitFor(() => expect(events.map(([name]) => name)).toContain('key-pair.staple.failed'));
    expect((await shown(next))?.length).toBeGreaterThan(100);
  });

  it('is not the answer of another signer, and a handshake goes on without one', async () => {
    answers.isForged = true;
    const port = await open();
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events).toMatchObject([
      ['key-pair.staple.failed', { error: { code: 'ERR_CERT_REVOCATION_INVALID' } }],
    ]);
    expect((await shown(port))?.length ?? 0).toBe(0);
  });

  it('is none when the own certificate is revoked, which is an alarm', async () => {
    answers.isRevoked = true;
    const port = await open();
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events).toMatchObject([['key-pair.revoked', { error: { code: 'ERR_CERT_REVOKED' } }]]);
    expect((await shown(port))?.length ?? 0).toBe(0);
  });
});
