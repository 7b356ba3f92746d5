import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY, listOfLists, nationalList, operator, service } from '../trusted-lists/written-lists.ts';
import { issue } from '../x509/certificate-factory.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const [journal, national, authority] = [
  operator('journal'),
  operator('national'),
  issue('authority', 'Issuing'),
];
const now = Date.now();
const dates = { issuedAt: new Date(now - DAY), nextUpdate: new Date(now + 30 * DAY) };
const granted = { status: 'granted', since: new Date(now - 100 * DAY) };
const withdrawn = { status: 'withdrawn', since: new Date(now - DAY) };
const list = (sequenceNumber: number, ...states: readonly (typeof granted)[]) =>
  nationalList(national, { ...dates, sequenceNumber, services: [service(authority, ...states)] });

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-trust-list-'));
  const pem = `-----BEGIN CERTIFICATE-----\n${journal.der.toString('base64')}\n-----END CERTIFICATE-----\n`;
  const lotl = listOfLists(journal, { ...dates, lists: [{ territory: 'AA', by: national }] });
  const files = {
    'journal.pem': pem,
    'eu-lotl.xml': lotl,
    'AA-5.xml': list(5, granted),
    'AA-6.xml': list(6, withdrawn, granted),
    'stranger.xml': nationalList(operator('stranger'), dates),
    'tallystick.yaml': [
      'issuer: https://as.example',
      'mtlsUrl: https://mtls.as.example',
      'tls: { certificateFile: tls.pem, privateKeyFile: tls.key }',
      'storage: { file: store.db, secretFile: secret }',
      'signingKeysFile: keys.json',
      'resource: https://api.example',
      'trust: [{ profile: eu-qualified, lists: { folder: lists, officialJournalFile: journal.pem } }]',
      'registry: { file: tpps.yaml }',
    ].join('\n'),
  };
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
});
afterAll(() => rm(folder, { recursive: true }));

function trustList(...args: readonly string[]) {
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    const all = [MAIN, 'trust-list', ...args, '--config', 'tallystick.yaml'];
    execFile(process.execPath, all, { cwd: folder }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe('tallystick trust-list', () => {
  it('says what to do while nothing is proved', async () => {
    const { status, stderr } = await trustList('status');
    expect(stderr).toContain('nothing is proved yet: use `tallystick trust-list fetch` or `import`');
    expect(status).toBe(2);
  });

  it('imports lists, and shows their state and issuers', async () => {
    expect((await trustList('import', 'AA-5.xml', 'eu-lotl.xml')).stdout).toBe('Imported: EU 100, AA 5.\n');
    const { status, stdout } = await trustList('status');
    expect(status).toBe(0);
    expect(stdout).toMatch(/✓ AA +5 .* 1\n/);
    expect((await trustList('show', 'AA')).stdout).toMatch(/✓ AA {2}Test QWAC service\n.*granted since/);
    const [issuer] = JSON.parse((await trustList('show', '--json')).stdout);
    expect(issuer).toMatchObject({ territory: 'AA', isGranted: true });
  });

  it('imports none of several files when one of them proves nothing', async () => {
    const { status, stderr } = await trustList('import', 'AA-6.xml', 'stranger.xml');
    expect(stderr).toContain('ERR_TRUSTED_LIST_SIGNER');
    expect(status).toBe(2);
    expect((await trustList('status')).stdout).toMatch(/✓ AA +5 /);
  });

  it('imports a newer list, and refuses to go back', async () => {
    expect((await trustList('import', 'AA-6.xml')).stdout).toBe('Imported: AA 6.\n');
    expect((await trustList('show')).stdout).toMatch(/✗ AA {2}Test QWAC service\n.*withdrawn since/);
    expect((await trustList('import', 'AA-5.xml')).stderr).toContain('ERR_TRUSTED_LIST_ROLLBACK');
    expect((await readdir(join(folder, 'lists'))).sort()).toEqual(['AA.xml', 'eu-lotl.xml', 'issuers.json']);
  });

  it('names the field that fetching needs', async () => {
    const { status, stderr } = await trustList('fetch');
    expect(stderr).toContain('trust[0].lists.address: is absent: nothing is fetched');
    expect(status).toBe(2);
  });

  it('names a file that is not there', async () => {
    expect((await trustList('import', 'nowhere.xml')).stderr).toContain('nowhere.xml: no such file');
  });
});
