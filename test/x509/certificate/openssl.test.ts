import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import { NOW } from '../certificate-factory.ts';
import { buildChain, type Chain, type ChainRecipe, chainRecipe } from '../path/chain-recipe.ts';
import { outcomeOf } from '../refusals.ts';

const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '';
const isMissing = !/^OpenSSL 3\./.test(version);
/** `TALLYSTICK_CHAINS=100000` for a night. */
const RUNS = Number(process.env.TALLYSTICK_CHAINS ?? 1000);
const folder = mkdtempSync(join(tmpdir(), 'paths-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Deviation {
  readonly reason: string;
  readonly said: RegExp;
  readonly isMet: (recipe: ChainRecipe) => boolean;
}

/** Where OpenSSL refuses what we accept on purpose. One that is not met any more fails the test. */
const DEVIATIONS: readonly Deviation[] = [
  {
    reason:
      'RFC 5280 §4.2.1.12: an authority with anyExtendedKeyUsage restricts nothing; OpenSSL does not know it',
    said: /unsuitable certificate purpose/,
    isMet: ({ root, authorities }) => [root, ...authorities].some((one) => one.includes('extKeyUsage any')),
  },
];

function ours({ anchor, untrusted, leaf }: Chain): string {
  return outcomeOf(() =>
    verifyPath(parseCertificate(leaf), {
      anchors: [parseCertificate(anchor)],
      // What cannot be read is not there.
      intermediates: untrusted
        .filter((one) => outcomeOf(() => parseCertificate(one)) === 'accepted')
        .map(parseCertificate),
      at: NOW,
      policy: { ...TLS_CLIENT_POLICY, anchors: 'issued' },
    }),
  );
}

function theirs({ anchor, untrusted, leaf }: Chain): { isAccepted: boolean; said: string } {
  const write = (name: string, some: readonly Buffer[]): string => {
    const pem = some.map(
      (one) =>
        `-----BEGIN CERTIFICATE-----\n${one.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    );
    writeFileSync(join(folder, name), pem.join('').replaceAll('\n\n', '\n'));
    return join(folder, name);
  };
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
      ...['-CAfile', write('root.pem', [anchor])],
      ...(untrusted.length === 0 ? [] : ['-untrusted', write('untrusted.pem', untrusted)]),
      write('leaf.pem', [leaf]),
    ],
    { encoding: 'utf8' },
  );
  return { isAccepted: result.status === 0, said: `${result.stdout}${result.stderr}` };
}

describe.skipIf(isMissing)(
  `beside openssl verify -x509_strict${isMissing ? ' (skipped: no OpenSSL 3)' : ''}`,
  () => {
    it('is never looser, on generated chains, and accepts some of them (D1 to D12, D16, D18 to D23)', () => {
      let accepted = 0;
      const met = new Set<Deviation>();
      fc.assert(
        fc.property(chainRecipe, (recipe) => {
          const made = buildChain(recipe);
          if (ours(made) !== 'accepted') return;
          accepted += 1;
          const { isAccepted, said } = theirs(made);
          const known = DEVIATIONS.find((one) => one.said.test(said) && one.isMet(recipe));
          if (known !== undefined) met.add(known);
          else expect({ isAccepted, said: isAccepted ? '' : said }).toEqual({ isAccepted: true, said: '' });
        }),
        { numRuns: RUNS, seed: 5280 },
      );
      expect(accepted).toBeGreaterThan(RUNS / 25);
      expect(DEVIATIONS.filter((one) => !met.has(one))).toEqual([]);
    }, 3_600_000);
  },
);
