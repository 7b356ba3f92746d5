import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { loadGatewayConfig } from '../../src/configuration/gateway-config.ts';
import { startGateway } from '../../src/server/gateway/gateway-server.ts';
import { FollowedAuthorizer } from '../../src/server/gateway/followed-authorizer.ts';
import { type Log, silentLog } from '../../src/events.ts';
import { FORWARDERS } from '../mutual-tls/forwarders.ts';
import { rawExchange, rawRequest } from '../mutual-tls/raw-exchange.ts';
import { documentedSnippet } from '../mutual-tls/proxies/documented-snippet.ts';
import { createTestCertificates } from '../resource-server/issuer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-gateway-'));
});
afterAll(() => rm(folder, { recursive: true }));

const TEXT = `${documentedSnippet('gateway.yaml').replace('port: 4000', 'port: 0')}\nshutdown: { noticeSeconds: 0 }\n`;

/** The places of all problems that the file has, when it is loaded and started; `[]` when it starts. */
async function problemsOf(text: string): Promise<readonly string[]> {
  const file = join(folder, 'gateway.yaml');
  await writeFile(file, text);
  try {
    const gateway = await startGateway(await loadGatewayConfig(file), { source: file, log: silentLog });
    await gateway.close();
    return [];
  } catch (error) {
    if (!isRefusal(error, 'ERR_CONFIG_INVALID')) throw error;
    return error.details.problems.map(({ path }) => path);
  }
}

describe('the configuration of the gateway', () => {
  it('of docs/proxies.md starts', async () => {
    expect(await problemsOf(TEXT)).toEqual([]);
  });

  it.each([
    ['no issuer', /^issuer.*$/m, '', ['issuer']],
    ['an issuer without TLS', 'https://as', 'http://as', ['issuer']],
    ['an issuer with a slash at its end', /^(issuer: *)\S+$/m, '$1https://as.bank.example/', ['issuer']],
    ['an unknown proxy', 'proxy: nginx', 'proxy: squid', ['proxy']],
    [
      'certificates from the connection of the proxy',
      /\{ from: proxy, .*\}/,
      '{ from: socket }',
      ['clientCertificate'],
    ],
    ['no certificates named', /^clientCertificate.*$/m, '', ['clientCertificate']],
    ['a proxy that is everybody', '[127.0.0.1]', '[0.0.0.0/0]', ['clientCertificate']],
    ['an unknown format', 'format: nginx', 'format: squid', ['clientCertificate.format']],
    [
      'a DPoP origin without TLS',
      'proxy: nginx',
      'proxy: nginx\ndpop: { origin: "http://api" }',
      ['dpop.origin'],
    ],
    ['no sender constraint', 'proxy: nginx', 'proxy: nginx\nsenderConstraints: []', ['senderConstraints']],
    [
      'DPoP for an audience that is no address',
      /^audience.*$/m,
      'audience: urn:bank:api\nsenderConstraints: [dpop]',
      ['dpop'],
    ],
    [
      'metadata of an audience that is no address',
      /^audience.*$/m,
      'audience: urn:bank:api\nresourceMetadata: {}',
      ['resourceMetadata'],
    ],
    ['no list of roles', ', roles: [PSP_AI]', '', ['routes[0].roles']],
    ['no list of scopes', 'scopes: [accounts], ', '', ['routes[0].scopes']],
    ['an unknown role', '[PSP_AI]', '[PSP_XX]', ['routes[0].roles[0]']],
    ['a path that is none', 'path: /payments', 'path: payments', ['routes[1].path']],
    ['a star within a segment', 'path: /payments', 'path: /pay*', ['routes']],
    ['a method in small letters', '[POST]', '[post]', ['routes[1].methods[0]']],
    ['a file that is not there', 'proxy: nginx', 'proxy: nginx\ncaFile: none.pem', ['caFile']],
    [
      'a pinned certificate but no TLS',
      '[127.0.0.1]',
      `[127.0.0.1], proxyCertificates: [${'a'.repeat(64)}]`,
      ['clientCertificate.proxyCertificates'],
    ],
    [
      'TLS without its key',
      'proxy: nginx',
      'proxy: nginx\ntls: { certificateFile: gateway.yaml, privateKeyFile: b }',
      ['tls.privateKeyFile'],
    ],
    [
      'an API that nginx asks itself',
      'proxy: nginx',
      'proxy: nginx\nupstream: { origin: "http://127.0.0.1:1" }',
      ['routes'],
    ],
    ['no API to forward to', 'proxy: nginx', 'proxy: forward', ['routes']],
    [
      'signatures of no format',
      'roles: [PSP_PI]',
      'roles: [PSP_PI], signatures: required',
      ['routes[1].signatures'],
    ],
    [
      'a key for answers that is not there',
      'proxy: nginx',
      'proxy: nginx\nsignatures: { format: berlin-group, seals: { anchorsFile: none.pem } }',
      ['signatures.seals.anchorsFile'],
    ],
    [
      'anchors that are none',
      'proxy: nginx',
      'proxy: nginx\nsignatures: { format: berlin-group, seals: { anchorsFile: gateway.yaml } }',
      ['signatures'],
    ],
    [
      'keys of clients without TLS',
      'proxy: nginx',
      'proxy: nginx\nsignatures: { format: fapi-2, origin: "https://a.example", clientKeys: { endpoint: "http://as.example/client-keys/", certificateFile: a, privateKeyFile: b } }',
      ['signatures.clientKeys.endpoint'],
    ],
    ['an account of no consent', 'path: /payments', 'path: "/{account}/payments"', ['routes']],
    ['a payment of no consent', 'roles: [PSP_PI]', 'roles: [PSP_PI], covers: { payment: body }', ['routes']],
    ['a function', 'roles: [PSP_PI]', 'roles: [PSP_PI], covers: { account: x }', ['routes[1].covers']],
    [
      'no permission',
      'roles: [PSP_PI]',
      'roles: [PSP_PI], covers: { permissions: [] }',
      ['routes[1].covers.permissions'],
    ],
    ['an authentication with a space', 'roles: [PSP_PI]', 'roles: [PSP_PI], acr: ["a b"]', ['routes']],
    [
      'a login of no age',
      'roles: [PSP_PI]',
      'roles: [PSP_PI], maxAgeSeconds: 0',
      ['routes[1].maxAgeSeconds'],
    ],
    [
      'consents at no folder',
      'proxy: nginx',
      'proxy: nginx\nconsents: { endpoint: "https://as/c", clientId: a, certificateFile: a, privateKeyFile: b }',
      ['consents.endpoint'],
    ],
    [
      'consents that live on',
      'proxy: nginx',
      'proxy: nginx\nconsents: { endpoint: "https://as/c/", clientId: a, certificateFile: a, privateKeyFile: b, maxAgeSeconds: 6 }',
      ['consents.maxAgeSeconds'],
    ],
    ['an unknown field', 'proxy: nginx', 'proxy: nginx\nopen: true', ['']],
  ] as const)('is refused with %s, and says where', async (_title, from, to, places) => {
    const text = TEXT.replace(from, to);
    expect(text).not.toBe(TEXT);
    expect(await problemsOf(text)).toEqual(places);
  });
});

describe('a gateway with TLS and a pinned certificate of the proxy', () => {
  it('takes the header from that proxy only', async () => {
    const { authority, one, two, server } = await createTestCertificates();
    await Promise.all([
      writeFile(join(folder, 'server.pem'), server.certificatePem),
      writeFile(join(folder, 'server.key'), server.privateKeyPem, { mode: 0o600 }),
    ]);
    const pin = new X509Certificate(one.der).fingerprint256;
    const file = join(folder, 'pinned.yaml');
    await writeFile(
      file,
      TEXT.replace('[127.0.0.1]', `[127.0.0.1], proxyCertificates: ["${pin}"]`).replace(
        'proxy: nginx',
        'proxy: nginx\ntls: { certificateFile: server.pem, privateKeyFile: server.key }',
      ),
    );
    const gateway = await startGateway(await loadGatewayConfig(file), { source: file, log: silentLog });
    const [name, value] = Object.entries(FORWARDERS.nginx(Buffer.from(two.der), []))[0] ?? [];
    const fields = ['Host: x', 'X-Original-Method: GET', 'X-Original-URI: /accounts', `${name}: ${value}`];
    const ask = (certificate?: typeof one) =>
      rawExchange(rawRequest('/authorize', fields), {
        port: gateway.port,
        caPem: authority.certificatePem,
        certificate,
      });
    expect((await ask(one)).body).toContain('ERR_TOKEN_MISSING');
    for (const certificate of [two, undefined]) {
      const { status, body } = await ask(certificate);
      expect([status, body]).toEqual([400, expect.stringContaining('ERR_PROXY_UNTRUSTED')]);
    }
    // A renewal, without a restart (C17).
    const renewed = await authority.issue({
      profile: 'server',
      subject: { commonName: 'localhost' },
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2049-01-01'),
    });
    await writeFile(join(folder, 'server.pem'), renewed.certificatePem);
    await writeFile(join(folder, 'server.key'), renewed.privateKeyPem, { mode: 0o600 });
    await gateway.reload();
    const socket = connect({ port: gateway.port, servername: 'localhost', ca: authority.certificatePem });
    await once(socket, 'secureConnect');
    expect(socket.getPeerX509Certificate()?.raw).toEqual(Buffer.from(renewed.der));
    socket.destroy();
    await gateway.close();
  });
});

describe('a gateway that asks about consents', () => {
  it('of docs/proxies.md starts, and follows its certificate', async () => {
    const { one, renewed } = await createTestCertificates();
    const write = ({ certificatePem, privateKeyPem }: typeof one) =>
      Promise.all([
        writeFile(join(folder, 'gateway.pem'), certificatePem),
        writeFile(join(folder, 'gateway.key'), privateKeyPem, { mode: 0o600 }),
      ]);
    await write(one);
    const file = join(folder, 'consents.yaml');
    const [head = '', routes = ''] = TEXT.split(/^routes:\n/m);
    const [consents = '', covered = ''] = documentedSnippet('gateway.yaml, in part').split(/^routes:\n/m);
    await writeFile(file, `${head}${consents}routes:\n${covered}${routes}`);
    const events: string[] = [];
    const log: Log = { emit: (name) => void events.push(name) };
    const gateway = await startGateway(await loadGatewayConfig(file), { source: file, log });
    await write(renewed);
    await gateway.reload();
    await gateway.close();
    expect(events.filter((name) => name === 'key-pair.loaded')).toHaveLength(2);
  });
});

describe('a gateway whose own files change', () => {
  it('makes its decision point anew from the CA of the issuer, and keeps the last good one', async () => {
    const { authority, one } = await createTestCertificates();
    const caFile = join(folder, 'ca.pem');
    const file = join(folder, 'changing.yaml');
    await writeFile(caFile, authority.certificatePem);
    await writeFile(file, TEXT.replace('proxy: nginx', 'proxy: nginx\ncaFile: ca.pem'));
    const events: string[] = [];
    const log: Log = { emit: (name) => void events.push(name) };
    const gateway = await startGateway(await loadGatewayConfig(file), { source: file, log });
    await writeFile(caFile, one.certificatePem + authority.certificatePem);
    await gateway.reload();
    await writeFile(caFile, 'junk');
    await gateway.reload();
    await gateway.close();
    expect(events).toEqual([
      'trust.loaded',
      'gateway.started',
      'trust.loaded',
      'files.reloaded',
      'trust.refused',
      'files.reloaded',
      'gateway.stopped',
    ]);
  });

  it('asks the new decision point at once, and closes the old one later', async () => {
    vi.useFakeTimers();
    const closed: number[] = [];
    let made = 0;
    const authorizer = new FollowedAuthorizer(() => {
      made += 1;
      const number = made;
      return {
        authorize: async () => Promise.reject(new Error(`decided by ${number}`)),
        authorizeNow: () => undefined,
        consentOf: () => Promise.reject(new Error('unused')),
        knowsConsents: false,
        accepted: { issuer: '', audience: '', senderConstraints: [], isDpopVerified: false },
        close: async () => void closed.push(number),
      };
    });
    const decide = () => authorizer.authorize({} as never, { scopes: [], roles: [] });
    await expect(decide()).rejects.toThrow('decided by 1');
    authorizer.replace();
    await expect(decide()).rejects.toThrow('decided by 2');
    expect(closed).toEqual([]);
    vi.advanceTimersByTime(60_000);
    await authorizer.close();
    expect(closed).toEqual([1, 2]);
    vi.useRealTimers();
  });
});
