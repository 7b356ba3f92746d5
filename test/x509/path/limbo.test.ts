import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import {
  type Certificate,
  parseAnchor,
  parseCertificate,
  parsePem,
} from '../../../src/x509/certificate/certificate.ts';
import { crlStatus, indexCrl } from '../../../src/x509/crl/crl.ts';
import { type PathPolicy, type VerifiedPath, verifyPath } from '../../../src/x509/path/path.ts';
import { matchesSubject } from '../../../src/x509/certificate/subject-property.ts';
import { PURPOSE } from '../certificate-factory.ts';
import { corpus, readCorpus } from '../corpora.ts';

/** The fields of a case that bear on a path (the limbo schema of x509-limbo). */
interface Case {
  readonly id: string;
  readonly validation_kind: 'SERVER' | 'CLIENT';
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly expected_result: 'SUCCESS' | 'FAILURE';
  readonly expected_peer_name: { readonly kind: string; readonly value: string } | null;
  readonly max_chain_depth: number | null;
  readonly crls?: readonly string[];
}

/** Cases without a time are valid for centuries. */
const SOME_TIME = '2026-06-15T12:00:00Z';
const limbo = corpus('x509-limbo');
const cases: readonly Case[] = limbo.isMissing
  ? []
  : JSON.parse(readCorpus('x509-limbo', 'limbo.json')).testcases;
const exceptions: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'limbo-exceptions.json'), 'utf8'),
);

function read(pem: string, parse = parseCertificate): Certificate {
  const [bytes] = parsePem(pem);
  if (bytes === undefined) throw new Error('a PEM has a block');
  return parse(bytes);
}

/** What cannot be read is not there, as in a trust store that is loaded with care. */
function readAny(pems: readonly string[], parse = parseCertificate): Certificate[] {
  return pems.flatMap((pem) => {
    try {
      return [read(pem, parse)];
    } catch (error) {
      if (isRefusal(error, 'ERR_CERT_MALFORMED')) return [];
      throw error;
    }
  });
}

/** Cases without lists are about paths only. */
function isUnrevoked({ certificates }: VerifiedPath, lists: readonly string[], at: Date): boolean {
  if (lists.length === 0) return true;
  const crls = lists.map((pem) => indexCrl(Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64')));
  return certificates.slice(0, -1).every((certificate, index) => {
    const [issuer, ...pathAbove] = certificates.slice(index + 1);
    return issuer !== undefined && crlStatus(certificate, { issuer, pathAbove, crls, at }).status === 'good';
  });
}

/** Turned to the purpose of the case; its peer name is asked for as a client's registered name would be. */
function decide(one: Case, anchors: PathPolicy['anchors'] = 'issued'): 'SUCCESS' | 'FAILURE' {
  const isWeb = one.id.startsWith('webpki::');
  const policy: PathPolicy = {
    keyPurpose: one.validation_kind === 'SERVER' ? PURPOSE.serverAuth : PURPOSE.clientAuth,
    absentExtendedKeyUsage: 'allow',
    issuance: isWeb ? 'web' : 'rfc5280',
    anchors,
    ...(one.max_chain_depth === null ? {} : { maxPathLength: one.max_chain_depth }),
  };
  try {
    const endEntity = read(one.peer_certificate);
    const at = new Date(one.validation_time ?? SOME_TIME);
    const path = verifyPath(endEntity, {
      anchors: readAny(one.trusted_certs, anchors === 'issued' ? parseCertificate : parseAnchor),
      intermediates: readAny(one.untrusted_intermediates),
      at,
      policy,
    });
    if (!isUnrevoked(path, one.crls ?? [], at)) return 'FAILURE';
    const name = one.expected_peer_name;
    const property = name?.kind === 'IP' ? 'tls_client_auth_san_ip' : 'tls_client_auth_san_dns';
    return name === null || matchesSubject(endEntity, property, name.value) ? 'SUCCESS' : 'FAILURE';
  } catch (error) {
    if (isRefusal(error)) return 'FAILURE';
    throw error;
  }
}

describe.skipIf(limbo.isMissing)(`certification paths of others: ${limbo.title}`, () => {
  it.each(cases.map((one) => ({ id: one.id, one })))('$id', ({ id, one }) => {
    const isAsExpected = decide(one) === one.expected_result;
    expect({ isAsExpected, reason: exceptions[id] }).toEqual({
      isAsExpected: exceptions[id] === undefined,
      reason: exceptions[id],
    });
  });

  it('accepts nothing wrongly, and knows every case that it has an exception for', () => {
    const known = new Map(cases.map((one) => [one.id, one]));
    for (const id of Object.keys(exceptions)) {
      const one = known.get(id);
      expect([id, one !== undefined]).toEqual([id, true]);
      const isWrongAcceptance = one?.expected_result === 'FAILURE';
      expect([id, isWrongAcceptance]).toEqual([id, false]);
    }
  });
});

/** Cases whose only fault is one that is tolerated in anchors; all others are decided as with anchors of the rules. */
const FAULTS_OF_ANCHORS = [
  'crl::issuer-no-keyusage-extension',
  'cve::cve-2024-0567',
  'rfc5280::aki::critical-aki',
  'rfc5280::aki::cross-signed-root-missing-aki',
  'rfc5280::nc::permitted-dns-match-noncritical',
  'rfc5280::nc::invalid-dnsname-leading-period',
  'rfc5280::ski::root-missing-ski',
  'rfc5280::root-non-critical-basic-constraints',
  'webpki::aki::root-with-aki-missing-keyidentifier',
  'webpki::aki::root-with-aki-authoritycertissuer',
  'webpki::aki::root-with-aki-authoritycertserialnumber',
  'webpki::aki::root-with-aki-all-fields',
  'webpki::aki::root-with-aki-ski-mismatch',
  'webpki::eku::root-has-eku',
  'webpki::nc::permitted-dns-match-noncritical',
  'online::fastly.com',
];

describe.skipIf(limbo.isMissing)(
  `the same with anchors of which the constraints count: ${limbo.title}`,
  () => {
    it('accepts besides only what has a fault of issuance in the anchor (RFC 5280 section 6.1.1 (d))', () => {
      const changed = cases.filter((one) => decide(one) !== decide(one, 'constraints'));
      expect(changed.map(({ id }) => id)).toEqual(FAULTS_OF_ANCHORS);
    });
  },
);

const uk = corpus('uk-directory');
describe.skipIf(uk.isMissing)(`a real path: ${uk.title}`, () => {
  const file = (name: string): Certificate => parseCertificate(readFileSync(join(uk.path, name)));
  const anchors = () => [file('OB_SandBox_PP_Root_CA.cer')];
  const intermediates = () => [file('OB_SandBox_PP_Issuing_CA.cer')];

  it('leads from a transport certificate of the UK directory to its root', () => {
    const endEntity = read(readCorpus('uk-directory', 'obwac.pem'));
    const policy: PathPolicy = { keyPurpose: PURPOSE.clientAuth };
    const options = { anchors: anchors(), intermediates: intermediates(), at: new Date(SOME_TIME), policy };
    expect(verifyPath(endEntity, options).certificates).toHaveLength(3);
  });

  it('does not lead there from a signing certificate', () => {
    const endEntity = read(readCorpus('uk-directory', 'obseal.pem'));
    const policy: PathPolicy = { keyPurpose: PURPOSE.clientAuth };
    const options = { anchors: anchors(), intermediates: intermediates(), at: new Date(SOME_TIME), policy };
    expect(() => verifyPath(endEntity, options)).toThrow('ERR_CERT_EXTENDED_KEY_USAGE');
  });
});
