import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entityRecord, writeBulkFile } from '../../src/sandbox/registers/eba-writer.ts';
import { participantResource } from '../../src/sandbox/registers/uk-directory.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const day = (at: number) => new Date(at).toISOString().slice(0, 10);
const NOW = Date.now();
const DAY = 86_400_000;
const stamp = (at: number) => `${day(at).replaceAll('-', '')}0000`;
const institution = (number: number, days: readonly string[]) =>
  entityRecord({
    type: 'PSD_PI',
    owner: 'IE_CBI',
    entityCode: `IE_CBI!C${number}`,
    name: `No. ${number}`,
    days,
    services: { IE: ['PS_070', 'PS_080'], ES: ['PS_080'] },
  });
const YESTERDAY = `download-PSDMD-${stamp(NOW - DAY)}.zip`;
const TODAY = `download-PSDMD-${stamp(NOW)}.zip`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-registry-'));
  const active = ['2018-07-02'];
  const old = await writeBulkFile([institution(1, active), institution(2, active)]);
  const next = await writeBulkFile([institution(1, ['2018-07-02', day(NOW)]), institution(2, active)]);
  const client = (number: number) =>
    `  - { client_id: client-${number}, authorization_number: PSDIE-CBI-C${number} }`;
  const files = {
    [YESTERDAY]: old.zip,
    [TODAY]: next.zip,
    'broken.zip': old.zip.subarray(0, 300),
    'clients.yaml': `clients:\n${client(1)}\n${client(2)}\n`,
    'tallystick.yaml': [
      'issuer: https://as.example',
      'mtlsUrl: https://mtls.as.example',
      'tls: { certificateFile: tls.pem, privateKeyFile: tls.key }',
      'storage: { file: store.db, secretFile: secret }',
      'signingKeysFile: keys.json',
      'resource: https://api.example',
      'hostCountry: ES',
      'trust: [{ profile: own-ca, anchorsFile: ca.pem }]',
      'registry: { eba: { folder: register } }',
      'clientsFile: clients.yaml',
    ].join('\n'),
  };
  const uk = files['tallystick.yaml']
    .replace('hostCountry: ES', 'hostCountry: GB')
    .replace('eba: { folder: register }', 'ukDirectory: { folder: uk }')
    .replace('clients.yaml', 'uk-clients.yaml');
  const acme = (status: string) => ({
    organisationId: '0015800001HQQrZAAX',
    name: 'Acme',
    status,
    authorityId: 'FCAGBR',
    registrationId: '123456',
    authorisations: [{ role: 'AISP' }],
    softwareStatements: [{ id: '9ZzFFBxSLGEjPZogRAbvFd', roles: ['AISP'] }],
  });
  const list = (status: string) =>
    JSON.stringify({ totalResults: 1, startIndex: 1, Resources: [participantResource(acme(status))] });
  Object.assign(files, {
    'uk.yaml': uk,
    'uk-clients.yaml': 'clients:\n  - { client_id: acme, authorization_number: PSDGB-FCA-123456 }\n',
    'active.json': list('Active'),
    'withdrawn.json': list('Withdrawn'),
    'cut.json': JSON.stringify({ totalResults: 2, Resources: [participantResource(acme('Active'))] }),
  });
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
});
afterAll(() => rm(folder, { recursive: true }));

function registry(...args: readonly string[]) {
  return ofConfiguration('tallystick.yaml', args);
}

function ofConfiguration(file: string, args: readonly string[]) {
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    const all = [MAIN, 'registry', ...args, '--config', file];
    execFile(process.execPath, all, { cwd: folder }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe('tallystick registry', () => {
  it('says that there is no copy yet', async () => {
    const { status, stdout } = await registry('status');
    expect(stdout).toContain('no copy yet: `tallystick registry fetch` or `import`');
    expect(status).toBe(1);
  });

  it('imports a ZIP, and shows sources and TPPs', async () => {
    expect((await registry('import', YESTERDAY)).stdout).toBe('Imported: 2 institutions of 3 records.\n');
    const { status, stdout } = await registry('status');
    expect(status).toBe(0);
    expect(stdout).toContain('✓ EBA register: 2 institutions of 3 records');
    const shown = await registry('show', 'PSDIE-CBI-C1');
    expect(shown.stdout).toMatch(/EBA register: No\. 1, active, PSP_AI \(PSD_PI IE_CBI!C1, copy of /);
    expect(shown.stdout).toMatch(/✓ No\. 1, IE, also in ES: PSP_AI, since 2018-07-02/);
    const unknown = await registry('show', 'PSDIE-CBI-C9', '--json');
    expect(JSON.parse(unknown.stdout)).toMatchObject({
      sources: [],
      refusal: { code: 'ERR_TPP_NOT_REGISTERED' },
    });
    expect(unknown.status).toBe(1);
  });

  it('shows what a newer copy changes for the clients here, and changes nothing', async () => {
    const { stdout } = await registry('diff', TODAY);
    expect(stdout).toBe(
      '✗ PSDIE-CBI-C1: PSP_AI → ERR_TPP_NOT_AUTHORIZED\n    clients: client-1\n1 of 2 TPPs with clients here change.\n',
    );
    expect((await registry('show', 'PSDIE-CBI-C1')).status).toBe(0);
    const json = JSON.parse((await registry('diff', TODAY, '--json')).stdout);
    expect(json).toMatchObject({
      tpps: 2,
      changes: [{ authorizationNumber: 'PSDIE-CBI-C1', clients: ['client-1'] }],
    });
  });

  it('refuses a ZIP that is none, and one that goes back', async () => {
    const broken = await registry('import', 'broken.zip', '--date', day(NOW));
    expect(broken.stderr).toContain('the ZIP is no ZIP');
    expect(broken.status).toBe(2);
    expect((await registry('import', 'broken.zip')).stderr).toContain(
      '--date: is needed, such as 2026-11-29',
    );
    await registry('import', TODAY);
    expect((await registry('show', 'PSDIE-CBI-C1')).stdout).toContain('ERR_TPP_NOT_AUTHORIZED');
    expect((await registry('import', YESTERDAY)).stderr).toContain('ERR_REGISTER_ROLLBACK');
  });

  it('names the field that fetching needs', async () => {
    expect((await registry('fetch')).stderr).toContain('registry.eba.address: is absent: nothing is fetched');
  });
});

describe('tallystick registry of the UK directory', () => {
  const uk = (...args: readonly string[]) => ofConfiguration('uk.yaml', args);

  it('imports a list, shows source and TPP, and what a newer list changes', async () => {
    expect((await uk('status')).stdout).toContain('✗ UK directory: no copy yet');
    expect((await uk('import', 'active.json')).stdout).toBe('Imported: 1 participants.\n');
    const [status, json, tpp, newer] = await Promise.all([
      uk('status'),
      uk('status', '--json'),
      uk('show', 'PSDGB-FCA-123456'),
      uk('diff', 'withdrawn.json'),
    ]);
    expect(status.stdout).toContain('✓ UK directory: 1 participants, 1 of them active');
    expect(status.status).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({
      eba: null,
      ukDirectory: { participants: 1, active: 1 },
    });
    expect(tpp.stdout).toContain(
      'UK directory: Acme, active, PSP_AI (organisation 0015800001HQQrZAAX, software 9ZzFFBxSLGEjPZogRAbvFd, copy of ',
    );
    expect(newer.stdout).toBe(
      '✗ PSDGB-FCA-123456: PSP_AI → ERR_TPP_NOT_AUTHORIZED\n    clients: acme\n1 of 1 TPPs with clients here change.\n',
    );
  });

  it('refuses a list that is not whole, a register that is not configured, and fetching without a way', async () => {
    expect((await uk('import', 'cut.json')).stderr).toContain(
      'has not all of the participants that it states',
    );
    expect((await uk('import', TODAY)).stderr).toContain('registry.eba: is not configured');
    expect((await uk('fetch')).stderr).toContain(
      'registry.ukDirectory.connection: is absent: nothing is fetched',
    );
  });
});
