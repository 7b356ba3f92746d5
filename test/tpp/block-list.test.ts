import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import { silentLog } from '../../src/events.ts';
import { createLog } from '../../src/log.ts';
import { type Authority, createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { parseBlocks } from '../../src/tpp/block-list/block.ts';
import {
  type BlockSubject,
  createBlockList,
  openFileBlockList,
} from '../../src/tpp/block-list/block-list.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';
import { type Certificate, parseCertificate } from '../../src/x509/certificate/certificate.ts';
import { formatName } from '../../src/x509/certificate/distinguished-name.ts';
import { twinOf } from '../x509/certificate-factory.ts';

const WHY = { reason: 'its key was lost', since: '2026-11-20' };
const CERTIFICATE = { issuer: 'CN=Issuing,O=QTSP,C=FI', serialNumber: '0a1b2c', ...WHY };
const TPP = { authorizationNumber: 'PSDGB-FCA-123456', ...WHY };
const textOf = (...blocked: readonly object[]) => JSON.stringify({ blocked });
const listOf = (...blocked: readonly object[]) =>
  createBlockList(parseBlocks(textOf(...blocked), { source: 'test' }));
const subject = (change: Partial<BlockSubject> = {}): BlockSubject => ({
  authorizationNumber: 'PSDGB-FCA-123456',
  nca: 'GB-FCA',
  certificate: { issuer: 'CN=Issuing,O=QTSP,C=FI', serialNumber: '0a1b2c' },
  ...change,
});

function problemsOf(text: string): string[] {
  try {
    parseBlocks(text, { source: 'test' });
  } catch (error) {
    if (isRefusal(error, 'ERR_BLOCK_LIST_INVALID')) {
      return error.details.problems.map(({ path, message }) => `${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

describe('a block', () => {
  it.each([
    ['as OpenSSL prints them', { serialNumber: '0A1B2C' }],
    ['with colons', { serialNumber: '0a:1b:2c' }],
    ['without the leading zero', { serialNumber: 'a1b2c' }],
    ['with a sign octet', { serialNumber: '000a1b2c' }],
    ['with the name in other letters and spaces', { issuer: 'cn = issuing , o = qtsp , c = fi' }],
    ['with the name by identifiers', { issuer: '2.5.4.3=Issuing,2.5.4.10=QTSP,2.5.4.6=#13024649' }],
  ])('of issuer and serial number hits its certificate, written %s', (_title, change) => {
    expect(listOf({ ...CERTIFICATE, ...change }).isBlocked(subject())).toBe(true);
  });

  it('of a certificate hits no other: not by serial number alone, nor by issuer alone', () => {
    const list = listOf(CERTIFICATE);
    const { issuer = '', serialNumber = '' } = subject().certificate ?? {};
    for (const certificate of [
      { issuer, serialNumber: '0a1b2d' },
      { issuer: 'CN=Other,O=QTSP,C=FI', serialNumber },
      { issuer: 'C=FI,O=QTSP,CN=Issuing', serialNumber },
    ]) {
      expect(list.isBlocked(subject({ certificate }))).toBe(false);
    }
  });

  it('of a TPP hits all its certificates, in any letters, and under its authority alone if it names one', () => {
    const finnish = { ...TPP, authorizationNumber: 'NTRFI-1', nca: 'FI_FIN-FSA' };
    const list = listOf(TPP, finnish);
    expect(list.find(subject())?.kind).toBe('tpp');
    expect(list.isBlocked(subject({ authorizationNumber: 'PSDGB-FCA-654321' }))).toBe(false);
    expect(list.isBlocked(subject({ authorizationNumber: 'psdgb-fca-123456' }))).toBe(true);
    expect(list.isBlocked(subject({ authorizationNumber: 'NTRFI-1', nca: 'FI-FINFSA' }))).toBe(true);
    expect(list.isBlocked(subject({ authorizationNumber: 'NTRFI-1', nca: 'GB-FCA' }))).toBe(false);
  });
});

describe('a block list file', () => {
  it.each<[title: string, entry: unknown, place: string]>([
    ['a serial number that YAML reads as a number', { ...CERTIFICATE, serialNumber: 123 }, 'serialNumber'],
    ['a serial number that is none', { ...CERTIFICATE, serialNumber: '0x12' }, 'serialNumber'],
    ['a serial number of 22 octets', { ...CERTIFICATE, serialNumber: '01'.repeat(22) }, 'serialNumber'],
    ['an issuer that is no name', { ...CERTIFICATE, issuer: 'Issuing' }, 'issuer'],
    ['an empty issuer', { ...CERTIFICATE, issuer: ' ' }, 'issuer'],
    ['a thumbprint', { ...CERTIFICATE, thumbprint: 'x' }, ''],
    ['an issuer without a serial number', { issuer: CERTIFICATE.issuer, ...WHY }, 'serialNumber'],
    ['an unknown authority', { ...TPP, nca: 'DE-FAKENCA' }, 'nca'],
    ['no reason', { authorizationNumber: TPP.authorizationNumber, since: WHY.since }, 'reason'],
    ['a day that does not exist', { ...TPP, since: '2026-02-30' }, 'since'],
    ['nothing', null, ''],
  ])('with %s is refused at its place', (_title, entry, field) => {
    const problems = problemsOf(JSON.stringify({ blocked: [TPP, entry] }));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.replace(/ \(line \d+\)/, '').split(': ')[0]).toBe(
      `blocked[1]${field === '' ? '' : `.${field}`}`,
    );
  });

  it('tells every problem at once, and may be empty', () => {
    expect(
      problemsOf(textOf({ ...TPP, since: 'x' }, { ...CERTIFICATE, issuer: 'x', reason: '' })),
    ).toHaveLength(2);
    expect(problemsOf('blocked: []')).toEqual([]);
    expect(problemsOf('blocked: [')).toHaveLength(1);
    expect(problemsOf('{}')).toHaveLength(1);
  });

  it('throws nothing but its own refusal, whatever the text', () => {
    const field = fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue());
    const entry = fc.record(
      {
        issuer: field,
        serialNumber: field,
        authorizationNumber: field,
        nca: field,
        reason: field,
        since: field,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(entry), (blocked) => void problemsOf(JSON.stringify({ blocked }))),
      { seed: 1 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void problemsOf(text)),
      { seed: 1 },
    );
  });

  const folder = mkdtempSync(join(tmpdir(), 'tallystick-block-list-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is followed; a bad copy is told with every problem, and the last good one stays', async () => {
    const file = join(folder, 'blocked.yaml');
    const lines: string[] = [];
    const log = createLog({ destination: { write: (line) => void lines.push(line) } });
    writeFileSync(file, textOf());
    const list = await openFileBlockList({ file, log, pollSeconds: 3600 });
    expect(list.isBlocked(subject())).toBe(false);
    writeFileSync(file, textOf(CERTIFICATE));
    expect(await list.reload()).toBe(true);
    expect(list.isBlocked(subject())).toBe(true);
    writeFileSync(file, textOf({ ...TPP, nca: 'X' }, { ...TPP, since: 'x' }));
    expect(await list.reload()).toBe(false);
    expect(list.isBlocked(subject())).toBe(true);
    const refused = lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'block-list.refused');
    expect(refused.problems).toHaveLength(2);
    await list.close();
    await expect(openFileBlockList({ file, log: silentLog })).rejects.toMatchObject({
      code: 'ERR_BLOCK_LIST_INVALID',
    });
  });
});

describe('blocked TPPs and certificates', () => {
  const NOW = new Date('2026-11-24T12:00:00Z');
  const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
  const GOOD: IssueOptions = {
    profile: 'qwac',
    subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
    authorizationNumber: '123456',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    roles: ['PSP_AI'],
    ...PERIOD,
  };
  const registry = createRegistry(
    parseTppRecords(
      JSON.stringify({
        tpps: [
          {
            authorizationNumber: 'PSDGB-FCA-123456',
            legalName: 'Acme Ltd',
            nca: { id: 'GB-FCA' },
            country: 'GB',
            roles: ['PSP_AI'],
            status: 'active',
            statusSince: '2026-01-31',
          },
        ],
      }),
      { source: 'test' },
    ),
    NOW,
  );
  let issuer: Authority;
  beforeAll(async () => {
    issuer = await createAuthority({ name: 'Issuing', ...PERIOD });
  });

  /** The outcome of each certificate, twice: the second time from memory. */
  async function codesOf(bytes: readonly Uint8Array[], ...blocked: readonly object[]): Promise<string[]> {
    let current = createBlockList([]);
    const blockList = { find: (subject: BlockSubject) => current.find(subject) };
    const { authenticate } = createTppAuthenticator({
      trust: [{ current: createTrustProfile({ preset: 'eu-qualified', anchorsPem: issuer.certificatePem }) }],
      authorisationStatus: new AuthorisationStatus({ registry, blockList }),
      clock: { now: () => NOW },
    });
    for (const der of bytes) await authenticate({ der });
    current = listOf(...blocked);
    return Promise.all(
      bytes.map((der) =>
        authenticate({ der }).then(
          ({ legalName }) => legalName,
          (error) => error.code,
        ),
      ),
    );
  }
  const blockOf = ({ issuer: name, serialNumber }: Certificate) => ({
    issuer: formatName(name),
    serialNumber,
    ...WHY,
  });

  it('are refused at their next request, although the path is remembered; others of the TPP live on', async () => {
    const [old, renewed] = [await issuer.issue(GOOD), await issuer.issue(GOOD)].map(({ der }) => der);
    if (old === undefined || renewed === undefined) throw new Error('two were issued');
    expect(await codesOf([old, renewed], blockOf(parseCertificate(old)))).toEqual([
      'ERR_CERT_BLOCKED',
      'Acme Ltd',
    ]);
    expect(await codesOf([old, renewed], TPP)).toEqual(['ERR_TPP_BLOCKED', 'ERR_TPP_BLOCKED']);
  });

  it('are hit in the twin of their signature too, s turned to n - s (A5)', async () => {
    const { der } = await issuer.issue(GOOD);
    const twin = twinOf(Buffer.from(der));
    expect(parseCertificate(twin).thumbprint).not.toBe(parseCertificate(der).thumbprint);
    expect(await codesOf([twin], blockOf(parseCertificate(der)))).toEqual(['ERR_CERT_BLOCKED']);
  });
});
