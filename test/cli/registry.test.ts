import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entityRecord, writeBulkFile } from '../../src/sandbox/registers/eba-writer.ts';

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
  await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(folder, name), content)));
});
afterAll(() => rm(folder, { recursive: true }));

function registry(...args: readonly string[]) {
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    const all = [MAIN, 'registry', ...args, '--config', 'tallystick.yaml'];
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
