import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, getCiphers, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createListener, type Listener } from '../../src/mutual-tls/listeners.ts';
import { findSocketCertificate, handshakeIntermediates } from '../../src/mutual-tls/socket-certificate.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';
import { clientHello, HANDSHAKE, rewriteHandshake, type Tamper, tamperingProxy } from './tls-bytes.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const NAMES = ['mtls', 'other mtls', 'front'] as const;
type Name = (typeof NAMES)[number];

let folder: string;
let root: Authority;
let clients: readonly IssuedCertificate[];
let listeners: Readonly<Record<Name, { readonly listener: Listener; readonly port: number }>>;
const events: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-tls-'));
  root = await createAuthority({ name: 'Root', ...PERIOD });
  clients = await Promise.all(
    ['a', 'b'].map((commonName) => root.issue({ profile: 'qwac', subject: { commonName }, ...PERIOD })),
  );
  for (const [at, { certificatePem, privateKeyPem }] of clients.entries()) {
    await writeFile(join(folder, `client-${at}.pem`), certificatePem + privateKeyPem);
  }
  const server = { profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD } as const;
  const [own, second] = await Promise.all([
    root.issue(server),
    root.issue({ ...server, keyType: 'rsa-2048' }),
  ]);
  const note = (event: string) => events.push(event);
  const open = async (name: Name) => {
    const listener = createListener({
      name,
      certificatePem: own.certificatePem,
      privateKeyPem: own.privateKeyPem,
      second,
      requestClientCertificate: name !== 'front',
      log: { emit: note },
    });
    const port = await listener.listen(0, '127.0.0.1');
    listener.serve(new URL(`https://localhost:${port}`), (request, response) => {
      const thumbprint = findSocketCertificate(request.socket)?.thumbprint ?? 'none';
      response.end(`${thumbprint} ${handshakeIntermediates(request.socket).length}`);
    });
    return { listener, port };
  };
  const [mtls, other, front] = await Promise.all(NAMES.map(open));
  if (mtls === undefined || other === undefined || front === undefined) throw new Error('three are open');
  listeners = { mtls, 'other mtls': other, front };
});
afterAll(async () => {
  await Promise.all(Object.values(listeners).map(({ listener }) => listener.close()));
  await rm(folder, { recursive: true });
});

const identity = (at: number) => ({ cert: clients[at]?.chainPem, key: clients[at]?.privateKeyPem });
const request = (name: Name = 'mtls') =>
  `GET / HTTP/1.1\r\nHost: localhost:${listeners[name].port}\r\nConnection: close\r\n\r\n`;

function open(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: listeners.mtls.port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ...options,
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** Everything that comes back to one request, or the reason why nothing does. */
async function answerTo(options: ConnectionOptions, name: Name = 'mtls'): Promise<string> {
  try {
    const socket = await open({ port: listeners[name].port, ...options });
    return await new Promise((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('error', (error) => resolve(`refused: ${error.message}`));
      socket.once('close', () => resolve(text === '' ? 'refused: closed' : text));
      socket.write(request(name));
    });
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : ''}`;
  }
}

/** What the `openssl s_client` command prints; `input` is written when the handshake is over. */
function openssl(args: readonly string[], input: string, name: Name = 'mtls'): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('openssl', [
      's_client',
      '-connect',
      `127.0.0.1:${listeners[name].port}`,
      '-servername',
      'localhost',
      ...args,
    ]);
    let output = '';
    let isWritten = false;
    const hear = (chunk: Buffer) => {
      output += chunk.toString('latin1');
      if (isWritten || !/Verify return code/.test(output)) return;
      isWritten = true;
      child.stdin.write(input);
      setTimeout(() => child.stdin.end(), 300);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.stdin.on('error', () => {});
    child.once('close', () => resolve(output));
  });
}

async function through(tamper: () => Tamper, options: ConnectionOptions): Promise<string> {
  const proxy = await tamperingProxy(listeners.mtls.port, tamper);
  const answer = await answerTo({ port: proxy.port, ...options });
  proxy.close();
  return answer;
}

describe('sessions', () => {
  const versions = ['TLSv1.2', 'TLSv1.3'] as const;
  const ways = versions.flatMap((version) =>
    (['front', 'other mtls'] as const).flatMap((from) => [0, undefined].map((at) => ({ version, from, at }))),
  );
  it.each(ways)(
    'of another listener are not resumed: $version from $from, certificate $at (C1, C7)',
    async ({ version, from, at }) => {
      const own = at === undefined ? {} : identity(at);
      const first = await open({ port: listeners[from].port, maxVersion: version, ...own });
      const sessions: Buffer[] = [];
      first.on('session', (session) => sessions.push(session));
      first.resume();
      first.write(request(from));
      await new Promise((resolve) => first.once('close', resolve));
      const session = sessions.at(-1) ?? first.getSession();
      const second = await open({ maxVersion: version, ...(session === undefined ? {} : { session }) });
      expect(second.isSessionReused()).toBe(false);
      second.destroy();
    },
  );

  it.each(['mtls', 'front'] as const)('give no early data: %s (C6)', async (name) => {
    await writeFile(join(folder, 'early'), request(name));
    const file = join(folder, `session-${name}`);
    const first = await openssl(['-tls1_3', '-sess_out', file], request(name), name);
    expect(first).not.toMatch(/Max Early Data: [1-9]/);
    const second = await openssl(
      ['-tls1_3', '-sess_in', file, '-early_data', join(folder, 'early')],
      request(name),
      name,
    );
    expect(second).toMatch(/Early data was (not sent|rejected)|No such file|Can't open session/);
    expect(second).not.toContain('Early data was accepted');
  });
});

describe('certificates cannot change on a live connection', () => {
  it('by a renegotiation of OpenSSL with another certificate (C4)', async () => {
    const output = await openssl(['-tls1_2', '-cert', join(folder, 'client-0.pem')], 'R\n');
    expect(output).toMatch(/RENEGOTIATING/);
    expect(output).toMatch(/no.renegotiation|handshake failure|unexpected eof|unexpected message/i);
  });

  it('by authentication after the handshake, which is never asked for (C5)', async () => {
    const output = await openssl(
      ['-tls1_3', '-enable_pha', '-cert', join(folder, 'client-0.pem')],
      request(),
    );
    expect(output).toMatch(/HTTP\/1\.1 200/);
    expect(
      output.match(/Acceptable client certificate CA names|No client certificate CA names sent/g),
    ).toHaveLength(1);
  });
});

describe('every handshake is that of the strict context', () => {
  it.each([
    ['no server name', { servername: '' }],
    ['a foreign server name', { servername: 'evil.example' }],
    ['a server name of other letters', { servername: 'LOCALHOST' }],
    ['a server name with a dot at its end', { servername: 'localhost.' }],
  ])('with %s (C2, C3)', async (_title, options) => {
    expect(await answerTo({ ...options, ...identity(0) })).toMatch(/200 OK[\s\S]*\r\n\r\n[\s\S]*[\w-]{43} 0/);
    expect(await answerTo(options)).toMatch(/none 0/);
  });

  it('with a ClientHello in five segments (C3)', async () => {
    const split = (): Tamper => (chunk) =>
      Array.from({ length: 5 }, (_, at) =>
        chunk.subarray(Math.floor((chunk.length * at) / 5), Math.floor((chunk.length * (at + 1)) / 5)),
      );
    expect(await through(split, identity(0))).toMatch(/200 OK[\s\S]*[\w-]{43} 0/);
  });

  it('sends no names of authorities, so that none leak (C19)', async () => {
    expect(await openssl([], request())).toContain('No client certificate CA names sent');
  });

  it('takes the suites that it should, of all that there are, and no older protocol (C10)', async () => {
    const known = getCiphers()
      .map((name) => name.toUpperCase())
      .filter((name) => !name.startsWith('TLS_'));
    const taken: string[] = [];
    for (const ciphers of known) {
      try {
        const socket = await open({ ciphers: `${ciphers}:@SECLEVEL=0`, maxVersion: 'TLSv1.2' });
        taken.push(socket.getCipher().name);
        socket.destroy();
      } catch {
        // Refused, as all but four must be.
      }
    }
    expect(known.length).toBeGreaterThan(40);
    expect(taken.sort()).toEqual([
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES256-GCM-SHA384',
    ]);
    for (const version of ['-tls1', '-tls1_1']) {
      const output = await openssl([version, '-cipher', 'ALL:@SECLEVEL=0'], '');
      expect(output).toMatch(/alert protocol version|wrong version|no protocols available/i);
    }
  });
});

describe('a certificate is believed with the proof of its key only', () => {
  it('not with a signature that is not of its key (C12)', async () => {
    const flip = () =>
      rewriteHandshake(HANDSHAKE.certificateVerify, (body) =>
        Buffer.from(body.with(-1, (body.at(-1) ?? 0) ^ 1)),
      );
    expect(await through(() => (chunk) => [chunk], { ...identity(0), maxVersion: 'TLSv1.2' })).toContain(
      '200 OK',
    );
    expect(await through(flip, { ...identity(0), maxVersion: 'TLSv1.2' })).toMatch(/alert decrypt error/);
  });

  it("not another's certificate, put in its place (C12)", async () => {
    const other = clients[1]?.der ?? new Uint8Array();
    const swap = () =>
      rewriteHandshake(HANDSHAKE.certificate, () => {
        const one = Buffer.alloc(6);
        one.writeUIntBE(other.length + 3, 0, 3);
        one.writeUIntBE(other.length, 3, 3);
        return Buffer.concat([one, other]);
      });
    expect(await through(swap, { ...identity(0), maxVersion: 'TLSv1.2' })).toMatch(/alert decrypt error/);
  });

  it.each([
    ['of no length', Buffer.from('000003000000', 'hex')],
    ['that is no DER', Buffer.from('000005000002ffff', 'hex')],
    ['longer than its message', Buffer.from('0000050000ff3000', 'hex')],
  ])('not one %s (C13)', async (_title, body) => {
    const put = () => rewriteHandshake(HANDSHAKE.certificate, () => body);
    expect(await through(put, { ...identity(0), maxVersion: 'TLSv1.2' })).toMatch(
      /alert (decode error|bad certificate)/,
    );
    expect(await answerTo(identity(0))).toContain('200 OK');
  });

  it('and a message of 200 certificates is refused, one of 12 is cut to what may help (C13)', async () => {
    const pem = clients[1]?.certificatePem ?? '';
    const chain = (count: number) => ({
      ...identity(0),
      cert: `${clients[0]?.certificatePem}${pem.repeat(count)}`,
    });
    expect(await answerTo(chain(200))).toMatch(/refused: .*(ECONNRESET|EPIPE|socket hang up)/);
    expect(await answerTo(chain(12))).toMatch(/200 OK[\s\S]*[\w-]{43} [0-8]\r?\n?/);
    expect(await answerTo(identity(0))).toContain('200 OK');
  });
});

describe('whatever comes first', () => {
  const send = (bytes: Buffer | string): Promise<Buffer> =>
    new Promise((resolve) => {
      const parts: Buffer[] = [];
      const socket = connectTcp(listeners.mtls.port, '127.0.0.1', () => socket.end(bytes));
      socket.on('data', (chunk: Buffer) => parts.push(chunk));
      socket.on('error', () => {});
      socket.once('close', () => resolve(Buffer.concat(parts)));
    });

  it('a server name of any bytes and of 16 kB leaves it alive, one event each at most (C16)', async () => {
    const hostile = [
      ...Array.from({ length: 32 }, (_, at) => Buffer.from([at * 8, at * 8 + 7])),
      Buffer.alloc(0),
      Buffer.from('localhost\0.evil.example'),
      Buffer.from('../../etc/passwd'),
      Buffer.alloc(16_000, 0x61),
      Buffer.alloc(60_000, 0xff),
    ];
    events.length = 0;
    await Promise.all(hostile.map((name) => send(clientHello(name))));
    expect(events.length).toBeLessThanOrEqual(hostile.length);
    expect(new Set(events).size).toBeLessThanOrEqual(1);
    expect(await answerTo(identity(0))).toContain('200 OK');
  });

  it.each([
    ['FTP', 'USER anonymous\r\nPASS x\r\n'],
    ['SMTP', 'EHLO mail.example\r\nMAIL FROM:<a@b>\r\n'],
    ['HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a proxy', 'PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n'],
  ])('%s in place of TLS gets an alert or nothing, and no echo (C18, B16)', async (_title, bytes) => {
    const answer = await send(bytes);
    expect(answer.length).toBeLessThan(32);
    expect(answer.toString('latin1')).not.toMatch(/HTTP|[A-Z]{4}/);
  });

  it('a ClientHello of one byte a second is cut off after ten (C14)', async () => {
    const began = Date.now();
    await new Promise<void>((resolve) => {
      const hello = clientHello(Buffer.from('localhost'));
      let sent = 0;
      const socket = connectTcp(listeners.mtls.port, '127.0.0.1');
      const drip = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 1000);
      socket.on('error', () => {});
      socket.once('close', () => {
        clearInterval(drip);
        resolve();
      });
    });
    expect(Date.now() - began).toBeGreaterThan(5000);
  }, 25_000);
});
