import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { parseCertificate, parsePem } from '../../../src/x509/certificate/certificate.ts';
import {
  decodeName,
  formatName,
  namesEqual,
  parseName,
} from '../../../src/x509/certificate/distinguished-name.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import { matchesSubject, type SubjectProperty } from '../../../src/x509/certificate/subject-property.ts';
import * as factory from '../certificate-factory.ts';
import { general, issue, NOW, pssSigner, rsaKeys } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { mutantsOf } from '../mutants.ts';

const SEED = 5280;

/** The value, or undefined when it was refused; any other exception is the fault that is looked for. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

const root = issue('authority', 'root', { keys: rsaKeys() });
const uri = general.uri('http://ca.example/x');
const rich = issue('end entity', 'tpp', {
  issuer: root,
  signer: pssSigner('sha256', 32),
  extra: [
    factory.subjectAltName(
      general.dns('a.example'),
      general.email('a@a.example'),
      general.ip(1, 2, 3, 4),
      uri,
    ),
    factory.policies('1.2.3', '2.5.29.32.0'),
    factory.extension('2.5.29.31', der.sequence(der.sequence(der.context(0, der.context(0, uri))))),
    factory.extension('1.3.6.1.5.5.7.1.1', der.sequence(der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), uri))),
  ],
});
const constrained = issue('authority', 'issuing', {
  extra: [
    factory.nameConstraints({
      permitted: [general.dns('a.example')],
      excluded: [general.ip(1, 2, 3, 4, 255, 0, 0, 0)],
    }),
    factory.extension(
      '2.5.29.36',
      der.sequence(der.field(0, Buffer.from([1])), der.field(1, Buffer.from([2]))),
      true,
    ),
    factory.extension('2.5.29.33', der.sequence(der.sequence(der.oid('1.2.3'), der.oid('1.2.4')))),
    factory.extension('2.5.29.54', der.integer(1), true),
  ],
});

describe('whatever the bytes', () => {
  it('parseCertificate refuses or reads, and what it reads has the bytes it was given', () => {
    fc.assert(
      fc.property(
        fc.oneof(mutantsOf(rich.der, constrained.der), fc.uint8Array({ maxLength: 200 })),
        (bytes) => {
          const certificate = attempt(() => parseCertificate(bytes));
          if (certificate !== undefined) expect(certificate.der.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 30_000, seed: SEED },
    );
  });

  it('verifyPath accepts no certificate whose signed part was changed', () => {
    const options = { anchors: [root.certificate], intermediates: [], at: NOW, policy: TLS_CLIENT_POLICY };
    fc.assert(
      fc.property(mutantsOf(rich.der), (bytes) => {
        const path = attempt(() => verifyPath(parseCertificate(bytes), options));
        if (path !== undefined) expect(path.certificates[0]?.tbs.equals(rich.certificate.tbs)).toBe(true);
      }),
      { numRuns: 10_000, seed: SEED },
    );
  });

  it('verifyPath refuses or accepts, whatever the authority and the anchor say', () => {
    fc.assert(
      fc.property(mutantsOf(constrained.der), mutantsOf(root.der), (authority, anchor) => {
        const anchors = [anchor, authority].flatMap((one) => attempt(() => parseCertificate(one)) ?? []);
        const leaf = issue('end entity', 'tpp', { issuer: constrained }).certificate;
        attempt(() =>
          verifyPath(leaf, { anchors, intermediates: anchors, at: NOW, policy: TLS_CLIENT_POLICY }),
        );
      }),
      { numRuns: 3000, seed: SEED },
    );
  });

  it('decodeName refuses or reads, and writes what it reads back to the same name', () => {
    const names = ['a', 'a,b=c+d', ' #x ', '\0\u202e', 'ä𝐀'].map((text) => factory.named(text));
    fc.assert(
      fc.property(mutantsOf(...names), (bytes) => {
        const name = attempt(() => decodeName(bytes));
        if (name === undefined || name.rdns.some((rdn) => rdn.some(({ der: value }) => value?.[0] === 0x14)))
          return;
        for (const form of ['readable', 'strict'] as const) {
          expect(namesEqual(parseName(formatName(name, form)), name)).toBe(true);
        }
      }),
      { numRuns: 20_000, seed: SEED },
    );
  });
});

describe('whatever the text', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(...' ,+="\\#<>;aA1'), maxLength: 12 }),
  );

  it('parseName reads back every value that formatName wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.array(value, { minLength: 1, maxLength: 3 }), { maxLength: 4 }), (rdns) => {
        const name = decodeName(
          factory.name(...rdns.map((rdn) => rdn.map((text) => ['2.5.4.3', der.utf8(text)] as const))),
        );
        const again = parseName(formatName(name));
        expect(again.rdns.map((rdn) => rdn.map(({ text }) => text))).toEqual(rdns);
      }),
      { numRuns: 10_000, seed: SEED },
    );
  });

  it('parseName, parsePem and matchesSubject refuse or answer', () => {
    const properties: readonly SubjectProperty[] = [
      'tls_client_auth_subject_dn',
      'tls_client_auth_san_dns',
      'tls_client_auth_san_uri',
      'tls_client_auth_san_ip',
      'tls_client_auth_san_email',
    ];
    const line = fc.oneof(
      value,
      fc.constantFrom(
        '-----BEGIN CERTIFICATE-----\n',
        '-----END CERTIFICATE-----\n',
        'AAAA\n',
        'CN=',
        '2.5.4.3=#',
        '::1',
        '%',
      ),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6 }).map((lines) => lines.join('')),
        (text) => {
          attempt(() => parseName(text));
          attempt(() => parsePem(text));
          for (const property of properties) attempt(() => matchesSubject(rich.certificate, property, text));
        },
      ),
      { numRuns: 20_000, seed: SEED },
    );
  });
});
