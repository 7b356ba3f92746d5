import { describe, expect, it } from 'vitest';
import { parsePem } from '../../../src/x509/certificate/certificate.ts';
import { writeCertificate } from '../certificate-factory.ts';
import { outcomeOf } from '../refusals.ts';

const der = writeCertificate({});
const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
const pem = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;

describe('a PEM text (RFC 7468)', () => {
  it.each([
    ['one block', pem, 1],
    ['CRLF', pem.replaceAll('\n', '\r\n'), 1],
    ['no line end at the very end', pem.trimEnd(), 1],
    ['two blocks', pem + pem, 2],
    ['blank lines between', `\n${pem}\n\n${pem}`, 2],
    ['one long line', pem.replace(lines, lines.replaceAll('\n', '')), 1],
  ])('D28: is read with %s', (_what, text, count) => {
    const blocks = parsePem(text);
    expect(blocks).toHaveLength(count);
    for (const block of blocks) expect(block.equals(der)).toBe(true);
  });

  it.each([
    ['another label', pem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE')],
    ['two labels', pem.replace('END CERTIFICATE', 'END X509 CRL')],
    ['junk before', `subject=CN=x\n${pem}`],
    ['junk after', `${pem}x`],
    ['junk between', `${pem}# next\n${pem}`],
    ['no line end between two', pem.trimEnd() + pem],
    ['no line end after the label', pem.replace('-----\n', '-----')],
    ['a header', pem.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n')],
    ['a space in a line', pem.replace('\nMII', '\nM II')],
    ['no padding', pem.replace(lines, 'AAA')],
    ['spare bits set', pem.replace(lines, 'AAB=')],
    ['base64url', pem.replace(lines, '-_-_')],
    ['an empty block', pem.replace(`${lines}\n`, '')],
    ['nothing', ''],
    ['two with a comma', `${pem.trim()},${pem.trim()}`],
  ])('D28: is refused with %s', (_what, text) => {
    expect(outcomeOf(() => parsePem(text))).toBe('ERR_CERT_MALFORMED');
  });
});
