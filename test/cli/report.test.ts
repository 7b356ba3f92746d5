import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isUnderRoot } from '../../src/cli/report/browser-roots.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/configuration/config.ts';
import { silentLog } from '../../src/events.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { type RunningSandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { openTppDecision } from '../../src/server/tpp-decision.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { SeenCertificates } from '../../src/tpp/seen-certificates.ts';
import { parseCertificate, parsePem } from '../../src/x509/certificate/certificate.ts';
import { formatName } from '../../src/x509/certificate/distinguished-name.ts';
import type { RegisteredClient } from '../../src/authorization-server/clients/registered-client.ts';
import { reportCertificates, withRenewals } from '../../src/cli/report/certificate-report.ts';
import { configurationFrom } from '../../src/cli/certificate/certificate-verify.ts';
import { layFolder } from '../sandbox/made-folders.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let folder = '';
let sandbox: RunningSandbox;
let freeFolder: () => Promise<void>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-report-'));
  freeFolder = await layFolder(folder);
  sandbox = await startSandbox({ folder, ports: { front: 0, mtls: 0, resource: 0, tpp: 0 } });
}, 120_000);
afterAll(async () => {
  await sandbox.close();
  await freeFolder();
  await rm(folder, { recursive: true, force: true });
});

function report(...args: readonly string[]) {
  return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
    const all = [MAIN, 'report', 'certificates', ...args];
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const ofSandbox = (...args: readonly string[]) => report('--sandbox', folder, ...args);

describe('tallystick report certificates', () => {
  it('is empty before a TPP has come', async () => {
    expect((await ofSandbox()).stdout).toBe('0 certificates seen in the last 90 days, 0 with a problem.\n');
  });

  it('shows the certificates of the TPPs that have come, while the server runs', async () => {
    const { description } = sandbox;
    const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    await tpp.close();
    const { certificates } = JSON.parse((await ofSandbox('--json')).stdout);
    const { organizationIdentifier: authorizationNumber } = tppNamed(description, 'money-one');
    expect(certificates).toEqual([
      expect.objectContaining({
        authorizationNumber,
        key: expect.stringMatching(/P-256|prime256v1|2048/),
        daysLeft: expect.any(Number),
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
        problems: [],
      }),
    ]);
    const text = await ofSandbox();
    expect(text.stdout).toContain(`✓ ${authorizationNumber} `);
    expect(text.status).toBe(0);
    const [head, row] = (await ofSandbox('--csv')).stdout.split('\n');
    expect(head).toBe(
      'authorizationNumber,legalName,daysLeft,notAfter,problems,issuer,serialNumber,fingerprint,key,signature,seenAt,clients,renewedBy,onlyThis',
    );
    expect(row).toMatch(new RegExp(`^${authorizationNumber},`));
  }, 30_000);

  it('names the clients of each certificate', async () => {
    const { description } = sandbox;
    const config = await configurationFrom({ sandbox: folder });
    const one = tppNamed(description, 'money-one');
    const ids = [one.clients.tls_client_auth.client_id, one.clients.private_key_jwt.client_id];
    const of = async () => {
      const certificates = await reportCertificates(config);
      return certificates.filter((each) => each.authorizationNumber === one.organizationIdentifier);
    };
    const original = await connectTpp({ description, tpp: one });
    await oauth.clientCredentialsGrant(original.config, { scope: 'accounts' });
    await original.close();
    await expect.poll(async () => (await of()).length, { timeout: 10_000 }).toBe(1);
    const [before] = await of();
    expect(before?.clients).toEqual(expect.arrayContaining(ids));
    expect(before?.renewedBy).toBeUndefined();
    // A client of the old subject alone, then the renewed certificate.
    const found = await sandbox.server.clients.find(ids[0] ?? '');
    const value = formatName(
      parseCertificate(parsePem(await readFile(one.certificateFile, 'utf8'))[0] ?? Buffer.alloc(0)).subject,
    );
    const bound = {
      ...found,
      client_id: 'bound',
      subject: { property: 'tls_client_auth_subject_dn', value },
    };
    await sandbox.server.clients.register(bound as RegisteredClient);
    const renewed = { ...one, ...one.renewed };
    const tpp = await connectTpp({ description, tpp: renewed });
    await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    await tpp.close();
    await expect.poll(async () => (await of()).length, { timeout: 10_000 }).toBe(2);
    // The renewed certificate of the sandbox has the same subject.
    for (const { clients } of await of()) expect(clients).toEqual(expect.arrayContaining([...ids, 'bound']));
  }, 60_000);

  it('names the clients that may use the old certificate alone after a renewal, of the same TPP only', () => {
    const certificate = (fingerprint: string, day: number, clients: readonly string[], tpp = 'one') => ({
      ...{ authorizationNumber: tpp, fingerprint, clients },
      notAfter: new Date(Date.UTC(2027, 0, day)),
    });
    const all = [
      certificate('old', 1, ['a', 'b', 'c']),
      certificate('next', 2, ['a']),
      certificate('last', 3, ['b']),
      certificate('other', 4, ['c'], 'two'),
    ];
    expect(withRenewals(all)).toMatchObject([
      { renewedBy: 'last', onlyThis: ['c'] },
      { renewedBy: 'last', onlyThis: ['a'] },
      {},
      {},
    ]);
  });

  it('names the reasons for which a certificate is refused, or will be', async () => {
    const bank = join(folder, 'another-bank');
    await mkdir(bank);
    const day = (days: number) => new Date(Date.now() + days * 86_400_000);
    const root = await createAuthority({ name: 'Root', notBefore: day(-100), notAfter: day(1000) });
    const issuing = await createAuthority({
      name: 'Issuing',
      parent: root,
      notBefore: day(-90),
      notAfter: day(50),
    });
    const { certificatePem } = await issuing.issue({
      profile: 'qwac',
      subject: { commonName: 'acme.example', organization: '=Acme, Ltd' },
      authorizationNumber: '123456',
      nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
      roles: ['PSP_AI'],
      notBefore: day(-80),
      notAfter: day(59.5),
      deviation: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] },
    });
    const record = {
      authorizationNumber: 'PSDGB-FCA-123456',
      legalName: '=Acme, Ltd',
      nca: { id: 'GB-FCA' },
      country: 'GB',
      roles: ['PSP_AI'],
      status: 'active',
      statusSince: '2026-01-31',
    };
    const configuration = [
      'issuer: https://as.example',
      'mtlsUrl: https://mtls.as.example',
      'tls: { certificateFile: tls.pem, privateKeyFile: tls.key }',
      'storage: { file: store.db, secretFile: secret }',
      'signingKeysFile: keys.json',
      'resource: https://api.example',
      'trust: [{ profile: own-ca, anchorsFile: ca.pem, extendedKeyUsage: client-or-server-auth }]',
      'registry: { file: tpps.json }',
    ];
    const tpps = (status: string) => JSON.stringify({ tpps: [{ ...record, status }] });
    await Promise.all([
      writeFile(join(bank, 'tallystick.yaml'), configuration.join('\n')),
      writeFile(join(bank, 'ca.pem'), root.certificatePem),
      writeFile(join(bank, 'tpps.json'), tpps('active')),
    ]);
    const parts = { clock: systemClock, log: silentLog };
    const store = await openSqliteStore({ file: join(bank, 'store.db'), ...parts });
    const seen = new SeenCertificates({ store, ...parts });
    const config = await loadConfig(join(bank, 'tallystick.yaml'));
    const { authenticator, close } = await openTppDecision(
      {
        ...config,
        trust: config.trust.map((one) => ({ ...one, revocation: { ...one.revocation, mode: 'none' } })),
      },
      { ...parts, onAccepted: (credential, { legalName }) => seen.note(credential, legalName) },
    );
    const [der = Buffer.alloc(0)] = parsePem(certificatePem);
    await authenticator.authenticate({ der, intermediates: parsePem(issuing.certificatePem) });
    await seen.close();
    await Promise.all([close(), store.close()]);
    await writeFile(join(bank, 'tpps.json'), tpps('withdrawn'));
    const file = join(bank, 'tallystick.yaml');
    const { stdout, status } = await report('--config', file, '--json');
    expect(JSON.parse(stdout).certificates[0].problems).toEqual([
      'refused now: ERR_TPP_NOT_AUTHORIZED',
      'ends in 59 days',
      'no id-kp-clientAuth',
      `its issuer ends before it, on ${day(50).toISOString().slice(0, 10)}`,
    ]);
    expect(status).toBe(1);
    const csv = (await report('--config', file, '--csv')).stdout.split('\n')[1];
    expect(csv).toMatch(/^PSDGB-FCA-123456,"'=Acme, Ltd",59,/);
  }, 30_000);
});

describe('an issuer under browser roots', () => {
  it('is found above an anchor that is an issuing CA, by key and not by name alone', async () => {
    const period = { notBefore: new Date('2026-01-01'), notAfter: new Date('2030-01-01') };
    const root = await createAuthority({ name: 'Root', ...period });
    const other = await createAuthority({ name: 'Root', ...period });
    const issuing = await createAuthority({ name: 'Issuing', parent: root, ...period });
    const { certificatePem } = await issuing.issue({
      profile: 'server',
      subject: { commonName: 'tpp.example' },
      dnsNames: ['tpp.example'],
      ...period,
    });
    const chain = parsePem(certificatePem + issuing.certificatePem);
    expect(isUnderRoot(chain, [root.certificatePem])).toBe(true);
    expect(isUnderRoot(chain.slice(0, 1), [root.certificatePem])).toBe(false);
    expect(isUnderRoot(chain, [other.certificatePem])).toBe(false);
    expect(isUnderRoot(chain)).toBe(false);
  });
});
