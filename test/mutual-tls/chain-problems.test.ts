import { beforeAll, describe, expect, it } from 'vitest';
import { parseKeyPair } from '../../src/mutual-tls/key-pair.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';

const AT = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const publishes = { certificateUrl: 'http://ca.example/issuer.cer' };

let root: Authority;
let other: Authority;
let intermediate: Authority;
let past: Authority;
let server: IssuedCertificate;
let ofPast: IssuedCertificate;

beforeAll(async () => {
  const named = (name: string, change: object = {}) =>
    createAuthority({ name, ...PERIOD, publishes, ...change });
  [root, other] = await Promise.all([named('Root'), named('Other')]);
  [intermediate, past] = await Promise.all([
    named('Issuing CA', { parent: root }),
    named('Past CA', { parent: root, notAfter: new Date('2026-01-01') }),
  ]);
  const issue = { profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD } as const;
  [server, ofPast] = await Promise.all([intermediate.issue(issue), past.issue(issue)]);
});

const problemsOf = (own: IssuedCertificate, chain: readonly Authority[], issuersPem = '') =>
  parseKeyPair([own, ...chain].map(({ certificatePem }) => certificatePem).join(''), own.privateKeyPem, {
    certificateFile: 'server.pem',
    privateKeyFile: 'server.key',
    place: 'tls',
    at: AT,
    issuersPem,
  }).chainProblems;

describe('the chain of a server certificate', () => {
  it('is in order with its intermediates, with and without the root', () => {
    expect(problemsOf(server, [intermediate, root])).toEqual([]);
    expect(problemsOf(server, [intermediate], root.certificatePem)).toEqual([]);
  });

  it('names the issuer that is missing, also when only this server knows it', () => {
    const missing = 'the certificate of the issuer is missing: CN=Issuing CA';
    expect(problemsOf(server, [])).toEqual([missing]);
    expect(problemsOf(server, [], intermediate.certificatePem)).toEqual([missing]);
  });

  it('names certificates in the wrong order', () => {
    expect(problemsOf(server, [root, intermediate])).toContain(
      'certificate 2 (CN=Root) did not issue certificate 1',
    );
  });

  it('names a certificate that does not belong to it', () => {
    expect(problemsOf(server, [intermediate, other])).toContain(
      'certificate 3 (CN=Other) did not issue certificate 2',
    );
  });

  it('names an intermediate that has expired', () => {
    expect(problemsOf(ofPast, [past, root])).toEqual(['certificate 2 (CN=Past CA) is not valid now']);
  });
});
