import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/events.ts';
import { createListener, type Listener } from '../../src/mutual-tls/listeners.ts';
import { findSocketCertificate, handshakeIntermediates } from '../../src/mutual-tls/socket-certificate.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
let root: Authority;
let issuer: Authority;
let client: IssuedCertificate;
let listeners: Readonly<Record<'mtls' | 'front', { readonly listener: Listener; readonly port: number }>>;

beforeAll(async () => {
  root = await createAuthority({ name: 'Root', ...PERIOD });
  issuer = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
  client = await issuer.issue({ profile: 'qwac', subject: { commonName: 'client' }, ...PERIOD });
  const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
  const open = async (name: 'mtls' | 'front') => {
    const listener = createListener({
      name,
      certificatePem: server.certificatePem,
      privateKeyPem: server.privateKeyPem,
      requestClientCertificate: name === 'mtls',
      log: silentLog,
    });
    const port = await listener.listen(0, '127.0.0.1');
    listener.serve(new URL(`https://localhost:${port}`), (request, response) => {
      const thumbprint = findSocketCertificate(request.socket)?.thumbprint ?? 'none';
      const hints = handshakeIntermediates(request.socket).length;
      setTimeout(() => response.end(`${thumbprint} ${hints}`), request.url === '/slow' ? 300 : 0);
    });
    return { listener, port };
  };
  listeners = { mtls: await open('mtls'), front: await open('front') };
});
afterAll(() => Promise.all(Object.values(listeners).map(({ listener }) => listener.close())));

interface Connection {
  readonly name?: 'mtls' | 'front';
  readonly ciphers?: string;
  readonly maxVersion?: SecureVersion;
  readonly minVersion?: SecureVersion;
  readonly certificate?: IssuedCertificate;
  readonly session?: Buffer;
}

function open({ name = 'mtls', certificate, ...options }: Connection = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const identity =
      certificate === undefined ? {} : { cert: certificate.chainPem, key: certificate.privateKeyPem };
    const socket = connect({
      port: listeners[name].port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: root.certificatePem,
      ...identity,
      ...options,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends raw bytes and answers with all that comes back. */
async function exchange(bytes: string, options: Connection = {}): Promise<string> {
  const socket = await open(options);
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.once('close', () => resolve(text));
    socket.once('error', (error) => (text === '' ? reject(error) : resolve(text)));
    socket.write(bytes);
  });
}

const host = (name: 'mtls' | 'front' = 'mtls') => `localhost:${listeners[name].port}`;
const get = (path: string, ...fields: string[]) =>
  `GET ${path} HTTP/1.1\r\n${[...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`;

describe('a listener answers for its own host only (RFC 9110 §7.4)', () => {
  it('with its Host, in any case', async () => {
    expect(await exchange(get('/', `Host: ${host()}`))).toMatch(/^HTTP\/1\.1 200/);
    expect(await exchange(get('/', `Host: ${host().toUpperCase()}`))).toMatch(/^HTTP\/1\.1 200/);
  });

  it.each([
    ['a foreign host', 'Host: evil.example'],
    ['another port', 'Host: localhost:1'],
    ['no port', 'Host: localhost'],
    ['a look-alike', 'Host: localhost.evil.example'],
    ['an empty one', 'Host:'],
  ])('and 421 to %s (C2)', async (_title, field) => {
    expect(await exchange(get('/', field))).toMatch(/^HTTP\/1\.1 421/);
  });

  it.each([
    ['an absolute-form target (B13)', () => get(`https://${host()}/`, `Host: ${host()}`)],
    ['two Host fields (B12)', () => get('/', `Host: ${host()}`, 'Host: evil.example')],
    ['no Host', () => get('/')],
    ['an asterisk', () => `OPTIONS * HTTP/1.1\r\nHost: ${host()}\r\nConnection: close\r\n\r\n`],
    [
      'both lengths (B11)',
      () =>
        `POST / HTTP/1.1\r\nHost: ${host()}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['an obsolete line fold (B4)', () => `GET / HTTP/1.1\r\nHost: ${host()}\r\nX-A: b\r\n c\r\n\r\n`],
    ['bytes that are no HTTP', () => 'EHLO mail.example\r\n\r\n'],
  ])('and 400 to %s', async (_title, bytes) => {
    expect(await exchange(bytes())).toMatch(/^HTTP\/1\.1 400/);
  });

  it('and 431 to a megabyte of headers (N2), and lives on', async () => {
    expect(await exchange(get('/', `Host: ${host()}`, `X-Big: ${'a'.repeat(1_000_000)}`))).toMatch(
      /^HTTP\/1\.1 431/,
    );
    expect(await exchange(get('/', `Host: ${host()}`))).toMatch(/^HTTP\/1\.1 200/);
  });
});

describe('TLS (FAPI 2.0 §5.2.2, C10)', () => {
  const ACCEPTED = ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'];
  const REFUSED = [
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-ECDSA-AES128-SHA256',
    'ECDHE-ECDSA-AES128-SHA',
    'AES128-GCM-SHA256',
    'AES128-SHA',
    'DHE-RSA-AES128-GCM-SHA256',
  ];

  it.each(['mtls', 'front'] as const)(
    'offers 1.3 and, for 1.2, the two ECDHE-ECDSA-GCM suites: %s',
    async (name) => {
      const newest = await open({ name });
      expect(newest.getProtocol()).toBe('TLSv1.3');
      newest.destroy();
      for (const ciphers of ACCEPTED) {
        const socket = await open({ name, ciphers, maxVersion: 'TLSv1.2' });
        expect(socket.getCipher().name).toBe(ciphers);
        socket.destroy();
      }
      for (const ciphers of REFUSED)
        await expect(open({ name, ciphers, maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert|handshake/i);
      await expect(
        open({ name, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      ).rejects.toThrow();
    },
  );

  it('does not resume a session where it asks for certificates (C1, C7, C8)', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await open({ certificate: client, maxVersion });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      first.resume();
      first.write(get('/', `Host: ${host()}`));
      await new Promise((resolve) => first.once('close', resolve));
      const session = sessions.at(-1) ?? first.getSession();
      const second = await open({ maxVersion, ...(session === undefined ? {} : { session }) });
      expect(second.isSessionReused()).toBe(false);
      second.destroy();
    }
  });

  it('does not renegotiate, so that a certificate cannot change on a live connection (C4)', async () => {
    const socket = await open({ certificate: client, maxVersion: 'TLSv1.2' });
    const error = await new Promise<unknown>((resolve) => {
      socket.on('error', resolve);
      if (!socket.renegotiate({}, (failure) => resolve(failure))) resolve(new Error('refused'));
    });
    expect(error).toBeInstanceOf(Error);
    socket.destroy();
  });

  it('knows the certificate of a connection by exactly its bytes, and its intermediates as hints', async () => {
    const { createHash } = await import('node:crypto');
    const answer = await exchange(get('/', `Host: ${host()}`), { certificate: client });
    expect(answer).toContain(`${createHash('sha256').update(client.der).digest('base64url')} 1`);
    expect(await exchange(get('/', `Host: ${host()}`))).toContain('none 0');
    expect(
      await exchange(get('/', `Host: ${host('front')}`), { name: 'front', certificate: client }),
    ).toContain('none 0');
  });
});

describe('a handshake that fails', () => {
  it('is told once, and answered with nothing that looks like HTTP', async () => {
    const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
    const events: string[] = [];
    const note = (event: string) => events.push(event);
    const listener = createListener({
      name: 'x',
      certificatePem: server.certificatePem,
      privateKeyPem: server.privateKeyPem,
      requestClientCertificate: false,
      log: { emit: note },
    });
    const port = await listener.listen(0, '127.0.0.1');
    const answer = await new Promise<string>((resolve) => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.once('close', () => resolve(text));
    });
    await listener.close();
    expect(answer).not.toContain('HTTP');
    expect(events).toEqual(['tls.refused']);
  });
});

describe('closing', () => {
  it('lets a request in flight end (M15)', async () => {
    const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
    const listener = createListener({
      name: 'x',
      certificatePem: server.certificatePem,
      privateKeyPem: server.privateKeyPem,
      requestClientCertificate: false,
      log: silentLog,
    });
    const port = await listener.listen(0, '127.0.0.1');
    let isIn: (() => void) | undefined;
    const arrived = new Promise<void>((resolve) => {
      isIn = resolve;
    });
    listener.serve(new URL(`https://localhost:${port}`), (_request, response) => {
      isIn?.();
      setTimeout(() => response.end('whole'), 200);
    });
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: root.certificatePem });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    await arrived;
    const ended = new Promise((resolve) => socket.once('close', resolve));
    await listener.close();
    await ended;
    expect(text).toContain('whole');
    socket.destroy();
  });

  it('does not wait for a handshake that does not go on (M15)', async () => {
    const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
    const listener = createListener({
      name: 'x',
      certificatePem: server.certificatePem,
      privateKeyPem: server.privateKeyPem,
      requestClientCertificate: false,
      log: silentLog,
    });
    const port = await listener.listen(0, '127.0.0.1');
    const socket = connectTcp(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    // Left alone, it would be cut off after the ten seconds that a handshake may take.
    const late = new Promise((resolve) => setTimeout(resolve, 6000, 'late').unref());
    expect(await Promise.race([listener.close(0.2), late])).toBeUndefined();
    await ended;
  });
});

describe('an expectation (RFC 9110 §10.1.1)', () => {
  const headOf = (expectation: string) =>
    `POST / HTTP/1.1\r\nHost: localhost:${listeners.mtls.port}\r\nExpect: ${expectation}\r\n` +
    'Connection: close\r\nContent-Length: 0\r\n\r\n';

  it('is refused when it is not known', async () => {
    expect(await exchange(headOf('miracles'))).toMatch(/^HTTP\/1\.1 417 .*ERR_HTTP_MALFORMED/s);
  });

  it('is met when it asks to go on', async () => {
    expect(await exchange(headOf('100-continue'))).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });
});

describe('a connection that another process has accepted', () => {
  it('is served, kept, and ended with the listener', async () => {
    const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
    const listener = createListener({
      name: 'x',
      certificatePem: server.certificatePem,
      privateKeyPem: server.privateKeyPem,
      requestClientCertificate: false,
      log: silentLog,
    });
    const door = createServer({ pauseOnConnect: true }, (connection) => listener.accept(connection));
    door.listen(0, '127.0.0.1');
    await once(door, 'listening');
    const { port } = door.address() as AddressInfo;
    listener.serve(new URL(`https://localhost:${port}`), (_request, response) => response.end('served'));
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: root.certificatePem });
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    expect([String(answer).split('\r\n')[0], String(answer)]).toEqual([
      'HTTP/1.1 200 OK',
      expect.stringContaining('served'),
    ]);
    // The connection is idle: it is not waited for.
    await Promise.all([once(socket, 'close'), listener.close(60)]);
    door.close();
  });
});
