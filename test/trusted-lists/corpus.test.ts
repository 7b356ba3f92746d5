import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePem } from '../../src/x509/der/pem.ts';
import { readListOfLists } from '../../src/trusted-lists/list-of-lists.ts';
import { readTrustedList } from '../../src/trusted-lists/list/trusted-list.ts';
import { verifySignedList } from '../../src/trusted-lists/signature/signed-list.ts';
import { isGrantedNow, issuesForWebsites } from '../../src/trusted-lists/website-issuers.ts';
import { corpus } from '../x509/corpora.ts';

const { path, isMissing, title } = corpus('trusted-lists');
const file = (source: string) => ({ source, bytes: readFileSync(join(path, source)) });
const NATIONAL = isMissing ? [] : readdirSync(path).filter((name) => /^..-2023\.xml$/.test(name));

/** Services of each list: all, those ever granted for website authentication, those granted at the end of 2023. */
const SERVICES: Readonly<Record<string, readonly [all: number, ever: number, granted: number]>> = {
  AT: [80, 6, 6],
  BG: [77, 4, 4],
  CY: [8, 0, 0],
  CZ: [340, 4, 4],
  DK: [13, 0, 0],
  EE: [54, 0, 0],
  EL: [120, 10, 9],
  ES: [302, 44, 28],
  FI: [19, 8, 8],
  FR: [190, 5, 5],
  HU: [295, 6, 6],
  IE: [8, 0, 0],
  IS: [5, 0, 0],
  LI: [9, 0, 0],
  LT: [64, 0, 0],
  LU: [19, 1, 0],
  LV: [29, 0, 0],
  MT: [7, 0, 0],
  PL: [114, 5, 5],
  PT: [88, 4, 4],
  RO: [123, 1, 1],
  SE: [7, 0, 0],
  SI: [83, 7, 7],
  SK: [169, 5, 5],
};

const WHOLE_LISTS = 29;
const hasXmlsec = spawnSync('xmlsec1', ['--version']).status === 0;

/** The certificates that a list names for its own signature: each tool is to judge the signature only. */
function namedSigners(text: string): Buffer[] {
  const signature = text.slice(text.search(/<(\w+:)?KeyInfo/));
  return [...signature.matchAll(/X509Certificate>([^<]+)</g)].map(([, base64 = '']) =>
    Buffer.from(base64, 'base64'),
  );
}

function ourVerdict(text: string): boolean {
  try {
    verifySignedList(Buffer.from(text), { source: 'list', signers: namedSigners(text) });
    return true;
  } catch {
    return false;
  }
}

function xmlsecVerdict(text: string, folder: string): boolean {
  const [list, signer] = [join(folder, 'list.xml'), join(folder, 'signer.pem')];
  const [der] = namedSigners(text);
  if (der === undefined) return false;
  writeFileSync(list, text);
  const lines = der
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n')
    .trim();
  writeFileSync(signer, `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`);
  const properties = 'http://uri.etsi.org/01903/v1.3.2#:SignedProperties';
  const args = [
    '--verify',
    '--pubkey-cert-pem',
    signer,
    '--id-attr:Id',
    properties,
    '--enabled-key-data',
    'key-name',
    list,
  ];
  return spawnSync('xmlsec1', args).status === 0;
}

describe.skipIf(isMissing)(`official trusted lists of 2023: ${title}`, () => {
  const officialJournal = isMissing
    ? []
    : readdirSync(join(path, 'oj-2019')).flatMap((name) =>
        parsePem(readFileSync(join(path, 'oj-2019', name), 'utf8')),
      );
  const pivots = isMissing ? [] : [file('eu-lotl-pivot-300.xml'), file('eu-lotl-pivot-282.xml')];
  const { list, pivots: used } = isMissing
    ? { list: undefined, pivots: [] }
    : readListOfLists(file('eu-lotl-332.xml'), { officialJournal, pivots });
  const signersOf = (territory: string) =>
    list?.pointers.filter((one) => one.territory === territory).flatMap(({ signers }) => [...signers]) ?? [];

  it('proves the list of the lists from the Official Journal of 2019 over its pivots', () => {
    expect(used).toEqual([282, 300]);
    expect(list?.sequenceNumber).toBe(332);
    expect(list?.nextUpdate).toEqual(new Date('2024-03-26T10:00:29Z'));
    expect(list?.pointers.map(({ territory }) => territory).filter((one) => one !== 'EU')).toHaveLength(31);
  });

  it('refuses it without a pivot, and with one of its pivots alone proves it', () => {
    const read = (...names: readonly string[]) =>
      readListOfLists(file('eu-lotl-332.xml'), { officialJournal, pivots: names.map(file) });
    expect(() => read()).toThrow(expect.objectContaining({ code: 'ERR_TRUSTED_LIST_SIGNER' }));
    expect(read('eu-lotl-pivot-282.xml').pivots).toEqual([282]);
    expect(read('eu-lotl-pivot-300.xml').pivots).toEqual([300]);
  });

  it.each(NATIONAL)('%s: verified by a signer that the list of the lists names', (name) => {
    const territory = name.slice(0, 2);
    const read = readTrustedList(file(name).bytes, { source: name, signers: signersOf(territory) });
    const ever = read.services.filter(issuesForWebsites);
    const granted = ever.filter((one) => isGrantedNow(one, new Date('2023-12-31T00:00:00Z')));
    expect([read.services.length, ever.length, granted.length]).toEqual(SERVICES[territory]);
    expect(read.territory).toBe(territory);
  });

  it.each(NATIONAL)('%s: refused by the signers of every other list', (name) => {
    const others = list?.pointers.filter(({ territory }) => territory !== name.slice(0, 2)) ?? [];
    const signers = others.flatMap((pointer) => [...pointer.signers]);
    const attempt = () => readTrustedList(file(name).bytes, { source: name, signers });
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_TRUSTED_LIST_SIGNER' }));
  });

  it.skipIf(!hasXmlsec)(
    'agrees with xmlsec1 on every list, and on a changed copy of each',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tallystick-xmlsec-'));
      const verdicts = [];
      for (const name of readdirSync(path).filter((one) => one.endsWith('.xml'))) {
        const text = readFileSync(join(path, name), 'utf8');
        const changed = text.replace(/<(\w+:)?TSLSequenceNumber>\d+/, (found) => `${found}1`);
        for (const [kind, content] of [
          ['as it is', text],
          ['changed', changed],
        ] as const) {
          verdicts.push({ name, kind, ours: ourVerdict(content), theirs: xmlsecVerdict(content, folder) });
        }
      }
      await rm(folder, { recursive: true });
      expect(verdicts.filter(({ ours, theirs }) => ours !== theirs)).toEqual([]);
      expect(verdicts.filter(({ ours }) => ours)).toHaveLength(WHOLE_LISTS);
    },
    120_000,
  );

  it.each([
    ['CZ_broken-sig.xml', 'a digest does not match'],
    ['CZ_no-sig.xml', 'there is none'],
    ['CZ_two-sigs.xml', 'there is more than one'],
    ['eu-lotl_broken-sig.xml', 'a digest does not match'],
  ])('%s: refused, %s', (name, problem) => {
    const named = readFileSync(join(path, name), 'utf8').matchAll(/X509Certificate>([^<]+)</g);
    // Even with every certificate that it names allowed.
    const signers = [...named].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
    const attempt = () => readTrustedList(file(name).bytes, { source: name, signers });
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'ERR_TRUSTED_LIST_SIGNATURE', details: { source: name, problem } }),
    );
  });
});
