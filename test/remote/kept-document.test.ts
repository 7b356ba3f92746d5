import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DocumentSource } from '../../src/remote/document-source.ts';
import { KeptDocument } from '../../src/remote/kept-document.ts';
import { KeptFolder, keptName } from '../../src/remote/kept-folder.ts';
import { TestClock } from '../storage/store-contract.ts';

/** A register of the kind that is yet to come: a number that grows, and a time until which it is good. */
interface Register {
  readonly number: number;
  readonly until: number;
}

let clock: TestClock;
let folder: string;
let server: Server;
let url: string;
let served: { status: number; body: string };
let requests: number;
let events: string[];
let closing: DocumentSource[];
beforeEach(async () => {
  clock = new TestClock();
  folder = await mkdtemp(join(tmpdir(), 'tallystick-kept-'));
  [requests, events, closing] = [0, [], []];
  server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(served.status).end(served.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/register`;
});
afterEach(async () => {
  await Promise.all(closing.map((source) => source.close()));
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

const seconds = () => clock.now().getTime() / 1000;
const serve = (number: number, lifeSeconds = 100) => {
  served = { status: 200, body: JSON.stringify({ number, until: seconds() + lifeSeconds }) };
};
const NAME = keptName('the register', 'json');
const folderOf = (path?: string) =>
  new KeptFolder({ folder: path, kinds: ['json'], clock, onFault: () => events.push('fault') });

/** What a process has: another call is a process after a restart. */
function open(kept = folderOf(folder)): KeptDocument<Register> {
  const source = new DocumentSource({
    clock,
    coolDownSeconds: 10,
    timeoutSeconds: 5,
    maxBytes: 1000,
    allowHttp: true,
    privateHosts: ['127.0.0.1'],
  });
  closing.push(source);
  return new KeptDocument<Register>({
    clock,
    coolDownSeconds: 10,
    folder: kept,
    name: NAME,
    fetch: () => source.fetch(url),
    parse: async (bytes) => JSON.parse(bytes.toString()),
    assertSuccessor: (next, before) => {
      if (next.number < before.number) throw new Error('rollback');
    },
    isUsable: ({ until }) => seconds() <= until,
    onCopyRefused: () => events.push('copy refused'),
    onNotRenewed: () => events.push('not renewed'),
  });
}

describe('a kept document', () => {
  it('is fetched once for many callers, and again when it is too old', async () => {
    serve(1);
    const document = open();
    const many = await Promise.all(Array.from({ length: 50 }, () => document.current(5)));
    expect([new Set(many.map(({ number }) => number)), requests]).toEqual([new Set([1]), 1]);
    serve(2);
    expect((await document.current(5)).number).toBe(1);
    clock.forward(5);
    expect([(await document.current(5)).number, requests]).toEqual([2, 2]);
  });

  it('is used to its end while no new one can be had, and not longer', async () => {
    serve(1, 100);
    const document = open();
    await document.current(5);
    served = { status: 500, body: '' };
    clock.forward(100);
    expect([(await document.current(5)).number, events]).toEqual([1, ['not renewed']]);
    clock.forward(1);
    await expect(document.current(5)).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED' });
  });

  it('survives a restart, and is not older afterwards than before', async () => {
    serve(7);
    await open().current(5);
    const restarted = open();
    expect([(await restarted.recall())?.number, requests]).toEqual([7, 1]);
    serve(6);
    expect([(await restarted.current(5)).number, events]).toEqual([7, ['not renewed']]);
    serve(8);
    clock.forward(10);
    expect([(await restarted.current(5)).number, (await open().recall())?.number]).toEqual([8, 8]);
  });

  it('is fetched when its copy is damaged, and when there is no folder', async () => {
    await writeFile(join(folder, NAME), 'half a docu');
    serve(1);
    expect([(await open().current(5)).number, events]).toEqual([1, ['copy refused']]);
    expect((await open(folderOf()).current(5)).number).toBe(1);
    expect(await open(folderOf()).recall()).toBeUndefined();
    expect(events).toEqual(['copy refused']);
  });

  it('asks a source that failed no more for a while', async () => {
    served = { status: 404, body: '' };
    const document = open();
    for (let turn = 0; turn < 5; turn += 1) await expect(document.current(5)).rejects.toThrow();
    expect(requests).toBe(1);
    clock.forward(10);
    serve(1);
    expect((await document.current(5)).number).toBe(1);
  });
});

describe('a source of documents', () => {
  it('refuses an address after two failures in a row, for the cool-down, and no other address', async () => {
    const source = new DocumentSource({
      clock,
      coolDownSeconds: 10,
      timeoutSeconds: 5,
      maxBytes: 1000,
      allowHttp: true,
      privateHosts: ['127.0.0.1'],
    });
    closing.push(source);
    const outcome = (at = url) =>
      source.fetch(at).then(String, (error: { details: { problem: string } }) => error.details.problem);
    served = { status: 503, body: '' };
    const failed = 'the answer has status 503';
    const open = 'it did not answer a moment ago';
    expect([await outcome(), await outcome(), await outcome(), requests]).toEqual([failed, failed, open, 2]);
    expect(await outcome(`${url}/other`)).toBe(failed);
    served = { status: 200, body: 'up' };
    clock.forward(10);
    expect(await outcome()).toBe('up');
    served = { status: 503, body: '' };
    expect([await outcome(), await outcome(), await outcome()]).toEqual([failed, failed, open]);
  });

  it('is not taken for down when it refuses one request (4xx) or answers at too great a length', async () => {
    const source = new DocumentSource({
      clock,
      coolDownSeconds: 10,
      timeoutSeconds: 5,
      maxBytes: 1000,
      allowHttp: true,
      privateHosts: ['127.0.0.1'],
    });
    closing.push(source);
    const code = () => source.fetch(url).catch((error: { code: string }) => error.code);
    served = { status: 404, body: '' };
    expect([await code(), await code(), await code()]).toEqual(Array(3).fill('ERR_OUTBOUND_ANSWER'));
    served = { status: 200, body: 'x'.repeat(2000) };
    expect([await code(), await code(), await code()]).toEqual(Array(3).fill('ERR_OUTBOUND_ANSWER'));
    expect(requests).toBe(6);
  });

  it('reaches a private address only when it is listed', async () => {
    const common = { clock, coolDownSeconds: 10, timeoutSeconds: 5, maxBytes: 1000, allowHttp: true };
    for (const privateHosts of [[], ['localhost'], ['127.0.0.1:1']]) {
      const source = new DocumentSource({ ...common, privateHosts });
      closing.push(source);
      await expect(source.fetch(url)).rejects.toMatchObject({ code: 'ERR_OUTBOUND_REFUSED' });
    }
    expect(requests).toBe(0);
  });
});

describe('a folder of copies', () => {
  it('removes its own files that are old, and no other file', async () => {
    const old = new Date(clock.now().getTime() - 31 * 86_400_000);
    const names = [NAME, `${NAME}.0123456789ab.new`, keptName('x', 'crl'), 'notes.json'];
    for (const name of names) {
      await writeFile(join(folder, name), 'x');
      await utimes(join(folder, name), old, old);
    }
    await writeFile(join(folder, keptName('young', 'json')), 'x');
    await utimes(join(folder, keptName('young', 'json')), clock.now(), clock.now());
    await folderOf(folder).load('nothing');
    expect((await readdir(folder)).toSorted()).toEqual(
      [keptName('x', 'crl'), keptName('young', 'json'), 'notes.json'].toSorted(),
    );
  });

  it('reports a fault of the disk, and does not reject', async () => {
    const file = join(folder, 'in-the-way');
    await writeFile(file, '');
    const kept = folderOf(file);
    await kept.keep(NAME, Buffer.from('x'));
    expect([await kept.load(NAME), events]).toEqual([undefined, ['fault']]);
  });
});
