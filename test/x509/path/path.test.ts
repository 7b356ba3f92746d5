import { describe, expect, it } from 'vitest';
import type { Certificate } from '../../../src/x509/certificate/certificate.ts';
import {
  evaluatePath,
  type PathPolicy,
  TLS_CLIENT_POLICY,
  VerifiedPath,
  verifyPath,
} from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import { ecKeys, issue, NOT_AFTER, NOT_BEFORE, NOW, type Party } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const root = issue('authority', 'root');
const issuing = issue('authority', 'issuing', { issuer: root });
const leaf = issue('end entity', 'tpp', { issuer: issuing });

interface Question {
  readonly leaf?: Party;
  readonly anchors?: readonly Party[];
  readonly intermediates?: readonly Party[];
  readonly at?: Date;
  readonly policy?: Partial<PathPolicy>;
}

const optionsOf = (question: Question) => ({
  anchors: (question.anchors ?? [root]).map(({ certificate }) => certificate),
  intermediates: (question.intermediates ?? [issuing]).map(({ certificate }) => certificate),
  at: question.at ?? NOW,
  policy: { ...TLS_CLIENT_POLICY, ...question.policy },
});
const verify = (question: Question): VerifiedPath =>
  verifyPath((question.leaf ?? leaf).certificate, optionsOf(question));
const verdict = (question: Question) => outcomeOf(() => verify(question));
type Extra = Parameters<typeof issue>[2];
const leafWith = (options: Extra): Question => ({
  leaf: issue('end entity', 'tpp', { issuer: issuing, ...options }),
});
const issuingWith = (options: Extra): Question => {
  const authority = issue('authority', 'issuing', { issuer: root, ...options });
  return { intermediates: [authority], leaf: issue('end entity', 'tpp', { issuer: authority }) };
};
const rootWith = (options: Extra): Question => {
  const anchor = issue('authority', 'root', options);
  return { anchors: [anchor], intermediates: [], leaf: issue('end entity', 'tpp', { issuer: anchor }) };
};
const unknownCritical = factory.extension('1.2.3.4', der.nothing, true);
const qualified = (qualifier: string, critical: boolean): Buffer =>
  factory.extension(
    '2.5.29.32',
    der.sequence(
      der.sequence(der.oid('1.2.3'), der.sequence(der.sequence(der.oid(qualifier), der.ia5('x')))),
    ),
    critical,
  );
const later = (at: Date, seconds: number): Date => new Date(at.getTime() + seconds * 1000);

describe('a verified path', () => {
  it('runs from the end entity to the anchor, with the dates that hold for all of it', () => {
    const short = issue('end entity', 'tpp', { issuer: issuing, notAfter: new Date('2026-07-01T00:00:00Z') });
    const path = verify({ leaf: short });
    const subjects: Certificate[] = [short.certificate, issuing.certificate, root.certificate];
    expect(path.certificates).toEqual(subjects);
    expect(path.notAfter).toEqual(short.certificate.notAfter);
    expect(path.notBefore).toEqual(NOT_BEFORE);
  });

  it('ends at an issuing authority when that is the anchor, self-signed or not', () => {
    expect(verify({ anchors: [issuing], intermediates: [] }).certificates).toHaveLength(2);
    expect(verify({ anchors: [issuing, root], intermediates: [issuing] }).certificates).toHaveLength(2);
  });

  it('cannot be made by anyone else', () => {
    const make = VerifiedPath as unknown as new (...values: unknown[]) => VerifiedPath;
    expect(() => new make(Symbol('verified'), [leaf.certificate], [])).toThrow(TypeError);
  });

  it('is explained rule by rule, the one that refused last', () => {
    const options = optionsOf({ at: later(NOT_AFTER, 1) });
    const { steps, ...decision } = evaluatePath(leaf.certificate, options);
    expect(decision).toMatchObject({ refusal: { code: 'ERR_CERT_EXPIRED' } });
    expect(steps.at(-1)).toMatchObject({ rule: 'validity', refusal: { code: 'ERR_CERT_EXPIRED' } });
    const accepted = evaluatePath(leaf.certificate, optionsOf({}));
    expect('path' in accepted && accepted.steps.every(({ refusal }) => refusal === undefined)).toBe(true);
    expect(new Set(accepted.steps.map(({ rule }) => rule)).size).toBe(12);
  });
});

describe('dates (RFC 5280 section 6.1.3)', () => {
  const early = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2026-02-01T00:00:00Z') };
  const late = { notBefore: new Date('2026-12-01T00:00:00Z') };

  it.each([
    ['D1', 'expired end entity', leafWith(early), 'ERR_CERT_EXPIRED'],
    ['D1', 'expired authority', issuingWith(early), 'ERR_CERT_EXPIRED'],
    ['D1', 'expired anchor', rootWith(early), 'ERR_CERT_EXPIRED'],
    ['D1', 'end entity of the future', leafWith(late), 'ERR_CERT_NOT_YET_VALID'],
    ['D1', 'authority of the future', issuingWith(late), 'ERR_CERT_NOT_YET_VALID'],
    ['D1', 'anchor of the future', rootWith(late), 'ERR_CERT_NOT_YET_VALID'],
    ['D1', 'an invalid time', { at: new Date(Number.NaN) }, 'ERR_CERT_NOT_YET_VALID'],
    ['D1', 'first second', { at: NOT_BEFORE }, 'accepted'],
    ['D30', 'second before, without tolerance', { at: later(NOT_BEFORE, -1) }, 'ERR_CERT_NOT_YET_VALID'],
    ['D30', 'fraction before', { at: later(NOT_BEFORE, -0.001) }, 'ERR_CERT_NOT_YET_VALID'],
    ['D1', 'last second', { at: NOT_AFTER }, 'accepted'],
    ['D1', 'end of the last second', { at: later(NOT_AFTER, 0.999) }, 'accepted'],
    ['D30', 'second after, without tolerance', { at: later(NOT_AFTER, 1) }, 'ERR_CERT_EXPIRED'],
  ] as const)('%s: %s', (_id, _what, question: Question, expected) => {
    expect(verdict(question)).toBe(expected);
  });
});

describe('authorities and end entities', () => {
  const { keyCertSign, cRLSign, digitalSignature, keyEncipherment } = factory.KEY_USAGE;
  const none = { without: ['2.5.29.19', '2.5.29.15'] };
  const lax: Partial<PathPolicy> = { issuance: 'path' };

  it.each([
    [
      'D3',
      'authority without basicConstraints',
      { ...issuingWith({ without: ['2.5.29.19'] }), policy: lax },
      'ERR_CERT_NOT_A_CA',
    ],
    [
      'D3',
      'authority with cA FALSE',
      { ...issuingWith({ extra: [factory.basicConstraints(false)] }), policy: lax },
      'ERR_CERT_NOT_A_CA',
    ],
    [
      'D3',
      'authority with neither basicConstraints nor keyUsage',
      { ...issuingWith(none), policy: lax },
      'ERR_CERT_NOT_A_CA',
    ],
    ['D3', 'anchor that is no authority', { ...rootWith(none), policy: lax }, 'ERR_CERT_NOT_A_CA'],
    [
      'D5',
      'authority without keyCertSign',
      issuingWith({ extra: [factory.keyUsage(cRLSign)] }),
      'ERR_CERT_KEY_USAGE',
    ],
    [
      'D5',
      'anchor without keyCertSign',
      rootWith({ extra: [factory.keyUsage(cRLSign)] }),
      'ERR_CERT_KEY_USAGE',
    ],
    ['D5', 'its valid twin', issuingWith({ extra: [factory.keyUsage(keyCertSign)] }), 'accepted'],
    [
      'D7',
      'end entity without digitalSignature',
      leafWith({ extra: [factory.keyUsage(keyEncipherment)] }),
      'ERR_CERT_KEY_USAGE',
    ],
    [
      'D7',
      'end entity with keyCertSign',
      leafWith({ extra: [factory.keyUsage(digitalSignature, keyCertSign)] }),
      'ERR_CERT_KEY_USAGE',
    ],
    ['D7', 'end entity without keyUsage', leafWith({ without: ['2.5.29.15'] }), 'accepted'],
    [
      'D27',
      'end entity that is an authority',
      leafWith({ extra: [factory.basicConstraints(true)] }),
      'ERR_CERT_KEY_USAGE',
    ],
    ['D27', 'end entity that is the anchor', { leaf: root, anchors: [root] }, 'ERR_CERT_UNTRUSTED'],
    ['D27', 'self-signed end entity', { leaf: issue('end entity', 'self') }, 'ERR_CERT_UNTRUSTED'],
    [
      'D8',
      'unknown critical extension in the end entity',
      leafWith({ extra: [unknownCritical] }),
      'ERR_CERT_CRITICAL_EXTENSION',
    ],
    ['D8', 'in an authority', issuingWith({ extra: [unknownCritical] }), 'ERR_CERT_CRITICAL_EXTENSION'],
    ['D8', 'in the anchor', rootWith({ extra: [unknownCritical] }), 'ERR_CERT_CRITICAL_EXTENSION'],
    [
      'D8',
      'the same, not critical',
      leafWith({ extra: [factory.extension('1.2.3.4', der.nothing)] }),
      'accepted',
    ],
    [
      'D8',
      'the same, understood by the caller',
      { ...leafWith({ extra: [unknownCritical] }), policy: { understoodExtensions: ['1.2.3.4'] } },
      'accepted',
    ],
    [
      'D8',
      'a critical policy with a qualifier that nobody knows',
      leafWith({ extra: [qualified('1.2.3', true)] }),
      'ERR_CERT_CRITICAL_EXTENSION',
    ],
    ['D8', 'the same, not critical', leafWith({ extra: [qualified('1.2.3', false)] }), 'accepted'],
    [
      'D8',
      'the same, with a qualifier of RFC 5280 section 4.2.1.4',
      leafWith({ extra: [qualified('1.3.6.1.5.5.7.2.1', true)] }),
      'accepted',
    ],
    [
      'D25',
      'version 1',
      leafWith({ raw: { version: Buffer.alloc(0), extensions: Buffer.alloc(0) } }),
      'ERR_CERT_MALFORMED',
    ],
  ] as const)('%s: %s', (_id, _what, question: Question, expected) => {
    expect(verdict(question)).toBe(expected);
  });

  it('D3: an end entity cannot issue', () => {
    const below = issue('end entity', 'below', { issuer: leaf });
    expect(verdict({ leaf: below, intermediates: [leaf, issuing] })).toBe('ERR_CERT_NOT_A_CA');
  });
});

describe('the purpose of a path (RFC 5280 section 4.2.1.12)', () => {
  const { clientAuth, serverAuth, any } = factory.PURPOSE;
  const eku = (...purposes: string[]) => ({ extra: [factory.extendedKeyUsage(...purposes)] });
  const absent = { without: ['2.5.29.37'] };

  it.each([
    ['both purposes', leafWith(eku(serverAuth, clientAuth)), 'accepted'],
    ['another purpose', leafWith(eku(serverAuth)), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    ['no purpose', leafWith(eku()), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    ['any purpose', leafWith(eku(any)), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    ['any purpose, allowed', { ...leafWith(eku(any)), policy: { anyExtendedKeyUsage: 'allow' } }, 'accepted'],
    ['the extension absent', leafWith(absent), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    [
      'the extension absent, allowed',
      { ...leafWith(absent), policy: { absentExtendedKeyUsage: 'allow' } },
      'accepted',
    ],
    ['an authority for others', issuingWith(eku(serverAuth)), 'ERR_CERT_EXTENDED_KEY_USAGE'],
    ['an authority for this', issuingWith(eku(clientAuth)), 'accepted'],
    ['an authority for any', issuingWith(eku(any)), 'accepted'],
    ['an anchor for others', rootWith(eku(serverAuth)), 'ERR_CERT_EXTENDED_KEY_USAGE'],
  ] as const)('D6: %s', (_what, question: Question, expected) => {
    expect(verdict(question)).toBe(expected);
  });
});

describe('the length of a path (RFC 5280 section 6.1.4)', () => {
  const limited = issue('authority', 'limited', { extra: [factory.basicConstraints(true, 0)] });
  const below = (issuer: Party, name: string, keys = ecKeys()): Party =>
    issue('authority', name, { issuer, keys });
  const ask = (authorities: readonly Party[], anchor: Party, policy: Partial<PathPolicy> = {}): Question => {
    const issuer = authorities.at(-1) ?? anchor;
    return {
      leaf: issue('end entity', 'tpp', { issuer }),
      intermediates: authorities,
      anchors: [anchor],
      policy,
    };
  };
  const one = below(limited, 'one');
  const rollover = issue('authority', 'limited', { issuer: limited, keys: ecKeys() });
  const afterRollover = below(rollover, 'one');
  const wide = below(root, 'wide');

  it.each([
    ['nothing below pathLen 0', ask([], limited), 'accepted'],
    ['one authority below pathLen 0', ask([one], limited), 'ERR_CERT_PATH_LENGTH'],
    ['a self-issued authority below pathLen 0', ask([rollover], limited), 'accepted'],
    [
      'an authority below the self-issued one',
      ask([rollover, afterRollover], limited),
      'ERR_CERT_PATH_LENGTH',
    ],
    ['no more authorities than the caller allows', ask([wide], root, { maxPathLength: 1 }), 'accepted'],
    [
      'more authorities than the caller allows',
      ask([wide], root, { maxPathLength: 0 }),
      'ERR_CERT_PATH_LENGTH',
    ],
  ] as const)('D4: %s', (_what, question: Question, expected) => {
    expect(verdict(question)).toBe(expected);
  });

  it('D2: a GeneralizedTime before 2050 is read, and is the issuer’s mistake (section 4.1.2.5)', () => {
    const early = der.tlv(0x18, Buffer.from('20260101000000Z'));
    const question = leafWith({ raw: { validity: der.sequence(early, der.time(NOT_AFTER)) } });
    expect(verdict(question)).toBe('ERR_CERT_PROFILE');
    expect(verdict({ ...question, policy: { issuance: 'path' } })).toBe('accepted');
    expect(question.leaf?.certificate.notBefore).toEqual(NOT_BEFORE);
  });

  it('D4: a limit on an end entity is the issuer’s mistake', () => {
    const question = leafWith({ extra: [factory.basicConstraints(false, 0)] });
    expect(verdict(question)).toBe('ERR_CERT_PROFILE');
    expect(verdict({ ...question, policy: { issuance: 'path' } })).toBe('accepted');
  });
});
