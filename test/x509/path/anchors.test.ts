import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parseAnchor, parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { CrlIndexer } from '../../../src/x509/crl/crl-indexer.ts';
import {
  findAnchorRefusal,
  type PathPolicy,
  TLS_CLIENT_POLICY,
  verifyPath,
} from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import {
  general,
  issue,
  type IssueOptions,
  NOW,
  type Party,
  policies,
  write,
} from '../certificate-factory.ts';
import { corpus, readCorpus } from '../corpora.ts';
import { writeCrl } from '../crl/crl-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

/** A CA with the options, as an anchor of the configuration. */
function anchorOf(options: IssueOptions): Party {
  const keys = options.keys ?? factory.ecKeys();
  const name = factory.named('anchor');
  const bytes = write('authority', { ...options, keys, subject: name });
  return { der: bytes, certificate: parseAnchor(bytes), keys, name };
}

function below(anchor: Party, policy: Partial<PathPolicy> = {}, leaf: IssueOptions = {}) {
  const { certificate } = issue('end entity', 'tpp', { ...leaf, issuer: anchor });
  const options = { anchors: [anchor.certificate], intermediates: [], at: NOW };
  return () => verifyPath(certificate, { ...options, policy: { ...TLS_CLIENT_POLICY, ...policy } });
}

const criticalFalse = (type: string, value: Buffer): Buffer =>
  der.sequence(der.oid(type), der.boolean(false), der.octetString(value));
const badMail = factory.subjectAltName(general.email('mail: ca@acme.example'));
const rsaOfExponent = (exponent: number) => factory.rsaKeys(2048, exponent);

const faults: readonly (readonly [what: string, options: IssueOptions, refused: string])[] = [
  ['serial number 0', { raw: { serial: der.integer(0) } }, 'ERR_CERT_MALFORMED'],
  ['a negative serial number', { raw: { serial: der.tlv(2, Buffer.from([0xff])) } }, 'ERR_CERT_MALFORMED'],
  [
    'a serial number of 20 octets and a sign octet',
    { raw: { serial: der.tlv(2, Buffer.concat([Buffer.from([0]), Buffer.alloc(20, 0xc4)])) } },
    'ERR_CERT_MALFORMED',
  ],
  ['an rfc822Name that is no mailbox', { extra: [badMail] }, 'ERR_CERT_MALFORMED'],
  ['an RSA exponent below 2^16', { keys: rsaOfExponent(0x88b7) }, 'ERR_CERT_WEAK_KEY'],
  ['no keyUsage, as openssl req -x509 makes it', { without: ['2.5.29.15'] }, 'ERR_CERT_PROFILE'],
  ['no subjectKeyIdentifier', { without: ['2.5.29.14'] }, 'ERR_CERT_PROFILE'],
  [
    'basicConstraints that are not critical',
    { extra: [factory.basicConstraints(true, undefined, false)] },
    'ERR_CERT_PROFILE',
  ],
  [
    'critical FALSE written out',
    { extra: [criticalFalse('2.5.29.32', der.sequence(der.sequence(der.oid('2.5.29.32.0'))))] },
    'ERR_CERT_MALFORMED',
  ],
];

describe('an anchor counts with its name, key and constraints (RFC 5280 section 6.1.1 (d))', () => {
  it.each(faults)('%s: is accepted of an anchor, and of no intermediate', (_what, options, refused) => {
    const anchor = anchorOf(options);
    expect(outcomeOf(below(anchor))).toBe('accepted');
    expect(findAnchorRefusal(anchor.certificate, { at: NOW, policy: TLS_CLIENT_POLICY })).toBeUndefined();

    const root = issue('authority', 'root');
    const keys = options.keys ?? anchor.keys;
    const middle = write('authority', { ...options, keys, subject: factory.named('middle'), issuer: root });
    const issuer = { keys, name: factory.named('middle') };
    const leaf = issue('end entity', 'tpp', { issuer });
    const decide = () =>
      verifyPath(leaf.certificate, {
        anchors: [root.certificate],
        intermediates: [parseCertificate(middle)],
        at: NOW,
        policy: TLS_CLIENT_POLICY,
      });
    expect(outcomeOf(decide)).toBe(refused);
  });

  it('no fault is accepted of an end entity', () => {
    const root = anchorOf({});
    const serial = der.integer(0);
    expect(outcomeOf(() => issue('end entity', 'tpp', { issuer: root, raw: { serial } }))).toBe(
      'ERR_CERT_MALFORMED',
    );
    const keys = rsaOfExponent(0x88b7);
    expect(outcomeOf(below(root, {}, { keys }))).toBe('ERR_CERT_WEAK_KEY');
  });

  it('a dNSName constraint with a leading period holds for the names below it', () => {
    const permitted = [general.dns('.acme.example')];
    const anchor = anchorOf({ extra: [factory.nameConstraints({ permitted })] });
    const named = (host: string) =>
      outcomeOf(below(anchor, {}, { extra: [factory.subjectAltName(general.dns(host))] }));
    expect(named('tpp.acme.example')).toBe('accepted');
    for (const host of ['acme.example', 'evilacme.example', 'tpp.example']) {
      expect([host, named(host)]).toEqual([host, 'ERR_CERT_NAME_CONSTRAINTS']);
    }
  });

  const refusing: readonly (readonly [what: string, options: IssueOptions, code: string])[] = [
    ['RSA of 1024 bits', { keys: factory.rsaKeys(1024) }, 'ERR_CERT_WEAK_KEY'],
    ['a curve that is not supported', { keys: factory.ecKeys('secp256k1') }, 'ERR_CERT_KEY_UNSUPPORTED'],
    ['an end', { notAfter: new Date('2026-02-01') }, 'ERR_CERT_EXPIRED'],
    ['a key usage without keyCertSign', { extra: [factory.keyUsage(6)] }, 'ERR_CERT_KEY_USAGE'],
    [
      'an extended key usage of another purpose',
      { extra: [factory.extendedKeyUsage(factory.PURPOSE.serverAuth)] },
      'ERR_CERT_EXTENDED_KEY_USAGE',
    ],
    [
      'an unknown critical extension, which may be a constraint',
      { extra: [factory.extension('1.2.3.4', der.nothing, true)] },
      'ERR_CERT_CRITICAL_EXTENSION',
    ],
    [
      'a constraint that cannot be read for certain',
      { extra: [factory.nameConstraints({ permitted: [general.dns('a b')] })] },
      'ERR_CERT_NAME_CONSTRAINTS',
    ],
  ];
  it.each(refusing)('%s: refuses every path, and is found at the start', (_what, options, code) => {
    const anchor = anchorOf(options);
    expect(outcomeOf(below(anchor))).toBe(code);
    const refusal = findAnchorRefusal(anchor.certificate, { at: NOW, policy: TLS_CLIENT_POLICY });
    expect(refusal?.code).toBe(code);
  });

  it('its constraints hold: path length, and name constraints of any form', () => {
    const anchor = anchorOf({ extra: [factory.basicConstraints(true, 0)] });
    const middle = issue('authority', 'middle', { issuer: anchor });
    const leaf = issue('end entity', 'tpp', { issuer: middle });
    const decide = () =>
      verifyPath(leaf.certificate, {
        anchors: [anchor.certificate],
        intermediates: [middle.certificate],
        at: NOW,
        policy: TLS_CLIENT_POLICY,
      });
    expect(outcomeOf(decide)).toBe('ERR_CERT_PATH_LENGTH');
    const elsewhere = factory.nameConstraints({ excluded: [general.directory(factory.named('tpp'))] });
    expect(outcomeOf(below(anchorOf({ extra: [elsewhere] })))).toBe('ERR_CERT_NAME_CONSTRAINTS');
  });
});

describe('the policies of an anchor are the only ones of its paths (RFC 5937 section 3.2)', () => {
  const [GOLD, SILVER, ANY] = ['1.2.3.1', '1.2.3.2', '2.5.29.32.0'];
  const stated = (...oids: readonly string[]): IssueOptions => ({ extra: [policies(...oids)] });
  const explicit = { requireExplicitPolicy: true };
  const accepting = (...acceptedPolicies: readonly string[]) => ({ ...explicit, acceptedPolicies });
  it.each<readonly [string, IssueOptions, IssueOptions, Partial<PathPolicy>, string]>([
    ['the same', stated(GOLD), stated(GOLD), explicit, 'accepted'],
    ['another', stated(GOLD), stated(SILVER), explicit, 'ERR_CERT_POLICY'],
    ['one of two', stated(GOLD), stated(GOLD, SILVER), accepting(GOLD), 'accepted'],
    ['the other of two', stated(GOLD), stated(GOLD, SILVER), accepting(SILVER), 'ERR_CERT_POLICY'],
    ['an anchor of any policy', stated(ANY), stated(SILVER), explicit, 'accepted'],
    ['an anchor without policies', {}, stated(SILVER), explicit, 'accepted'],
    ['another, where no policy is asked for', stated(GOLD), stated(SILVER), {}, 'accepted'],
  ])('%s', (_what, anchor, leaf, policy, expected) => {
    expect(outcomeOf(below(anchorOf(anchor), policy, leaf))).toBe(expected);
  });

  it('the path is valid under these only', () => {
    const path = below(anchorOf(stated(GOLD)), {}, stated(GOLD, SILVER))();
    expect(path.policies).toEqual([GOLD]);
  });
});

const inWorker = new CrlIndexer({ maxInlineBytes: 0 });
afterAll(() => inWorker.close());

it('a CRL that an anchor with serial number 0 and a small exponent signed is indexed, by a worker too', async () => {
  const keys = rsaOfExponent(0xf301);
  const anchor = anchorOf({ keys, raw: { serial: der.integer(0) } });
  const bytes = writeCrl({ issuer: anchor, signer: factory.rsaSigner() });
  const list = await inWorker.index(bytes, [anchor.certificate]);
  expect(list.findSignerProblem(anchor.certificate)).toBeUndefined();
});

const lists = corpus('trusted-lists');

/** DER of every CA that the national lists of 2023 grant for website authentication. */
function grantedForWebsites(): readonly Buffer[] {
  const found = new Map<string, Buffer>();
  for (const file of readdirSync(lists.path).filter((name) => /^[A-Z]{2}-2023\.xml$/.test(name))) {
    const text = readCorpus('trusted-lists', file);
    for (const [service] of text.matchAll(/<(?:\w+:)?TSPService>[\s\S]*?<\/(?:\w+:)?TSPService>/g)) {
      const [now = ''] = service.split(/<(?:\w+:)?ServiceHistory/);
      const isGranted = [/Svctype\/CA\/QC/, /Svcstatus\/granted/, /ForWebSiteAuthentication/];
      if (!isGranted.every((pattern) => pattern.test(now))) continue;
      for (const [, base64 = ''] of now.matchAll(/X509Certificate>\s*([^<\s][^<]*)</g)) {
        found.set(base64, Buffer.from(base64, 'base64'));
      }
    }
  }
  return [...found.values()];
}

describe.skipIf(lists.isMissing)(`real issuing CAs: ${lists.title}`, () => {
  it('all that are granted for website authentication can be anchors, but for their dates', () => {
    const at = new Date('2023-06-01T00:00:00Z');
    const refusals = grantedForWebsites().flatMap(
      (bytes) => findAnchorRefusal(parseAnchor(bytes), { at, policy: TLS_CLIENT_POLICY })?.code ?? [],
    );
    expect(grantedForWebsites().length).toBeGreaterThan(90);
    expect(new Set(refusals)).toEqual(new Set(['ERR_CERT_EXPIRED', 'ERR_CERT_NOT_YET_VALID']));
    expect(refusals.length).toBeLessThan(4);
  });
});
