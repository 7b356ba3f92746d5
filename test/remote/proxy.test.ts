import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig, parseConfig } from '../../src/configuration/config.ts';
import { outboundSchema, proxyOverrides } from '../../src/configuration/outbound-schema.ts';
import { isRefusal } from '../../src/errors.ts';
import { Outbound, type OutboundOptions } from '../../src/remote/outbound.ts';
import { isProxied, proxyOfEnvironment } from '../../src/remote/proxy.ts';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A host that no resolver knows: only the proxy can reach it. */
const HOST = 'responder.invalid';
const target = createServer((incoming, response) => response.end(`target ${incoming.url}`));
let port: number;
let proxyUrl: string;
const proxied: string[] = [];

function forward(incoming: IncomingMessage, done: (status: number, body: string) => void): void {
  proxied.push(`${incoming.method} ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`.trim());
  const url = new URL(incoming.url ?? '');
  const inner = request({ host: '127.0.0.1', port: url.port, path: url.pathname }, (response) => {
    response.setEncoding('utf8').once('data', (body: string) => done(response.statusCode ?? 0, body));
  });
  inner.end();
}

const proxy = createServer((incoming, response) => {
  if (incoming.url?.endsWith('/hang')) return;
  forward(incoming, (status, body) => response.writeHead(status).end(body));
});
proxy.on('connect', (incoming, socket) => {
  proxied.push(`CONNECT ${incoming.url}`);
  const inner = connect(port, '127.0.0.1');
  socket.write('HTTP/1.1 200 connected\r\n\r\n');
  socket.pipe(inner).pipe(socket);
  for (const end of [socket, inner]) end.on('error', () => {});
});

beforeAll(async () => {
  port = await listening(target);
  proxyUrl = `http://127.0.0.1:${await listening(proxy)}`;
});
afterAll(() => {
  for (const server of [target, proxy]) {
    server.closeAllConnections();
    server.close();
  }
});

async function outcome(url: string, options: Partial<OutboundOptions> = {}): Promise<string> {
  const settings = { url: proxyUrl, exceptions: [] };
  const outbound = new Outbound({
    timeoutSeconds: 1,
    maxBytes: 50,
    allowHttp: true,
    proxy: settings,
    ...options,
  });
  try {
    return (await outbound.fetchBytes(url)).body.toString();
  } catch (error) {
    return (error as { readonly code: string }).code;
  } finally {
    await outbound.close();
  }
}

describe('an HTTP proxy for outgoing requests', () => {
  it('gets the request with the name, which it resolves, and the credentials of its URL', async () => {
    expect(await outcome(`http://${HOST}:${port}/crl`)).toBe('target /crl');
    expect(proxied.at(-1)).toBe(`GET http://${HOST}:${port}/crl`);
    const url = proxyUrl.replace('//', '//bank:secret@');
    expect(await outcome(`http://${HOST}:${port}/a`, { proxy: { url, exceptions: [] } })).toBe('target /a');
    expect(proxied.at(-1)).toContain(` Basic ${Buffer.from('bank:secret').toString('base64')}`);
  });

  it('is found by its name, and no other name is resolved', async () => {
    const url = proxyUrl.replace('127.0.0.1', 'localhost');
    expect(await outcome(`http://${HOST}:${port}/b`, { proxy: { url, exceptions: [] } })).toBe('target /b');
  });

  it('opens a tunnel for https', async () => {
    expect(await outcome(`https://${HOST}:${port}/`)).toBe('ERR_OUTBOUND_FAILED');
    expect(proxied.at(-1)).toBe(`CONNECT ${HOST}:${port}`);
  });

  it('leaves every bound in place: literal addresses, ports, time and size', async () => {
    const before = proxied.length;
    for (const url of [`http://127.0.0.1:${port}/`, `http://10.1.2.3/`, `http://[::1]:${port}/`]) {
      expect(await outcome(url)).toBe('ERR_OUTBOUND_REFUSED');
    }
    expect(await outcome(`http://${HOST}:25/`)).toBe('ERR_OUTBOUND_FAILED');
    expect(await outcome(`http://${HOST}:${port}/hang`)).toBe('ERR_OUTBOUND_FAILED');
    expect(proxied).toHaveLength(before);
    expect(await outcome(`http://${HOST}:${port}/${'x'.repeat(80)}`)).toBe('ERR_OUTBOUND_ANSWER');
  });

  it('is left out for exceptions, whose addresses are judged', async () => {
    const before = proxied.length;
    const exceptions = { proxy: { url: proxyUrl, exceptions: ['localhost'] } };
    const url = `http://localhost:${port}/direct`;
    expect(await outcome(url, exceptions)).toBe('ERR_OUTBOUND_REFUSED');
    expect(await outcome(url, { ...exceptions, allowPrivateAddresses: true })).toBe('target /direct');
    expect(proxied).toHaveLength(before);
  });

  it.each([
    [['ca.example'], false],
    [['CA.example:80'], false],
    [['ca.example:8080'], true],
    [['.example'], false],
    [['*.example'], false],
    [['.ca.example'], true],
    [['a.example'], true],
    [['*'], false],
    [[], true],
  ])('with the exceptions %j is used: %s', (exceptions, expected) => {
    expect(isProxied(new URL('http://ca.example/'), { url: proxyUrl, exceptions })).toBe(expected);
  });
});

describe('outbound of the configuration', () => {
  const environment = { https_proxy: 'http://p.example:3128', NO_PROXY: 'localhost, .internal' };

  it('takes the environment by choice only, and the own proxy first', () => {
    const overridesOf = (outbound: object) =>
      proxyOverrides({ outbound }, environment).map(({ path, value }) => [path.join('.'), value]);
    expect(overridesOf({})).toEqual([]);
    expect(overridesOf({ proxyFromEnvironment: true })).toEqual([
      ['outbound.proxy', 'http://p.example:3128'],
      ['outbound.proxyExceptions', ['localhost', '.internal']],
    ]);
    expect(overridesOf({ proxyFromEnvironment: true, proxy: 'http://own.example:8080' })).toEqual([]);
    expect(proxyOverrides({ outbound: { proxyFromEnvironment: true } }, {})).toEqual([]);
    expect(proxyOfEnvironment({})).toBeUndefined();
  });

  it('names the variable of a proxy that is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-proxy-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'tallystick.yaml');
    await writeFile(file, 'outbound: { proxyFromEnvironment: true }');
    const error = await loadConfig(file, { environment: { HTTPS_PROXY: 'socks5://x' } }).catch(
      (caught: unknown) => caught,
    );
    expect(isRefusal(error, 'ERR_CONFIG_INVALID') && error.details.problems).toContainEqual({
      path: 'outbound.proxy',
      message: 'must be the http or https URL of a proxy',
      origin: 'HTTPS_PROXY or HTTP_PROXY',
    });
  });

  it.each([{ proxy: 'socks5://p.example' }, { proxy: 'p.example:3128' }, { proxyExceptions: ['a b'] }])(
    'refuses %j',
    (outbound) => {
      const parse = () => parseConfig({ outbound }, { source: 'test', folder: '/' });
      expect(parse).toThrow('ERR_CONFIG_INVALID');
      expect(outboundSchema.safeParse(outbound).success).toBe(false);
    },
  );
});
