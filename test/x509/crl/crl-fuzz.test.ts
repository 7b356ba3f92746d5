import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { crlStatus, indexCrl } from '../../../src/x509/crl/crl.ts';
import { general, issue, NOW } from '../certificate-factory.ts';
import * as factory from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { entry, point, writeCrl } from './crl-factory.ts';
import * as der from '../der-writer.ts';
import { mutantsOf } from '../mutants.ts';

const SEED = 5280;
const issuer = issue('authority', 'issuing');
const leaf = issue('end entity', 'tpp', {
  issuer,
  extra: [
    lists.distributionPoints(der.sequence(point.fullName(general.uri('http://ca.example/list.crl')))),
    lists.freshest(der.sequence(point.fullName(general.uri('http://ca.example/delta.crl')))),
  ],
});
const rich = writeCrl({
  issuer,
  entries: [
    entry({ serial: '05', reason: 1, extra: [lists.invalidityDate('20260101000000Z')] }),
    entry({ serial: '0102030405060708090a', reason: 6, extra: [factory.extension('1.2.3', der.nothing)] }),
    entry({ serial: leaf.certificate.serialNumber }),
    entry({
      serial: '77',
      extra: [factory.extension('2.5.29.29', der.sequence(general.directory(factory.named('other'))), true)],
    }),
  ],
  extensions: [
    factory.authorityKeyId(factory.keyIdOf(issuer.keys.publicKey)),
    lists.crlNumber(70_000),
    lists.issuingPoint(
      point.fullName(general.uri('http://ca.example/list.crl')),
      point.onlyUser,
      point.onlySomeReasons(1),
    ),
    lists.freshest(der.sequence(point.relativeName(der.sequence(der.oid('2.5.4.3'), der.utf8('delta'))))),
  ],
});
const plain = writeCrl({ issuer, entries: [entry({ serial: leaf.certificate.serialNumber, reason: 4 })] });

/** The value, or undefined when it was refused; any other exception is the fault that is looked for. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isRefusal(error, 'ERR_CRL_MALFORMED', 'ERR_CRL_UNTRUSTED')) return undefined;
    throw error;
  }
}

const ask = (list: ReturnType<typeof indexCrl>) =>
  crlStatus(leaf.certificate, { issuer: issuer.certificate, crls: [list], at: NOW, deltas: 'optional' });

describe('whatever the bytes', () => {
  it('indexCrl refuses or reads, and every entry that it counts has a place', () => {
    fc.assert(
      fc.property(fc.oneof(mutantsOf(rich, plain), fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const list = attempt(() => indexCrl(bytes));
        if (list !== undefined) expect(ask(list).status).toMatch(/^(good|revoked|unknown)$/);
      }),
      { numRuns: 40_000, seed: SEED },
    );
  });

  it('a list whose signed part was changed says nothing', () => {
    fc.assert(
      fc.property(mutantsOf(plain), (bytes) => {
        const list = attempt(() => indexCrl(bytes));
        if (list === undefined) return;
        expect(ask(list).status).toBe(bytes.equals(plain) ? 'revoked' : 'unknown');
      }),
      { numRuns: 10_000, seed: SEED },
    );
  });
});

describe('a list of any serial numbers', () => {
  const serial = fc.oneof(
    fc.bigInt({ min: 1n, max: 2n ** 160n - 1n }),
    fc.bigInt({ min: 1n, max: 70_000n }),
    fc.bigInt({ min: 2n ** 64n, max: 2n ** 64n + 3000n }),
    // All in one bucket, or in one but for the others.
    fc.bigInt({ min: 1n, max: 3000n }).map((high) => (high << 64n) + 7n),
  );
  const octets = (value: bigint): string => {
    const hex = value.toString(16);
    return hex.padStart(hex.length + (hex.length % 2), '0');
  };

  it('finds each of them, with its date and reason, and no other', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(serial, { minLength: 1, maxLength: 1500, size: 'max' }),
        fc.array(serial, { maxLength: 200, size: 'max' }),
        (listed, others) => {
          const dateOf = (index: number): Date => new Date(Date.UTC(1951, 0, 1) + index * 86_400_000 * 29);
          const entries = listed.map((one, index) =>
            entry({ serial: octets(one), reason: index % 7, revokedAt: dateOf(index % 1000) }),
          );
          const list = indexCrl(writeCrl({ issuer, entries }));
          for (const [index, one] of listed.entries()) {
            expect(list.find(octets(one))?.revokedAt).toEqual(dateOf(index % 1000));
          }
          for (const other of others) {
            if (!listed.includes(other)) expect(list.find(octets(other))).toBeUndefined();
          }
        },
      ),
      { numRuns: 30, seed: SEED },
    );
  });

  it('of more than 65,536 entries, too', () => {
    const count = 80_000;
    const one = entry({ serial: '40000000000000000000', reason: 1 });
    const all = Buffer.alloc(count * one.length);
    const serialOf = (index: number): string =>
      (0x4000n + BigInt(index) * 257n).toString(16).padStart(20, '4');
    for (let index = 0; index < count; index += 1) {
      one.copy(all, index * one.length);
      all.write(serialOf(index), index * one.length + 4, 'hex');
    }
    const list = indexCrl(writeCrl({ issuer, raw: { entries: der.sequence(all) } }));
    expect(list.count).toBe(count);
    const missing = Array.from({ length: count }, (_one, index) => index).filter(
      (index) => list.find(serialOf(index)) === undefined,
    );
    expect(missing).toEqual([]);
    expect(list.find(0x4001n.toString(16).padStart(20, '4'))).toBeUndefined();
  });
});
