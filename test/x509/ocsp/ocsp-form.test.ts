import { describe, expect, it } from 'vitest';
import { ocspStatus, parseOcspResponse, writeOcspRequest } from '../../../src/x509/ocsp/ocsp.ts';
import * as factory from '../certificate-factory.ts';
import { issue, NOW } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import * as ocsp from './ocsp-factory.ts';
import { answer, certId, STATUS, single } from './ocsp-factory.ts';
import { outcomeOf } from '../refusals.ts';

const issuer = issue('authority', 'issuing');
const tpp = issue('end entity', 'tpp', { issuer });
const other = issue('end entity', 'other', { issuer });
const noCheck = factory.extension('1.3.6.1.5.5.7.48.1.5', der.nothing);
const id = certId(tpp, issuer);
const good = single(id);

describe('an OCSP response is refused as malformed', () => {
  const right = answer({ singles: [good], by: issuer });
  it.each([
    ['empty', Buffer.alloc(0)],
    ['HTML', Buffer.from('<html>captive portal</html>')],
    ['followed by a byte', Buffer.concat([right, Buffer.from([0])])],
    ['cut short', right.subarray(0, -1)],
    ['successful without an answer', ocsp.failure(0)],
    ['of status 4', ocsp.failure(4)],
    ['of status 7', ocsp.failure(7)],
    ['a failure with an answer', Buffer.from(right.with(right.indexOf(Buffer.from([0x0a, 1, 0])) + 2, 3))],
    ['of another type', answer({ singles: [good], by: issuer, responseType: '1.2.3' })],
    ['of version 2', answer({ singles: [good], by: issuer, version: der.context(0, der.integer(1)) })],
    ['with an extension twice', answer({ singles: [good], by: issuer, extensions: [noCheck, noCheck] })],
    [
      'with a status of 3 octets',
      answer({ singles: [single(id, { status: der.field(0, Buffer.alloc(3)) })], by: issuer }),
    ],
    [
      'with a reason that is none',
      answer({ singles: [single(id, { status: STATUS.revoked(NOW, 7) })], by: issuer }),
    ],
    [
      'with 33 certificates',
      answer({ singles: [good], by: issuer, certificates: Array(33).fill(other.der) }),
    ],
    [
      'with a fraction that is none',
      answer({ singles: [good], by: issuer, producedAt: ocsp.timeWithFraction(NOW, '.') }),
    ],
    [
      'with a fraction of ten digits',
      answer({ singles: [good], by: issuer, producedAt: ocsp.timeWithFraction(NOW, '.1234567890') }),
    ],
    ['of 140 kB', answer({ singles: [good], by: issuer, extensions: [ocsp.nonce(Buffer.alloc(140_000))] })],
  ])('%s', (_what, bytes) => {
    expect(outcomeOf(() => parseOcspResponse(bytes))).toBe('ERR_OCSP_MALFORMED');
  });
});

describe('an OCSP request', () => {
  it('names the certificate by the hash that is asked for, and carries the nonce (RFC 6960 §4.1)', () => {
    const pair = { certificate: tpp.certificate, issuer: issuer.certificate };
    const list = (hash: string) => der.sequence(der.sequence(certId(tpp, issuer, { hash })));
    expect(writeOcspRequest(pair, { hash: 'sha1' })).toEqual(der.sequence(der.sequence(list('sha1'))));
    const nonce = Buffer.alloc(32, 1);
    const extensions = der.context(2, der.sequence(ocsp.nonce(nonce)));
    expect(writeOcspRequest(pair, { hash: 'sha256', nonce })).toEqual(
      der.sequence(der.sequence(list('sha256'), extensions)),
    );
  });

  it('writes a serial number with its top bit set as a positive number', () => {
    const serial = 0xff_00_00_00_00_00_00_01n;
    const high = issue('end entity', 'high', { issuer, raw: { serial: der.integer(serial) } });
    const request = writeOcspRequest(
      { certificate: high.certificate, issuer: issuer.certificate },
      { hash: 'sha1' },
    );
    expect(request.includes(der.integer(serial))).toBe(true);
    const bytes = answer({ singles: [single(certId(high, issuer))], by: issuer });
    const about = { certificate: high.certificate, issuer: issuer.certificate, at: NOW };
    expect(ocspStatus(parseOcspResponse(bytes), about).status).toBe('good');
    const negative = der.tlv(0x02, Buffer.from(high.certificate.serialNumber, 'hex'));
    const singles = [single(certId(high, issuer, { serial: negative }))];
    expect(ocspStatus(parseOcspResponse(answer({ singles, by: issuer })), about).status).toBe('unknown');
  });
});
