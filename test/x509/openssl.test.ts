import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/x509/certificate.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../src/x509/path.ts';
import * as factory from './certificate-factory.ts';
import { ecKeys, general, NOW } from './certificate-factory.ts';
import * as der from './der-writer.ts';
import { outcomeOf } from './refusals.ts';

const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '';
const isMissing = !/^OpenSSL 3\./.test(version);
const folder = mkdtempSync(join(tmpdir(), 'paths-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Change = (options: factory.IssueOptions) => factory.IssueOptions;
const add =
  (...extra: readonly Buffer[]): Change =>
  (options) => ({ ...options, extra: [...(options.extra ?? []), ...extra] });
const drop =
  (type: string): Change =>
  (options) => ({ ...options, without: [...(options.without ?? []), type] });

/** What may be said otherwise about any certificate of a chain. */
const CHANGES: Readonly<Record<string, Change>> = {
  nothing: (options) => options,
  'no basicConstraints': drop('2.5.29.19'),
  'cA FALSE': add(factory.basicConstraints(false)),
  'cA TRUE': add(factory.basicConstraints(true)),
  'pathLen 0': add(factory.basicConstraints(true, 0)),
  'basicConstraints not critical': add(factory.basicConstraints(true, undefined, false)),
  'no keyUsage': drop('2.5.29.15'),
  'keyUsage keyCertSign': add(factory.keyUsage(factory.KEY_USAGE.keyCertSign)),
  'keyUsage cRLSign': add(factory.keyUsage(factory.KEY_USAGE.cRLSign)),
  'keyUsage digitalSignature': add(factory.keyUsage(factory.KEY_USAGE.digitalSignature)),
  'no extKeyUsage': drop('2.5.29.37'),
  'extKeyUsage clientAuth': add(factory.extendedKeyUsage(factory.PURPOSE.clientAuth)),
  'extKeyUsage serverAuth': add(factory.extendedKeyUsage(factory.PURPOSE.serverAuth)),
  'no subjectKeyIdentifier': drop('2.5.29.14'),
  'no authorityKeyIdentifier': drop('2.5.29.35'),
  'wrong authorityKeyIdentifier': add(factory.authorityKeyId(Buffer.from('00', 'hex'))),
  'unknown extension': add(factory.extension('1.2.3.4', der.nothing)),
  'unknown critical extension': add(factory.extension('1.2.3.4', der.nothing, true)),
  expired: (options) => ({ ...options, notAfter: new Date('2026-02-01T00:00:00Z') }),
  'of the future': (options) => ({ ...options, notBefore: new Date('2026-12-01T00:00:00Z') }),
  'P-384': (options) => ({ ...options, keys: ecKeys('P-384') }),
  secp256k1: (options) => ({ ...options, keys: ecKeys('secp256k1') }),
  'SHA-1': (options) => ({ ...options, signer: factory.ecdsaSigner('sha1') }),
  'serial zero': (options) => ({ ...options, raw: { serial: der.integer(0) } }),
  'a broken signature': (options) => ({
    ...options,
    raw: { signature: (right) => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1)) },
  }),
  'names a.example': add(factory.subjectAltName(general.dns('a.example'), general.email('x@a.example'))),
  'names b.example': add(factory.subjectAltName(general.dns('x.b.example'), general.ip(192, 0, 2, 1))),
  'permits a.example': add(
    factory.nameConstraints({ permitted: [general.dns('a.example'), general.email('a.example')] }),
  ),
  'excludes b.example': add(factory.nameConstraints({ excluded: [general.dns('b.example')] })),
  'permits 192.0.2.0/24': add(
    factory.nameConstraints({ permitted: [general.ip(192, 0, 2, 0, 255, 255, 255, 0)] }),
  ),
  'another issuer name': (options) => ({ ...options, raw: { issuer: factory.named('nobody') } }),
  'a policy': add(factory.policies('1.2.3')),
};
/** A third of the certificates is as it should be, so that some chains are. */
const change = fc.oneof(
  { weight: 1, arbitrary: fc.constant('nothing') },
  { weight: 2, arbitrary: fc.constantFrom(...Object.keys(CHANGES)) },
);
const chain = fc.record({
  root: change,
  authorities: fc.array(change, { minLength: 0, maxLength: 3 }),
  leaf: change,
});

function build({ root, authorities, leaf }: { root: string; authorities: readonly string[]; leaf: string }) {
  const certificates: Buffer[] = [];
  let issuer: Pick<factory.Party, 'keys' | 'name'> | undefined;
  for (const [index, what] of [root, ...authorities, leaf].entries()) {
    const isLeaf = index === authorities.length + 1;
    const name = factory.named(isLeaf ? 'tpp' : `ca ${index}`);
    const options =
      CHANGES[what]?.({ keys: ecKeys(), subject: name, ...(issuer === undefined ? {} : { issuer }) }) ?? {};
    const keys = options.keys ?? ecKeys();
    certificates.push(factory.write(isLeaf ? 'end entity' : 'authority', { ...options, keys }));
    issuer = { keys, name };
  }
  return certificates;
}

function ours(certificates: readonly Buffer[]): string {
  return outcomeOf(() => {
    const [root, ...rest] = certificates.map(parseCertificate);
    const leaf = rest.pop();
    if (root === undefined || leaf === undefined) throw new Error('a chain has two ends');
    verifyPath(leaf, { anchors: [root], intermediates: rest, at: NOW, policy: TLS_CLIENT_POLICY });
  });
}

function theirs(certificates: readonly Buffer[]): { isAccepted: boolean; said: string } {
  const write = (name: string, some: readonly Buffer[]): string => {
    const pem = some.map(
      (one) =>
        `-----BEGIN CERTIFICATE-----\n${one.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    );
    writeFileSync(join(folder, name), pem.join('').replaceAll('\n\n', '\n'));
    return join(folder, name);
  };
  const untrusted = certificates.slice(1, -1);
  const result = spawnSync(
    'openssl',
    [
      'verify',
      ...[
        '-x509_strict',
        '-auth_level',
        '2',
        '-purpose',
        'sslclient',
        '-partial_chain',
        '-no-CApath',
        '-no-CAstore',
      ],
      ...['-attime', String(NOW.getTime() / 1000)],
      ...['-CAfile', write('root.pem', certificates.slice(0, 1))],
      ...(untrusted.length === 0 ? [] : ['-untrusted', write('untrusted.pem', untrusted)]),
      write('leaf.pem', certificates.slice(-1)),
    ],
    { encoding: 'utf8' },
  );
  return { isAccepted: result.status === 0, said: `${result.stdout}${result.stderr}` };
}

describe.skipIf(isMissing)(
  `beside openssl verify -x509_strict${isMissing ? ' (skipped: no OpenSSL 3)' : ''}`,
  () => {
    it('is never looser, on generated chains, and accepts some of them', () => {
      let accepted = 0;
      fc.assert(
        fc.property(chain, (recipe) => {
          const certificates = build(recipe);
          if (ours(certificates) !== 'accepted') return;
          accepted += 1;
          const { isAccepted, said } = theirs(certificates);
          expect({ recipe, isAccepted, said: isAccepted ? '' : said }).toEqual({
            recipe,
            isAccepted: true,
            said: '',
          });
        }),
        { numRuns: 1500, seed: 5280 },
      );
      expect(accepted).toBeGreaterThan(50);
    });
  },
);
