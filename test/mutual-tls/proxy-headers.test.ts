import fc from 'fast-check';
import { parseItem, parseList } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { createClientCertificateSource } from '../../src/mutual-tls/client-certificate.ts';
import {
  PROXY_FORMAT_NAMES,
  PROXY_FORMATS,
  type ProxyFormat,
  type ProxyFormatName,
} from '../../src/mutual-tls/proxy-formats.ts';
import {
  behind,
  fieldOf,
  issuing,
  one,
  outcome,
  rawOf,
  REFUSED,
  request,
  root,
  two,
} from './forwarded-request.ts';
import { FORWARDERS, WITH_CHAIN } from './forwarders.ts';
import { thumbprintOf } from './thumbprint.ts';

const SEED = 9440;
const LENIENT = /^(traefik|aws-alb|apache|envoy)/;
const chain = [issuing.der, root.der];
const sent = (format: ProxyFormatName, value: string) => [fieldOf(format), value];

describe.each(PROXY_FORMAT_NAMES)('a certificate forwarded by %s', (format) => {
  const options = behind(format);
  const good = rawOf(FORWARDERS[format](one, []));
  const value = good[1] ?? '';

  it('is known by exactly its bytes, with and without intermediates', () => {
    const source = createClientCertificateSource(options);
    for (const others of [[], chain]) {
      const { certificate, intermediates } = source.read(request(rawOf(FORWARDERS[format](one, others))));
      expect(certificate?.der.equals(one)).toBe(true);
      expect(certificate?.thumbprint).toBe(thumbprintOf(one));
      const expected = WITH_CHAIN.includes(format) ? others.length : 0;
      expect(intermediates.map((der) => der.toString('hex'))).toEqual(
        others.slice(0, expected).map((der) => der.toString('hex')),
      );
    }
  });

  it('is absent without the field, or with an empty one, whatever else is there (B8, B9)', () => {
    const verdict = ['X-SSL-Client-Verify', 'SUCCESS', 'X-Amzn-Mtls-Clientcert-Subject', 'CN=one'];
    expect(outcome(options, verdict)).toBe('none');
    expect(outcome(options, sent(format, ''))).toBe('none');
  });

  it('is refused from any peer that is not a trusted proxy (B1)', () => {
    for (const trustedProxies of [['10.0.0.0/8'], ['::1'], ['127.0.0.2'], ['126.0.0.0/8', '128.0.0.0/8']]) {
      expect(outcome({ ...options, trustedProxies } as never, good)).toBe('ERR_PROXY_UNTRUSTED');
      expect(outcome({ ...options, trustedProxies } as never, [])).toBe('none');
    }
    expect(
      outcome(behind(format, { trustedProxies: ['10.0.0.1'] }), ['X-Forwarded-For', '10.0.0.1', ...good]),
    ).toBe('ERR_PROXY_UNTRUSTED');
  });

  it('is refused where TLS ends at our own listener (B2)', () => {
    expect(outcome({ from: 'socket' }, good)).toBe('ERR_PROXY_UNTRUSTED');
    expect(outcome({ from: 'socket' }, ['Accept', '*/*'])).toBe('none');
  });

  it('is refused when its field comes twice or has a look-alike beside it (B3, B4)', () => {
    expect(outcome(options, [...good, ...good])).toBe(REFUSED);
    expect(outcome(options, [...good, ...sent(format, '')])).toBe(REFUSED);
    const twin = fieldOf(format).replaceAll('-', '_').toUpperCase();
    expect(outcome(options, [...good, twin, value])).toBe(REFUSED);
    expect(outcome(options, [twin, value])).toBe(REFUSED);
    expect(outcome(behind(format, { trustedProxies: ['10.0.0.1'] }), [twin, value])).toBe(
      'ERR_PROXY_UNTRUSTED',
    );
  });

  it('is refused with anything added, left out, or too long (A10, B5)', () => {
    const spoiled = [
      `${value} `,
      ` ${value}`,
      `${value},${value}`,
      `${value}, ${value}`,
      `${value};a=1`,
      `${value}${value}`,
      value.slice(0, -1),
      value.slice(1),
      value.slice(0, value.length / 2),
      'x',
      ':',
      '::',
      '-',
      one.toString('base64url'),
      one.toString('hex'),
      'A'.repeat(20_000),
    ];
    for (const text of spoiled) {
      const seen = outcome(options, sent(format, text));
      // Lists may hold a certificate twice, PEM may lack its last line break, names in XFCC are not read.
      if (seen !== REFUSED)
        expect([format, seen]).toEqual([expect.stringMatching(LENIENT), thumbprintOf(one)]);
    }
  });

  it('is refused in any encoding that is not its DER, instead of hashed (A10)', () => {
    const body = one.subarray(4);
    const ends = one.subarray(0, 2);
    const variants = {
      'trailing bytes': Buffer.concat([one, Buffer.alloc(4)]),
      'a long form of the length': Buffer.concat([Buffer.from([0x30, 0x83, 0]), one.subarray(2, 4), body]),
      'an indefinite length': Buffer.concat([Buffer.from([0x30, 0x80]), body, Buffer.alloc(2)]),
      'a set': Buffer.concat([Buffer.from([0x31]), one.subarray(1)]),
      'two in one': Buffer.concat([one, one]),
      'an end that is missing': one.subarray(0, -1),
      'no certificate': Buffer.from([0x30, 0x03, 0x02, 0x01, 0x01]),
      'a BER length after what is signed': berInside(one),
      'a BER length inside what is signed': berInsideSigned(one),
      'bits after the end of the signature': straySignatureBits(one),
    };
    expect(ends.toString('hex')).toBe('3082');
    for (const [title, der] of Object.entries(variants)) {
      expect([title, outcome(options, rawOf(FORWARDERS[format](der, [])))]).toEqual([title, REFUSED]);
    }
  });

  it('is hashed over exactly the bytes that are written there, whatever is done to the text (A10)', () => {
    const source = createClientCertificateSource(options);
    const texts = [value, rawOf(FORWARDERS[format](two, chain))[1] ?? ''];
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.integer({ min: 0, max: 4 }),
      put: fc.oneof(
        fc.string({ maxLength: 4 }),
        fc.constantFrom(':', ',', ';', '"', '\\"', '%', '%0A', '%00', '+', '=', ' ', '\n', ...texts),
      ),
    });
    const mutant = fc.tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 3 }));
    fc.assert(
      fc.property(mutant, ([text, edits]) => {
        const changed = edits.reduce((now, { at, cut, put }) => {
          const place = Math.floor(at * now.length);
          return now.slice(0, place) + put + now.slice(place + cut);
        }, text);
        const seen = attempt(() => source.read(request(sent(format, changed))));
        if (seen === undefined) return;
        const { certificate } = seen;
        if (certificate === undefined) {
          expect(changed).toBe('');
          return;
        }
        const written = changed.includes('%') ? decodeURIComponent(changed) : changed;
        expect(written.replaceAll(/[\n ]/g, '')).toContain(certificate.der.toString('base64'));
        expect(certificate.der.equals(certificate.certificate.raw)).toBe(true);
        expect(certificate.thumbprint).toBe(thumbprintOf(certificate.der));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});

/** The same certificate, with the length of its signature algorithm in a long form. */
function berInside(der: Buffer): Buffer {
  const length = der.readUInt16BE(2) + 1;
  const tbsEnd = 4 + 4 + der.readUInt16BE(6);
  const algorithm = der.readUInt8(tbsEnd + 1);
  const head = Buffer.from([0x30, 0x82, length >> 8, length & 0xff]);
  const long = Buffer.from([0x30, 0x81, algorithm]);
  return Buffer.concat([head, der.subarray(4, tbsEnd), long, der.subarray(tbsEnd + 2)]);
}

/** The same certificate, with the length of its serial number in a long form: OpenSSL would keep that as it is. */
function berInsideSigned(der: Buffer): Buffer {
  const serialAt = 13;
  const head = Buffer.from(der.subarray(0, 8));
  head.writeUInt16BE(head.readUInt16BE(2) + 1, 2);
  head.writeUInt16BE(head.readUInt16BE(6) + 1, 6);
  expect(der[serialAt]).toBe(0x02);
  const long = Buffer.from([0x02, 0x81, der.readUInt8(serialAt + 1)]);
  return Buffer.concat([head, der.subarray(8, serialAt), long, der.subarray(serialAt + 2)]);
}

/** The same certificate, saying that its signature ends four bits earlier, and writing something there. */
function straySignatureBits(der: Buffer): Buffer {
  const changed = Buffer.from(der);
  const tbsEnd = 8 + der.readUInt16BE(6);
  const bitsAt = tbsEnd + 2 + der.readUInt8(tbsEnd + 1);
  expect(changed[bitsAt]).toBe(0x03);
  changed[bitsAt + 2] = 4;
  changed[changed.length - 1] = 0x0f;
  return changed;
}

describe('Client-Cert and Client-Cert-Chain (RFC 9440 §2)', () => {
  const options = behind('rfc9440');
  const leaf = `:${one.toString('base64')}:`;

  it('takes the chain as untrusted hints, at most eight of them (B6)', () => {
    const link = `:${issuing.der.toString('base64')}:`;
    const withChain = (text: string) => outcome(options, ['Client-Cert', leaf, 'Client-Cert-Chain', text]);
    expect(withChain(leaf)).toBe(thumbprintOf(one));
    expect(withChain(Array(8).fill(link).join(', '))).toBe(thumbprintOf(one));
    expect(withChain(Array(9).fill(link).join(','))).toBe(REFUSED);
    for (const text of [
      `${link};a`,
      `${link},`,
      `(${link})`,
      'x',
      `${link}, "a"`,
      `:${Buffer.from('no').toString('base64')}:`,
    ])
      expect([text.slice(-10), withChain(text)]).toEqual([text.slice(-10), REFUSED]);
    expect(
      outcome(options, ['Client-Cert', leaf, 'Client-Cert-Chain', link, 'Client-Cert-Chain', link]),
    ).toBe(REFUSED);
    expect(outcome(options, ['Client-Cert', leaf, 'client_cert_chain', link])).toBe(REFUSED);
    expect(outcome(options, ['Client-Cert-Chain', link])).toBe('none');
  });

  it('reads no chain from Caddy, which lets the client’s own one through', () => {
    const source = createClientCertificateSource(behind('caddy'));
    const { intermediates } = source.read(request(['Client-Cert', leaf, 'Client-Cert-Chain', leaf]));
    expect(intermediates).toEqual([]);
  });

  it('accepts nothing that a structured field parser reads otherwise (RFC 8941 §4.2)', () => {
    const piece = fc.constantFrom(':', one.toString('base64'), 'AAAA', '=', ',', ' ', ';a', '"', '?1', '\t');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join('');
        const format: ProxyFormat = PROXY_FORMATS.rfc9440;
        const accepted = attempt(() => format.parse(text));
        if (accepted !== undefined) {
          const [bytes, parameters] = parseItem(text);
          expect(Buffer.from(bytes as ArrayBuffer).equals(accepted[0] ?? Buffer.alloc(0))).toBe(true);
          expect(parameters.size).toBe(0);
        }
        const list = attempt(() => format.parseChain?.(text));
        if (list !== undefined) expect(parseList(text)).toHaveLength(list.length);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isRefusal(error, REFUSED)) return undefined;
    throw error;
  }
}
