import { expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { indexCrl } from '../../../src/x509/crl/crl.ts';
import { parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';

function problemOf(parse: (bytes: Buffer) => unknown, text: string): string {
  try {
    parse(Buffer.from(text, 'latin1'));
    return 'accepted';
  } catch (error) {
    const codes = ['ERR_CERT_MALFORMED', 'ERR_CRL_MALFORMED', 'ERR_OCSP_MALFORMED'] as const;
    if (isRefusal(error, ...codes)) return error.details.problem;
    throw error;
  }
}

it.each([
  ['<!DOCTYPE html><title>Sign in</title>', 'it is HTML, not DER'],
  ['\r\n <HTML><body>404</body></HTML>', 'it is HTML, not DER'],
  ['\xef\xbb\xbf<?xml version="1.0"?>', 'it is XML, not DER'],
  ['-----BEGIN X509 CRL-----\n', 'it is PEM, not DER'],
  ['{"error":"not found"}', 'it is JSON, not DER'],
  ['MIIBszCCAVmgAwIBAgI', 'it is base64, not DER'],
  ['', 'it is empty'],
])('a message %j is refused as what it is', (text, problem) => {
  for (const parse of [parseCertificate, parseOcspResponse, (bytes: Buffer) => indexCrl(bytes)]) {
    expect(problemOf(parse, text)).toBe(problem);
  }
});
