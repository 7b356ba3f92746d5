import { describe, expect, it } from 'vitest';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import { general, issue, NOW, nameConstraints, subjectAltName } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const root = issue('authority', 'root');
const acme = factory.name([['2.5.4.6', der.printable('GB')]], [['2.5.4.10', der.utf8('ACME')]]);
const other = factory.name([['2.5.4.6', der.printable('GB')]], [['2.5.4.10', der.utf8('Other')]]);

type Lists = Parameters<typeof nameConstraints>[0];

/** A path whose issuing authority has the constraints and whose end entity has the names. */
function verdict(lists: Lists, names: readonly Buffer[], place: 'authority' | 'anchor' = 'authority') {
  const constrained = { extra: [nameConstraints(lists)] };
  const anchor = issue('authority', 'root', place === 'anchor' ? constrained : {});
  const authority = issue('authority', 'issuing', {
    issuer: anchor,
    ...(place === 'authority' ? constrained : {}),
  });
  const leaf = issue('end entity', 'tpp', {
    issuer: authority,
    extra: names.length === 0 ? [] : [subjectAltName(...names)],
  });
  const options = {
    anchors: [anchor.certificate],
    intermediates: [authority.certificate],
    at: NOW,
    policy: TLS_CLIENT_POLICY,
  };
  return outcomeOf(() => verifyPath(leaf.certificate, options));
}

const { dns, email, uri, ip, directory, other: otherName } = general;
const REFUSED = 'ERR_CERT_NAME_CONSTRAINTS';
const UPN = '1.3.6.1.4.1.311.20.2.3';

describe('name constraints (RFC 5280 section 4.2.1.10)', () => {
  const rows: readonly (readonly [what: string, lists: Lists, names: readonly Buffer[], expected: string])[] =
    [
      ['the host itself', { permitted: [dns('a.example')] }, [dns('A.example')], 'accepted'],
      ['a host below', { permitted: [dns('a.example')] }, [dns('x.a.example')], 'accepted'],
      ['a host that ends alike', { permitted: [dns('a.example')] }, [dns('xa.example')], REFUSED],
      [
        'one host of two outside',
        { permitted: [dns('a.example')] },
        [dns('a.example'), dns('b.example')],
        REFUSED,
      ],
      [
        'one of two bases',
        { permitted: [dns('a.example'), dns('b.example')] },
        [dns('b.example')],
        'accepted',
      ],
      ['every host', { permitted: [dns('')] }, [dns('b.example')], 'accepted'],
      ['an excluded host', { excluded: [dns('a.example')] }, [dns('x.a.example')], REFUSED],
      [
        'permitted and excluded',
        { permitted: [dns('example')], excluded: [dns('a.example')] },
        [dns('a.example')],
        REFUSED,
      ],
      ['a wildcard within', { permitted: [dns('a.example')] }, [dns('*.a.example')], 'accepted'],
      ['a wildcard that reaches out', { permitted: [dns('b.a.example')] }, [dns('*.a.example')], REFUSED],
      [
        'a wildcard that covers an excluded host',
        { excluded: [dns('b.a.example')] },
        [dns('*.a.example')],
        REFUSED,
      ],
      ['a wildcard that cannot', { excluded: [dns('c.b.a.example')] }, [dns('*.a.example')], 'accepted'],
      ['no name of the kind', { permitted: [dns('a.example')] }, [uri('https://b.example/')], 'accepted'],
      ['no name at all', { permitted: [dns('a.example')] }, [], 'accepted'],
      ['a mailbox', { permitted: [email('Ops@a.example')] }, [email('Ops@A.example')], 'accepted'],
      [
        'a mailbox in other letters',
        { permitted: [email('Ops@a.example')] },
        [email('ops@a.example')],
        REFUSED,
      ],
      ['any mailbox of a host', { permitted: [email('a.example')] }, [email('ops@a.example')], 'accepted'],
      ['a mailbox of a host below', { permitted: [email('a.example')] }, [email('ops@x.a.example')], REFUSED],
      ['a mailbox of a domain', { permitted: [email('.a.example')] }, [email('ops@x.a.example')], 'accepted'],
      [
        'a mailbox of the domain’s own host',
        { permitted: [email('.a.example')] },
        [email('ops@a.example')],
        REFUSED,
      ],
      [
        'the last of many mailboxes',
        { permitted: [email('a.example')] },
        [email('a@a.example'), email('b@a.example'), email('c@b.example')],
        REFUSED,
      ],
      ['a host of a URI', { permitted: [uri('a.example')] }, [uri('https://u@A.example:8443/x')], 'accepted'],
      ['a URI below a host', { permitted: [uri('a.example')] }, [uri('https://x.a.example/')], REFUSED],
      ['a URI of a domain', { permitted: [uri('.a.example')] }, [uri('https://x.a.example')], 'accepted'],
      [
        'a URI that hides its host',
        { permitted: [uri('a.example')] },
        [uri('https://a.example@b.example/')],
        REFUSED,
      ],
      ['a URI without a host', { permitted: [uri('a.example')] }, [uri('urn:a.example')], REFUSED],
      ['a URI with an address', { excluded: [uri('a.example')] }, [uri('https://192.0.2.1/')], REFUSED],
      ['a subnet', { permitted: [ip(192, 0, 2, 0, 255, 255, 255, 0)] }, [ip(192, 0, 2, 9)], 'accepted'],
      [
        'outside the subnet',
        { permitted: [ip(192, 0, 2, 0, 255, 255, 255, 0)] },
        [ip(192, 0, 3, 9)],
        REFUSED,
      ],
      [
        'in an excluded subnet',
        { excluded: [ip(192, 0, 2, 0, 255, 255, 255, 0)] },
        [ip(192, 0, 2, 9)],
        REFUSED,
      ],
      [
        'an address of the other family',
        { permitted: [ip(192, 0, 2, 0, 255, 255, 255, 0)] },
        [ip(...Buffer.alloc(16))],
        REFUSED,
      ],
      ['a directory name within', { permitted: [directory(acme)] }, [], 'accepted'],
      ['a directory name outside', { permitted: [directory(other)] }, [], REFUSED],
      ['an excluded directory name', { excluded: [directory(acme)] }, [], REFUSED],
      [
        'a directory name in subjectAltName outside',
        { permitted: [directory(acme)] },
        [directory(other)],
        REFUSED,
      ],
      [
        'another kind of name, permitted',
        { permitted: [otherName(UPN, 'a')] },
        [otherName(UPN, 'a')],
        REFUSED,
      ],
      ['another kind of name, excluded', { excluded: [otherName(UPN, 'a')] }, [otherName(UPN, 'b')], REFUSED],
      [
        'another kind of name that is not there',
        { excluded: [otherName(UPN, 'a')] },
        [dns('a.example')],
        'accepted',
      ],
      [
        'a dNSName that is no host name',
        { permitted: [dns('a.example')] },
        [dns('https://x.a.example')],
        REFUSED,
      ],
      [
        'the same, beside an exclusion',
        { excluded: [dns('b.example')] },
        [dns('https://x.a.example')],
        REFUSED,
      ],
      ['a wildcard as base', { permitted: [dns('*.a.example')] }, [], REFUSED],
      ['a leading dot in a host base', { permitted: [dns('.a.example')] }, [], REFUSED],
      ['a subnet with holes in its mask', { permitted: [ip(192, 0, 2, 0, 255, 0, 255, 0)] }, [], REFUSED],
      ['a subnet of the wrong size', { permitted: [ip(192, 0, 2, 0)] }, [], REFUSED],
      ['a mailbox base that is none', { excluded: [email('a b')] }, [], REFUSED],
      ['a URI base that is a URI', { excluded: [uri('https://a.example')] }, [], REFUSED],
    ];

  it.each(rows)('D10: %s', (_what, lists, names, expected) => {
    expect(verdict(lists, names)).toBe(expected);
  });

  it('D11: an anchor’s own constraints hold', () => {
    expect(verdict({ permitted: [dns('a.example')] }, [dns('b.example')], 'anchor')).toBe(REFUSED);
    expect(verdict({ permitted: [dns('a.example')] }, [dns('a.example')], 'anchor')).toBe('accepted');
  });

  it('D10: an e-mail address in the subject is a name too', () => {
    const authority = issue('authority', 'issuing', {
      issuer: root,
      extra: [nameConstraints({ permitted: [email('a.example')] })],
    });
    const leafOf = (address: string) =>
      issue('end entity', 'tpp', {
        issuer: authority,
        subject: factory.name([['2.5.4.3', der.utf8('tpp')]], [['1.2.840.113549.1.9.1', der.ia5(address)]]),
      }).certificate;
    const options = {
      anchors: [root.certificate],
      intermediates: [authority.certificate],
      at: NOW,
      policy: TLS_CLIENT_POLICY,
    };
    expect(outcomeOf(() => verifyPath(leafOf('ops@b.example'), options))).toBe(REFUSED);
    expect(outcomeOf(() => verifyPath(leafOf('ops@a.example'), options))).toBe('accepted');
    expect(outcomeOf(() => verifyPath(leafOf('nobody'), options))).toBe(REFUSED);
  });

  it('D10: a later authority cannot widen, and its own names count unless it is self-issued', () => {
    const narrow = issue('authority', 'narrow', {
      issuer: root,
      extra: [nameConstraints({ permitted: [dns('a.example')] })],
    });
    const wide = (options: Parameters<typeof issue>[2]) => {
      const authority = issue('authority', 'wide', { issuer: narrow, ...options });
      const leaf = issue('end entity', 'tpp', {
        issuer: authority,
        extra: [subjectAltName(dns('b.example'))],
      });
      const plain = issue('end entity', 'tpp', { issuer: authority });
      return [leaf, plain].map(({ certificate }) =>
        outcomeOf(() =>
          verifyPath(certificate, {
            anchors: [root.certificate],
            intermediates: [authority.certificate, narrow.certificate],
            at: NOW,
            policy: TLS_CLIENT_POLICY,
          }),
        ),
      );
    };
    const outside = subjectAltName(dns('b.example'));
    const widened = nameConstraints({ permitted: [dns('example')] });
    expect(wide({ extra: [widened] })).toEqual([REFUSED, 'accepted']);
    expect(wide({ extra: [outside] })).toEqual([REFUSED, REFUSED]);
    expect(wide({ extra: [outside], subject: narrow.name })).toEqual([REFUSED, 'accepted']);
  });

  it('D13: many constraints times many names end in the budget', () => {
    const bases = Array.from({ length: 1200 }, (_value, index) => dns(`x${index}.example`));
    const names = Array.from({ length: 1200 }, (_value, index) => dns(`y${index}.example`));
    expect(verdict({ excluded: bases }, names)).toBe('ERR_CERT_PATH_BUDGET');
    expect(verdict({ excluded: bases.slice(0, 100) }, names.slice(0, 100))).toBe('accepted');
  });
});
