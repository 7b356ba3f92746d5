import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { PathBudget } from '../../../src/x509/path/path-budget.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import { authorityKeyId, ecKeys, issue, NOW, type Party, subjectKeyId } from '../certificate-factory.ts';
import { outcomeOf } from '../refusals.ts';

const root = issue('authority', 'root');
const issuing = issue('authority', 'issuing', { issuer: root });
const leaf = issue('end entity', 'tpp', { issuer: issuing });
const expired = { notAfter: new Date('2026-02-01T00:00:00Z') };

function decide(endEntity: Party, anchors: readonly Party[], intermediates: readonly Party[]) {
  return verifyPath(endEntity.certificate, {
    anchors: anchors.map(({ certificate }) => certificate),
    intermediates: intermediates.map(({ certificate }) => certificate),
    at: NOW,
    policy: TLS_CLIENT_POLICY,
  });
}
const verdict = (...question: Parameters<typeof decide>) => outcomeOf(() => decide(...question));

/** The same name and key, certified again. */
const again = (party: Party, options: Parameters<typeof issue>[2]): Party =>
  issue('authority', '', { subject: party.name, keys: party.keys, ...options });

describe('the search for a path', () => {
  it('D15: takes a second path when the first has expired, in either order', () => {
    const old = again(issuing, { issuer: root, ...expired });
    for (const intermediates of [
      [old, issuing],
      [issuing, old],
    ]) {
      expect(decide(leaf, [root], intermediates).certificates[1]).toBe(issuing.certificate);
    }
    expect(verdict(leaf, [root], [old])).toBe('ERR_CERT_EXPIRED');
  });

  it('D15: takes a second anchor when the first has expired', () => {
    const old = again(root, expired);
    expect(decide(leaf, [old, root], [issuing]).certificates[2]).toBe(root.certificate);
  });

  it('D16: passes a decoy of the same name, by key identifier and without one', () => {
    const decoys = Array.from({ length: 30 }, () => issue('authority', 'issuing', { issuer: root }));
    expect(verdict(leaf, [root], [...decoys, issuing])).toBe('accepted');
    const bare = issue('end entity', 'tpp', { issuer: issuing, without: ['2.5.29.35'] });
    const options = { at: NOW, policy: { ...TLS_CLIENT_POLICY, issuance: 'path' as const } };
    const certificates = [...decoys, issuing].map(({ certificate }) => certificate);
    const path = verifyPath(bare.certificate, {
      ...options,
      anchors: [root.certificate],
      intermediates: certificates,
    });
    expect(path.certificates[1]).toBe(issuing.certificate);
  });

  it('D17: does not trust another authority of the same name and key identifier', () => {
    const identifier = root.certificate.subjectKeyIdentifier;
    if (identifier === undefined) throw new Error('the root has a key identifier');
    const claims = [subjectKeyId(identifier), authorityKeyId(identifier)];
    const impostor = issue('authority', 'root', { extra: claims });
    const forged = issue('end entity', 'tpp', { issuer: impostor, extra: [authorityKeyId(identifier)] });
    expect(verdict(forged, [root], [impostor])).toBe('ERR_CERT_UNTRUSTED');
    expect(verdict(forged, [root], [])).toBe('ERR_CERT_SIGNATURE_INVALID');
    expect(verdict(forged, [impostor], [])).toBe('accepted');
  });

  it('D29: refuses as soon as the anchor or the authority is not there', () => {
    expect(verdict(leaf, [], [issuing])).toBe('ERR_CERT_UNTRUSTED');
    expect(verdict(leaf, [root], [])).toBe('ERR_CERT_UNTRUSTED');
    expect(verdict(leaf, [], [issuing, root])).toBe('ERR_CERT_UNTRUSTED');
  });

  it('refuses an issuer that is not the one the certificate names by key, unless only the path counts', () => {
    const astray = issue('end entity', 'tpp', {
      issuer: root,
      extra: [authorityKeyId(Buffer.from('00', 'hex'))],
    });
    expect(verdict(astray, [root], [])).toBe('ERR_CERT_UNTRUSTED');
    const policy = { ...TLS_CLIENT_POLICY, issuance: 'path' as const };
    const options = { anchors: [root.certificate], intermediates: [], at: NOW, policy };
    expect(outcomeOf(() => verifyPath(astray.certificate, options))).toBe('accepted');
  });

  it('refuses a forged signature as such', () => {
    const thief = { keys: ecKeys(), name: issuing.name };
    const forged = issue('end entity', 'tpp', { issuer: thief });
    const claimed = issue('end entity', 'tpp', { issuer: thief, without: ['2.5.29.35'] });
    expect(verdict(forged, [root], [issuing])).toBe('ERR_CERT_UNTRUSTED');
    expect(verdict(claimed, [root], [issuing])).toBe('ERR_CERT_SIGNATURE_INVALID');
  });

  it('remembers a signature of a CA for that pair of certificates alone, and nothing but the signature', () => {
    expect([verdict(leaf, [root], [issuing]), verdict(leaf, [root], [issuing])]).toEqual([
      'accepted',
      'accepted',
    ]);
    const identifier = root.certificate.subjectKeyIdentifier ?? Buffer.alloc(0);
    const impostor = issue('authority', 'root', { extra: [subjectKeyId(identifier)] });
    expect(verdict(leaf, [impostor], [issuing])).toBe('ERR_CERT_SIGNATURE_INVALID');
    const changed = Buffer.from(issuing.der);
    // The last octet of the signature's second integer.
    changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
    const forged = { ...issuing, certificate: parseCertificate(changed) };
    expect(verdict(leaf, [root], [forged])).toBe('ERR_CERT_SIGNATURE_INVALID');
    const late = { at: new Date('2028-01-01'), policy: TLS_CLIENT_POLICY };
    const trusted = { anchors: [root.certificate], intermediates: [issuing.certificate] };
    expect(outcomeOf(() => verifyPath(leaf.certificate, { ...trusted, ...late }))).toBe('ERR_CERT_EXPIRED');
  });

  it.each([2, 3])('D14: ends in a cycle of %i cross-signed authorities', (size) => {
    const members = Array.from({ length: size }, (_value, index) => issue('authority', `member ${index}`));
    const cycle = members.map((member, index) => {
      const issuer = members[(index + 1) % size];
      if (issuer === undefined) throw new Error('a cycle closes');
      return again(member, { issuer });
    });
    const [first] = members;
    if (first === undefined) throw new Error('a cycle has members');
    const below = issue('end entity', 'tpp', { issuer: first });
    expect(verdict(below, [root], cycle)).toBe('ERR_CERT_UNTRUSTED');
    const way = again(first, { issuer: root });
    expect(verdict(below, [root], [...cycle, way])).toBe('accepted');
  });

  it('D13: ends at the longest path that is looked at', () => {
    const chain = [root];
    for (let index = 0; index < 100; index += 1) {
      const issuer = chain.at(-1);
      if (issuer !== undefined) chain.push(issue('authority', `ca ${index}`, { issuer }));
    }
    const below = (depth: number): Party => {
      const issuer = chain[depth];
      if (issuer === undefined) throw new Error('too deep');
      return issue('end entity', 'tpp', { issuer });
    };
    expect(verdict(below(6), [root], chain.slice(1))).toBe('accepted');
    expect(verdict(below(7), [root], chain.slice(1))).toBe('ERR_CERT_PATH_BUDGET');
    expect(verdict(below(100), [root], chain.slice(1))).toBe('ERR_CERT_PATH_BUDGET');
  });

  it('D13: ends in a graph of one name and many keys', () => {
    const keys = Array.from({ length: 12 }, () => ecKeys());
    const parties = keys.map((pair) => issue('authority', 'hydra', { keys: pair }));
    const graph = parties.flatMap((issuer) =>
      parties
        .filter((party) => party !== issuer)
        .map((party) => again(party, { issuer, without: ['2.5.29.35'] })),
    );
    const [first] = parties;
    if (first === undefined) throw new Error('the hydra has heads');
    const below = issue('end entity', 'tpp', { issuer: first, without: ['2.5.29.35'] });
    expect(verdict(below, [root], graph)).toBe('ERR_CERT_PATH_BUDGET');
  });
});

describe('the budget of a decision', () => {
  it.each([
    ['signatures', 40],
    ['candidates', 200],
    ['paths', 20],
    ['comparisons', 250_000],
  ] as const)('D13: has %s for %i', (limit, maximum) => {
    const budget = new PathBudget();
    for (let spent = 0; spent < maximum; spent += 1) budget.spend(limit);
    expect(() => budget.spend(limit)).toThrow('ERR_CERT_PATH_BUDGET');
  });
});
