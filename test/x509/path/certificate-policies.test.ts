import { describe, expect, it } from 'vitest';
import { type PathPolicy, TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import { issue, NOW, policies } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const ANY = '2.5.29.32.0';
const [GOLD, SILVER, LEAD] = ['1.2.3.1', '1.2.3.2', '1.2.3.3'];

const mappings = (...pairs: readonly (readonly [string, string])[]): Buffer =>
  factory.extension(
    '2.5.29.33',
    der.sequence(...pairs.map(([from, to]) => der.sequence(der.oid(from), der.oid(to)))),
    true,
  );
const constraints = (limits: { explicit?: number; mapping?: number }): Buffer => {
  const limit = (number: number, value: number | undefined): Buffer =>
    value === undefined ? Buffer.alloc(0) : der.field(number, Buffer.from([value]));
  return factory.extension(
    '2.5.29.36',
    der.sequence(limit(0, limits.explicit), limit(1, limits.mapping)),
    true,
  );
};
const inhibitAny = (skip: number): Buffer => factory.extension('2.5.29.54', der.integer(skip), true);

/** Extensions from the anchor down, the end entity's last. */
function decide(path: readonly (readonly Buffer[])[], policy: Partial<PathPolicy>) {
  const authorities: factory.Party[] = [];
  for (const [index, extra] of path.slice(0, -1).entries()) {
    const issuer = authorities.at(-1);
    authorities.push(
      issue('authority', `ca ${index}`, { extra, ...(issuer === undefined ? {} : { issuer }) }),
    );
  }
  const [anchor, ...intermediates] = authorities;
  const issuer = authorities.at(-1);
  if (anchor === undefined || issuer === undefined) throw new Error('a path has an anchor');
  const leaf = issue('end entity', 'tpp', { issuer, extra: path.at(-1) ?? [] });
  return verifyPath(leaf.certificate, {
    anchors: [anchor.certificate],
    intermediates: intermediates.map(({ certificate }) => certificate),
    at: NOW,
    policy: { ...TLS_CLIENT_POLICY, ...policy },
  });
}

describe('certificate policies (RFC 5280 section 6.1, RFC 9618)', () => {
  const gold: Partial<PathPolicy> = { acceptedPolicies: [GOLD], requireExplicitPolicy: true };
  const explicit: Partial<PathPolicy> = { requireExplicitPolicy: true };
  const plain: readonly Buffer[] = [];
  type Row = readonly [
    what: string,
    path: readonly (readonly Buffer[])[],
    policy: Partial<PathPolicy>,
    expected: string,
  ];
  const rows: readonly Row[] = [
    ['none stated, none asked for', [plain, plain, plain], {}, 'accepted'],
    ['none stated, one asked for', [plain, plain, plain], gold, 'ERR_CERT_POLICY'],
    ['the same all the way', [plain, [policies(GOLD)], [policies(GOLD)]], gold, 'accepted'],
    ['another at the end', [plain, [policies(GOLD)], [policies(SILVER)]], gold, 'ERR_CERT_POLICY'],
    ['another than accepted', [plain, [policies(SILVER)], [policies(SILVER)]], gold, 'ERR_CERT_POLICY'],
    [
      'another, none demanded',
      [plain, [policies(SILVER)], [policies(SILVER)]],
      { acceptedPolicies: [GOLD] },
      'accepted',
    ],
    ['missing in the middle', [plain, plain, [policies(GOLD)]], explicit, 'ERR_CERT_POLICY'],
    ['anyPolicy in the middle', [plain, [policies(ANY)], [policies(GOLD)]], gold, 'accepted'],
    ['anyPolicy at the end', [plain, [policies(GOLD)], [policies(ANY)]], gold, 'accepted'],
    [
      'anyPolicy in the middle, inhibited',
      [plain, [policies(ANY)], [policies(GOLD)]],
      { ...gold, inhibitAnyPolicy: true },
      'ERR_CERT_POLICY',
    ],
    [
      'anyPolicy below an authority that inhibits it',
      [plain, [policies(GOLD), inhibitAny(0)], [policies(ANY)]],
      gold,
      'ERR_CERT_POLICY',
    ],
    [
      'anyPolicy below an anchor that inhibits it',
      [[inhibitAny(0)], [policies(ANY)], [policies(GOLD)]],
      gold,
      'ERR_CERT_POLICY',
    ],
    ['mapped', [plain, [policies(GOLD), mappings([GOLD, SILVER])], [policies(SILVER)]], gold, 'accepted'],
    [
      'mapped, the old name below',
      [plain, [policies(GOLD), mappings([GOLD, SILVER])], [policies(GOLD)]],
      gold,
      'ERR_CERT_POLICY',
    ],
    [
      'mapped, mapping inhibited',
      [plain, [policies(GOLD), mappings([GOLD, SILVER])], [policies(SILVER)]],
      { ...gold, inhibitPolicyMapping: true },
      'ERR_CERT_POLICY',
    ],
    [
      'mapped from anyPolicy’s children',
      [plain, [policies(ANY), mappings([GOLD, SILVER])], [policies(SILVER)]],
      gold,
      'accepted',
    ],
    [
      'mapped below an authority that inhibits it',
      [
        plain,
        [policies(GOLD), constraints({ mapping: 0 })],
        [policies(GOLD), mappings([GOLD, SILVER])],
        [policies(SILVER)],
      ],
      gold,
      'ERR_CERT_POLICY',
    ],
    [
      'anyPolicy mapped',
      [plain, [policies(GOLD), mappings([ANY, SILVER])], [policies(SILVER)]],
      {},
      'ERR_CERT_POLICY',
    ],
    [
      'to anyPolicy mapped',
      [plain, [policies(GOLD), mappings([GOLD, ANY])], [policies(SILVER)]],
      {},
      'ERR_CERT_POLICY',
    ],
    [
      'required by an authority',
      [plain, [policies(GOLD), constraints({ explicit: 0 })], [policies(SILVER)]],
      {},
      'ERR_CERT_POLICY',
    ],
    [
      'required by an authority, later',
      [plain, [policies(GOLD), constraints({ explicit: 2 })], [policies(SILVER)]],
      {},
      'accepted',
    ],
    ['required by the anchor', [[constraints({ explicit: 0 })], plain, plain], {}, 'ERR_CERT_POLICY'],
    [
      'required by the end entity',
      [plain, [policies(GOLD)], [policies(SILVER), constraints({ explicit: 0 })]],
      {},
      'ERR_CERT_POLICY',
    ],
  ];

  it.each(rows)('D12: %s', (_what, path, policy, expected) => {
    expect(outcomeOf(() => decide(path, policy))).toBe(expected);
  });

  it('names the policies that are valid, in the words of the anchor', () => {
    const path = [plain, [policies(GOLD, LEAD), mappings([GOLD, SILVER])], [policies(SILVER)]];
    expect(decide(path, {}).policies).toEqual([GOLD]);
    expect(decide(path, gold).policies).toEqual([GOLD]);
    expect(decide([plain, [policies(ANY)], [policies(ANY)]], {}).policies).toEqual([ANY]);
  });

  it('D12: a lattice of mappings does not explode (CVE-2023-0464)', () => {
    const names = Array.from({ length: 60 }, (_value, index) => `1.2.4.${index}`);
    const all = names.flatMap((from) => names.slice(0, 12).map((to) => [from, to] as const));
    const level = [policies(...names), mappings(...all)];
    const path = [plain, level, level, level, level, level, [policies(...names.slice(0, 12))]];
    expect(decide(path, explicit).policies).toEqual(expect.arrayContaining([names[0]]));
  });
});
