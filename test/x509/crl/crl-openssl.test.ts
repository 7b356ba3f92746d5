import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { crlStatus, indexCrl } from '../../../src/x509/crl/crl.ts';
import * as factory from '../certificate-factory.ts';
import { general, issue, NOW, type Party } from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { entry, point, writeCrl } from './crl-factory.ts';
import * as der from '../der-writer.ts';

const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '';
const isMissing = !/^OpenSSL 3\./.test(version);
const folder = mkdtempSync(join(tmpdir(), 'crls-'));
afterAll(() => rmSync(folder, { recursive: true }));

const root = issue('authority', 'root');
const URI = general.uri('http://ca.example/list.crl');
const aPoint = lists.distributionPoints(der.sequence(point.fullName(URI)));
const leaves: Readonly<Record<string, Party>> = {
  plain: issue('end entity', 'tpp', { issuer: root }),
  pointed: issue('end entity', 'tpp', { issuer: root, extra: [aPoint] }),
};
const impostor = issue('authority', 'root');
const noUsage = factory.extension('1.2.3.4', der.nothing, true);

type List = Partial<lists.CrlFactoryOptions>;
const idp = (...parts: Buffer[]): List => ({
  extensions: [lists.crlNumber(2), lists.issuingPoint(...parts)],
});

/** What may be said otherwise about a list; `serial` is that of the certificate asked about. */
const CHANGES: Readonly<Record<string, (serial: string) => List>> = {
  nothing: () => ({}),
  'names others': () => ({ entries: ['05', '0102030405'].map((serial) => entry({ serial, reason: 1 })) }),
  'names it': (serial) => ({ entries: [entry({ serial })] }),
  'names it with a reason': (serial) => ({
    entries: [entry({ serial: '05' }), entry({ serial, reason: 4 })],
  }),
  'names it twice': (serial) => ({ entries: [entry({ serial, reason: 6 }), entry({ serial, reason: 1 })] }),
  'holds it': (serial) => ({ entries: [entry({ serial, reason: 6 })] }),
  'removes it': (serial) => ({ entries: [entry({ serial, reason: 8 })] }),
  'is past its next update': () => ({ nextUpdate: new Date('2026-06-15T11:59:59Z') }),
  'is of the future': () => ({ thisUpdate: new Date('2026-06-15T12:00:01Z') }),
  'has no next update': () => ({ nextUpdate: undefined }),
  'is of an impostor': () => ({ issuer: impostor }),
  'is of another name': () => ({ raw: { issuer: factory.named('other') } }),
  'has a broken signature': () => ({
    raw: { signature: (right) => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1)) },
  }),
  'is signed with SHA-1': () => ({ signer: factory.ecdsaSigner('sha1') }),
  'has an unknown extension': () => ({ extensions: [factory.extension('1.2.3.4', der.nothing)] }),
  'has an unknown critical extension': () => ({ extensions: [noUsage] }),
  'has an unknown critical entry extension': () => ({ entries: [entry({ serial: '05', extra: [noUsage] })] }),
  'is for end entities': () => idp(point.onlyUser),
  'is for authorities': () => idp(point.onlyCa),
  'is for attribute certificates': () => idp(point.onlyAttribute),
  'is of the point': () => idp(point.fullName(URI)),
  'is of another point': () => idp(point.fullName(general.uri('http://ca.example/other.crl'))),
  'is for some reasons': () => idp(point.onlySomeReasons(1, 2)),
  'is indirect': () => idp(point.indirect),
  'is a delta': () => ({ extensions: [lists.crlNumber(2), lists.deltaIndicator(1)] }),
  'is version 1': () => ({ extensions: [], raw: { version: Buffer.alloc(0) } }),
};

function pem(name: string, label: string, bytes: Buffer): string {
  const body = bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  writeFileSync(join(folder, name), `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`);
  return join(folder, name);
}

function ours(leaf: Party, ...some: Buffer[]): string {
  try {
    return crlStatus(leaf.certificate, {
      issuer: root.certificate,
      crls: some.map((list) => indexCrl(list)),
      at: NOW,
      maxAgeSeconds: 86_400,
    }).status;
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

/** `openssl verify` fails for a certificate that is revoked, and for one of which the list does not tell. */
function theirs(leaf: Party, list: Buffer): { isAccepted: boolean; isRevoked: boolean; said: string } {
  const files = [
    '-CAfile',
    pem('root.pem', 'CERTIFICATE', root.der),
    '-CRLfile',
    pem('crl.pem', 'X509 CRL', list),
  ];
  const strictly = [
    '-x509_strict',
    '-crl_check',
    '-extended_crl',
    '-auth_level',
    '2',
    '-no-CApath',
    '-no-CAstore',
  ];
  const { status, stdout, stderr } = spawnSync(
    'openssl',
    [
      'verify',
      ...strictly,
      '-attime',
      String(NOW.getTime() / 1000),
      ...files,
      pem('leaf.pem', 'CERTIFICATE', leaf.der),
    ],
    { encoding: 'utf8' },
  );
  const said = `${stdout}${stderr}`;
  return { isAccepted: status === 0, isRevoked: said.includes('certificate revoked'), said };
}

const title = `beside openssl verify -crl_check${isMissing ? ' (skipped: no OpenSSL 3)' : ''}`;

describe.skipIf(isMissing)(title, () => {
  const rows = Object.keys(leaves).flatMap((who) => Object.keys(CHANGES).map((what) => [who, what] as const));

  it.each(rows)('is not looser: %s, a list that %s', (who, what) => {
    const leaf = leaves[who];
    const change = CHANGES[what];
    if (leaf === undefined || change === undefined) throw new Error('no such row');
    const list = writeCrl({ issuer: root, ...change(leaf.certificate.serialNumber) });
    const verdict = ours(leaf, list);
    const { isAccepted, isRevoked, said } = theirs(leaf, list);
    if (verdict === 'good') expect(said).toSatisfy(() => isAccepted);
    // OpenSSL takes removeFromCRL in a complete list for a removal.
    if (verdict === 'revoked' && what !== 'removes it') expect(said).toSatisfy(() => !isAccepted);
    // A revocation that OpenSSL sees is never good here, whatever else is wrong with the list.
    if (isRevoked) expect(verdict).not.toBe('good');
  });

  it('is not looser: any two changes to each of two lists', () => {
    const what = fc.constantFrom(...Object.keys(CHANGES));
    const recipe = fc.record({
      who: fc.constantFrom(...Object.keys(leaves)),
      lists: fc.array(fc.tuple(what, what), { minLength: 1, maxLength: 2 }),
    });
    let good = 0;
    fc.assert(
      fc.property(recipe, ({ who, lists: changes }) => {
        const leaf = leaves[who] ?? root;
        const { serialNumber } = leaf.certificate;
        const some = changes.map(([one, other]) =>
          writeCrl({ issuer: root, ...CHANGES[one]?.(serialNumber), ...CHANGES[other]?.(serialNumber) }),
        );
        if (ours(leaf, ...some) !== 'good') return;
        good += 1;
        // OpenSSL takes one list to ask, and gives up when that is a forged one.
        const isAccepted = some.some((list) => theirs(leaf, list).isAccepted);
        expect({ who, changes, isAccepted }).toEqual({ who, changes, isAccepted: true });
      }),
      { numRuns: 600, seed: 5280 },
    );
    expect(good).toBeGreaterThan(25);
  });

  it('some of these are good, and some revoked', () => {
    const verdicts = rows.map(([who, what]) => {
      const leaf = leaves[who] ?? root;
      return ours(leaf, writeCrl({ issuer: root, ...CHANGES[what]?.(leaf.certificate.serialNumber) }));
    });
    expect(verdicts.filter((one) => one === 'good').length).toBeGreaterThan(6);
    expect(verdicts.filter((one) => one === 'revoked').length).toBeGreaterThan(6);
  });

  it('reads the same entries as openssl crl -text (RFC 5280 section 5.1.2.6)', () => {
    const serials = fc.sample(fc.bigInt({ min: 1n, max: 2n ** 159n - 1n }), { numRuns: 300, seed: 5280 });
    const entries = serials.map((serial, index) =>
      entry({ serial: serial.toString(16), ...(index % 3 === 0 ? {} : { reason: (index % 3) + 2 }) }),
    );
    const bytes = writeCrl({ issuer: root, entries });
    const { stdout } = spawnSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], {
      input: bytes,
      encoding: 'utf8',
    });
    const seen = [...stdout.matchAll(/Serial Number: ([0-9A-F]+)\n\s+Revocation Date: (.+)/g)];
    const list = indexCrl(bytes);
    expect(seen.length).toBe(list.count);
    for (const [, serial = '', date = ''] of seen) {
      expect(list.find(serial.toLowerCase().replace(/^(?:00)+/, ''))?.revokedAt).toEqual(new Date(date));
    }
  });
});
