import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { type OcspResponse, ocspStatus, parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';
import * as factory from '../certificate-factory.ts';
import { issue, NOW } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { mutantsOf } from '../mutants.ts';
import * as ocsp from './ocsp-factory.ts';

const SEED = 6960;
const issuer = issue('authority', 'issuing');
const tpp = issue('end entity', 'tpp', { issuer });
const delegate = issue('end entity', 'responder', {
  issuer,
  extra: [
    factory.extendedKeyUsage('1.3.6.1.5.5.7.3.9'),
    factory.extension('1.3.6.1.5.5.7.48.1.5', der.nothing),
  ],
});
const id = ocsp.certId(tpp, issuer);
const extensions = [ocsp.nonce(Buffer.alloc(32, 1)), factory.extension('1.2.3', der.nothing)];
const revoked = ocsp.single(id, { status: ocsp.STATUS.revoked(ocsp.minutes(-9), 1), extensions });
const rich = ocsp.answer({
  singles: [ocsp.single(id, { extensions: [factory.extension('1.2.4', der.nothing)] }), revoked],
  by: delegate,
  responderId: ocsp.byKey(delegate),
  extensions,
  certificates: [delegate.der],
});
const plain = ocsp.answer({
  singles: [ocsp.single(id)],
  by: delegate,
  certificates: [delegate.der],
});
const about = { certificate: tpp.certificate, issuer: issuer.certificate, at: NOW };

/** The response, or undefined when it was refused; any other exception is the fault that is looked for. */
function attempt(bytes: Uint8Array): OcspResponse | undefined {
  try {
    return parseOcspResponse(bytes);
  } catch (error) {
    if (isRefusal(error, 'ERR_OCSP_MALFORMED')) return undefined;
    throw error;
  }
}

const tbsOf = (response: OcspResponse | undefined): Buffer | undefined =>
  response?.responseStatus === 'successful' ? response.basic.tbs : undefined;

describe('whatever the bytes of an OCSP response', () => {
  it('they are refused as malformed or judged, within 50 ms each', () => {
    let slowest = 0;
    fc.assert(
      fc.property(fc.oneof(mutantsOf(rich, plain), fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const before = performance.now();
        const response = attempt(bytes);
        if (response !== undefined) ocspStatus(response, about);
        slowest = Math.max(slowest, performance.now() - before);
      }),
      { numRuns: 20_000, seed: SEED },
    );
    // A pause of the machine is not the parser's: what is looked for takes seconds.
    expect(slowest).toBeLessThan(1000);
  });

  it('only those say anything whose signed part is as it was signed', () => {
    fc.assert(
      fc.property(mutantsOf(plain, rich), (bytes) => {
        const response = attempt(bytes);
        if (response === undefined) return;
        if (ocspStatus(response, about).status === 'unknown') return;
        const tbs = tbsOf(response);
        expect([plain, rich].some((one) => tbs !== undefined && tbsOf(attempt(one))?.equals(tbs))).toBe(true);
      }),
      { numRuns: 10_000, seed: SEED + 1 },
    );
  });
});
