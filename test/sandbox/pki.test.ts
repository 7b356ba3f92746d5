import { spawnSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const QWAC: IssueOptions = {
  profile: 'qwac',
  subject: { commonName: 'acme.example', organization: 'TPP, "Q" Ltd #1' },
  authorizationNumber: '0751699-0',
  nca: { id: 'FI-FINFSA', name: 'Finanssivalvonta' },
  roles: ['PSP_AI'],
  ...PERIOD,
};
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

describe("the sandbox's PKI", () => {
  it.skipIf(!hasOpenssl)(
    `makes certificates that openssl accepts strictly${hasOpenssl ? '' : ' [skipped: no openssl]'}`,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tallystick-pki-'));
      const root = await createAuthority({ name: 'Root', ...PERIOD });
      const issuer = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
      const cases = [
        [await issuer.issue(QWAC), 'sslclient'],
        [
          await issuer.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD }),
          'sslserver',
        ],
        [await issuer.issue({ ...QWAC, profile: 'qsealc' }), 'any'],
      ] as const;
      writeFileSync(join(folder, 'root.pem'), root.certificatePem);
      writeFileSync(join(folder, 'issuer.pem'), issuer.certificatePem);
      for (const [certificate, purpose] of cases) {
        writeFileSync(join(folder, 'leaf.pem'), certificate.certificatePem);
        const run = spawnSync(
          'openssl',
          [
            'verify',
            '-x509_strict',
            '-purpose',
            purpose,
            '-CAfile',
            'root.pem',
            '-untrusted',
            'issuer.pem',
            'leaf.pem',
          ],
          { cwd: folder, encoding: 'utf8' },
        );
        expect(run.stdout + run.stderr).toContain('leaf.pem: OK');
      }
      rmSync(folder, { recursive: true });
    },
  );

  it('puts the identifier and the names into the subject as they are', async () => {
    const root = await createAuthority({ name: 'Root', ...PERIOD });
    const { subject } = new X509Certificate((await root.issue(QWAC)).certificatePem);
    expect(subject).toContain('organizationIdentifier=PSDFI-FINFSA-0751699-0');
    expect(subject).toContain('O=TPP\\, \\"Q\\" Ltd #1');
  });

  it('renews with a new key, or reissues on the same one', async () => {
    const root = await createAuthority({ name: 'Root', ...PERIOD });
    const first = await root.issue(QWAC);
    const renewed = await root.issue(QWAC);
    const reissued = await root.issue({ ...QWAC, privateKeyPem: first.privateKeyPem });
    const keyOf = (pem: string) => createPublicKey(pem).export({ type: 'spki', format: 'pem' });
    expect(keyOf(renewed.certificatePem)).not.toBe(keyOf(first.certificatePem));
    expect(keyOf(reissued.certificatePem)).toBe(keyOf(first.certificatePem));
    const serials = [first, renewed, reissued].map(
      ({ certificatePem }) => new X509Certificate(certificatePem).serialNumber,
    );
    expect(new Set(serials).size).toBe(3);
  });
});
