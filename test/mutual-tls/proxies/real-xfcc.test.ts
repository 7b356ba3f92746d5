import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { createClientCertificateSource } from '../../../src/mutual-tls/client-certificate.ts';
import {
  ecKeys,
  ed25519Keys,
  extendedKeyUsage,
  extension,
  general,
  type IssueOptions,
  issue,
  type Keys,
  name,
  named,
  PURPOSE,
  rsaKeys,
  subjectAltName,
  write,
} from '../../x509/certificate-factory.ts';
import * as der from '../../x509/der-writer.ts';
import { fieldsNamed } from '../../../src/resource-server/token/presented-token.ts';
import { pemOf, xfccOf } from '../forwarders.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';
import { thumbprintOf } from '../thumbprint.ts';

const FIELD = 'x-forwarded-client-cert';
const DETAILS = '{ cert: true, chain: true, subject: true, dns: true, uri: true }';

const root = issue('authority', 'root', { keys: ecKeys() });
const issuing = issue('authority', 'issuing', { issuer: root, keys: ecKeys() });
const server = issue('end entity', 'localhost', {
  issuer: root,
  keys: rsaKeys(),
  extra: [
    extendedKeyUsage(PURPOSE.serverAuth),
    subjectAltName(general.dns('localhost'), general.uri('spiffe://bank.example/gateway')),
  ],
});

/** A certificate and its key, of any form: what only a strange authority would issue has to be sent too. */
function client(change: IssueOptions = {}, keys: Keys = ecKeys()) {
  return { keys, der: write('end entity', { issuer: root, ...change, keys }) };
}
type Client = ReturnType<typeof client>;
const qcStatements = (octets: number) =>
  extension('1.3.6.1.5.5.7.1.3', der.sequence(der.octetString(Buffer.alloc(octets, 0xfb))));

describe.skipIf(!isInstalled('envoy'))(`${FIELD} as Envoy writes it${absence('envoy')}`, () => {
  let app: Server;
  const running: RunningProxy[] = [];

  beforeAll(async () => {
    const source = createClientCertificateSource({
      from: 'proxy',
      format: 'envoy',
      trustedProxies: ['127.0.0.1'],
    });
    const read: typeof source.read = (request) => source.read(request);
    app = createServer((request, response) => {
      const values = fieldsNamed(request.rawHeaders, FIELD);
      response.end(`<${JSON.stringify({ values, ...seen(() => read(request)) })}>`);
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await Promise.all(running.map((proxy) => proxy.close()));
    await new Promise((resolve) => app.close(resolve));
  });

  function seen(read: () => ReturnType<ReturnType<typeof createClientCertificateSource>['read']>) {
    try {
      const { certificate, intermediates } = read();
      return { outcome: certificate?.thumbprint ?? 'none', hints: intermediates.map(thumbprintOf) };
    } catch (error) {
      if (isRefusal(error)) return { outcome: error.code, hints: [] };
      throw error;
    }
  }

  async function start(change: (text: string) => string): Promise<number> {
    const proxy = await startProxy('envoy', {
      tls: {
        certificatePem: pemOf(server.der),
        privateKeyPem: pemOfKey(server.keys),
        caPem: pemOf(root.der),
      },
      apiPort: (app.address() as AddressInfo).port,
      change,
    });
    running.push(proxy);
    return proxy.port;
  }

  const pemOfKey = ({ privateKey }: Keys) => String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  async function ask(
    port: number,
    by?: Client,
    {
      chain = [],
      fields = [],
    }: { readonly chain?: readonly Buffer[]; readonly fields?: readonly string[] } = {},
  ) {
    const certificate = by && {
      certificatePem: [by.der, ...chain].map(pemOf).join(''),
      privateKeyPem: pemOfKey(by.keys),
    };
    const { status, body } = await rawExchange(rawRequest('/', ['Host: x', ...fields]), {
      port,
      caPem: pemOf(root.der),
      certificate,
    });
    const json = /<(\{.*\})>/s.exec(body)?.[1] ?? '{}';
    const { values, outcome, hints }: Record<string, unknown> = JSON.parse(json);
    return { status, values, outcome, hints };
  }

  describe('with every detail', () => {
    let port: number;
    beforeAll(async () => {
      port = await start((text) => text.replace('{ cert: true }', DETAILS));
    });

    it('is what our other tests send, to the letter', async () => {
      const subject = name(
        [['2.5.4.6', der.printable('GB')]],
        [['2.5.4.10', der.utf8('Acme; "Ltd"')]],
        [['2.5.4.3', der.utf8('one')]],
      );
      const extra = [subjectAltName(general.uri('spiffe://tpp.example/one'), general.dns('a.example'))];
      const one = client({ subject, extra, issuer: issuing });
      const answer = await ask(port, one, { chain: [issuing.der] });
      expect(answer).toEqual({
        status: 200,
        values: [xfccOf(one.der, [issuing.der])],
        outcome: thumbprintOf(one.der),
        hints: [thumbprintOf(issuing.der)],
      });
    });

    it.each([
      ['a quote', 'a"b', 'a\\"b'],
      ['a semicolon', 'a;b', 'a\\;b'],
      ['a comma', 'a,b', 'a\\,b'],
      ['an equals sign', 'a=b', 'a=b'],
      ['a backslash at the end', 'a\\', 'a\\\\'],
      ['a backslash before a quote', 'a\\"', 'a\\\\\\"'],
      ['letters beyond ASCII', 'Société 日本', 'Soci\\C3\\A9t\\C3\\A9 \\E6\\97\\A5\\E6\\9C\\AC'],
      ['line breaks and a null', 'a\r\nb: \0', 'a\\0D\\0Ab: \\00'],
      ['spaces at both ends', ' a ', '\\ a\\ '],
      ['escapes of its own', '%22%0A+', '%22%0A\\+'],
      ['an end and pairs of its own', '",Hash=00;Cert="x', '\\"\\,Hash=00\\;Cert=\\"x'],
    ])('is read with %s in the subject (B7)', async (_title, text, written) => {
      const own = client({ subject: named(text) });
      const { values, outcome } = await ask(port, own);
      expect(values).toEqual([expect.stringContaining(`;Subject="CN=${written},O=Acme,C=GB";`)]);
      expect(outcome).toBe(thumbprintOf(own.der));
    });

    const victim = client();
    const pairsOfVictim = `Hash=${createHash('sha256').update(victim.der).digest('hex')};Cert="${encodeURIComponent(pemOf(victim.der))}"`;
    it.each([
      ['pairs', (text: string) => general.uri(`spiffe://x;${text}`)],
      ['an element', (text: string) => general.uri(`spiffe://x,${text}`)],
      ['a quote', (text: string) => general.uri(`spiffe://x"${text}`)],
      ['pairs in a DNS name', (text: string) => general.dns(`x;${text}`)],
      ['an element in a DNS name', (text: string) => general.dns(`x,${text}`)],
    ])(
      'is refused with a name that writes %s of its own: Envoy does not quote it (B7)',
      async (_title, san) => {
        const { values, outcome } = await ask(port, client({ extra: [subjectAltName(san(pairsOfVictim))] }));
        expect(values).toEqual([expect.stringContaining(pairsOfVictim)]);
        expect(outcome).toBe('ERR_PROXY_HEADER');
      },
    );

    it('does not leave Envoy at all with a name that holds a line break', async () => {
      const broken = client({ extra: [subjectAltName(general.uri('spiffe://x\r\nx-evil: y'))] });
      expect(await ask(port, broken)).toEqual({ status: 503 });
    });

    it('is read without names, and with several', async () => {
      const names = [
        general.uri('a:b'),
        general.uri('c:d=e'),
        general.dns('a.example'),
        general.dns('*.b.example'),
      ];
      for (const change of [
        { subject: der.sequence() },
        { extra: [subjectAltName(...names)] },
        { extra: [subjectAltName(general.uri(''))] },
      ]) {
        const own = client(change);
        expect((await ask(port, own)).outcome).toBe(thumbprintOf(own.der));
      }
    });

    it('tells what the client sent along, in its order, and nothing of it is taken for the leaf (B6)', async () => {
      const own = client({ issuer: issuing });
      const chain = [victim.der, issuing.der, root.der];
      const { outcome, hints } = await ask(port, own, { chain });
      expect([outcome, hints]).toEqual([thumbprintOf(own.der), chain.map(thumbprintOf)]);
    });
  });

  describe('with the documented lines', () => {
    let port: number;
    beforeAll(async () => {
      port = await start((text) => text);
    });

    it('holds Hash and Cert only, besides our own name, and nothing when there is no certificate', async () => {
      const own = client({ issuer: issuing });
      const { values, hints } = await ask(port, own, { chain: [issuing.der] });
      expect(values).toEqual([xfccOf(own.der).split(';').slice(0, 3).join(';')]);
      expect(hints).toEqual([]);
      expect(await ask(port, undefined, { fields: [`${FIELD}: ${xfccOf(own.der)}`] })).toEqual({
        status: 200,
        values: [],
        outcome: 'none',
        hints: [],
      });
    });

    it('holds a certificate of any date, purpose and length: Tallystick decides', async () => {
      const rsa = rsaKeys(4096);
      for (const own of [
        client({}, rsa),
        client({ extra: [qcStatements(3000)] }, rsa),
        client({ notAfter: new Date('2026-02-01') }),
        client({ extra: [extendedKeyUsage(PURPOSE.serverAuth)] }),
        client({ extra: [extension('1.2.3.4', der.sequence(), true)] }),
        client({ issuer: issue('authority', 'unknown') }),
        client({}, ecKeys('P-384')),
        client({}, ecKeys('P-521')),
        client({}, ed25519Keys()),
      ]) {
        expect((await ask(port, own)).outcome).toBe(thumbprintOf(own.der));
      }
    });

    it('is refused when it comes from anywhere else (B1)', async () => {
      const own = client();
      const { values } = await ask(port, own);
      const bytes = rawRequest('/', ['Host: x', `${FIELD}: ${String(values)}`]);
      const send = (from: string) =>
        rawExchange(bytes, { port: (app.address() as AddressInfo).port, caPem: '', from, isPlain: true });
      expect((await send('127.0.0.1')).body).toContain(thumbprintOf(own.der));
      expect((await send('127.0.0.2')).body).toContain('ERR_PROXY_UNTRUSTED');
    });
  });

  it('is not there for keys that Envoy does not take on its own: docs/proxies.md lists their algorithms', async () => {
    const port = await start((text) =>
      text.replace(/ +signature_algorithms.*/, '').replace('tls_params:', 'tls_params: {}'),
    );
    for (const keys of [ecKeys('P-521'), ed25519Keys()]) {
      expect((await ask(port, client({}, keys))).outcome).toBe('none');
    }
  });

  it('is refused when Envoy lets a client’s own element stand: APPEND_FORWARD (B7)', async () => {
    const port = await start((text) => text.replace('SANITIZE_SET', 'APPEND_FORWARD'));
    const [own, victim] = [client(), client()];
    const { values, outcome } = await ask(port, own, { fields: [`${FIELD}: ${xfccOf(victim.der)}`] });
    expect(values).toEqual([expect.stringMatching(/^By=.*,By=/)]);
    expect(outcome).toBe('ERR_PROXY_HEADER');
    expect((await ask(port, own)).outcome).toBe(thumbprintOf(own.der));
  });
});
