import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { DocumentSource } from '../../src/remote/document-source.ts';
import { RevocationIo } from '../../src/x509/revocation/revocation-io.ts';

const seen: string[] = [];
let hanging = 0;
const server = createServer((request, response) => {
  seen.push(`${request.method} ${request.url}`);
  if (request.url === '/hang') {
    hanging += 1;
    return;
  }
  const isRefused = request.url?.startsWith('/get-only') === true && request.method === 'POST';
  if (isRefused || request.url?.startsWith('/never') === true) response.writeHead(405).end();
  else response.end('answer');
});
let base: string;
let host: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  base = `http://${host}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('documents of several addresses of one host', () => {
  it('an address that hangs takes no connection from the others', async () => {
    const source = new DocumentSource({
      clock: systemClock,
      coolDownSeconds: 15,
      timeoutSeconds: 20,
      maxBytes: 100,
      allowHttp: true,
      privateHosts: [host],
    });
    const stuck = Array.from({ length: 40 }, () => source.fetch(`${base}/hang`).catch(() => 'ended'));
    await expect.poll(() => hanging).toBe(16);
    expect((await source.fetch(`${base}/other`)).toString()).toBe('answer');
    expect(hanging).toBe(16);
    await source.close();
    expect(await Promise.all(stuck)).toEqual(stuck.map(() => 'ended'));
  });
});

describe('a question to an OCSP responder', () => {
  const ioOf = () =>
    new RevocationIo({
      clock: systemClock,
      log: silentLog,
      privateHosts: [host],
      ocspTimeoutSeconds: 5,
      crlTimeoutSeconds: 5,
      maxCrlBytes: 1000,
      coolDownSeconds: 15,
    });
  const request = Buffer.from('3003020105ffff', 'hex');

  it('goes by GET to a responder that refuses POST, and from then on at once (RFC 5019 section 5)', async () => {
    const io = ioOf();
    seen.length = 0;
    for (const url of [`${base}/get-only`, `${base}/get-only`, `${base}/get-only/`]) {
      expect((await io.askOcsp(url, request)).toString()).toBe('answer');
    }
    const path = encodeURIComponent(request.toString('base64'));
    expect(path).toContain('%2F');
    expect(seen).toEqual([
      'POST /get-only',
      `GET /get-only/${path}`,
      `GET /get-only/${path}`,
      'POST /get-only/',
      `GET /get-only/${path}`,
    ]);
    await io.close();
  });

  it('goes by POST to every other, and is refused by one that takes neither', async () => {
    const io = ioOf();
    seen.length = 0;
    expect((await io.askOcsp(`${base}/ocsp`, request)).toString()).toBe('answer');
    expect(seen).toEqual(['POST /ocsp']);
    await expect(io.askOcsp(`${base}/never`, request)).rejects.toMatchObject({
      code: 'ERR_OUTBOUND_ANSWER',
      details: { status: 405 },
    });
    await io.close();
  });
});
