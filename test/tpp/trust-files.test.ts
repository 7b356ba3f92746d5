import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/events.ts';
import { createLog } from '../../src/log.ts';
import { type Authority, createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { openTrustProfile, SANDBOX_ORGANIZATION, type TrustFilesOptions } from '../../src/tpp/trust-files.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';

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

const folder = mkdtempSync(join(tmpdir(), 'tallystick-trust-'));
afterAll(() => rmSync(folder, { recursive: true }));
let root: Authority;
let other: Authority;
let issuer: Authority;
beforeAll(async () => {
  [root, other] = (await Promise.all(
    ['Root', 'Other'].map((name) => createAuthority({ name, ...PERIOD })),
  )) as [Authority, Authority];
  issuer = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
});

let files = 0;
function fileOf(text: string): string {
  files += 1;
  const file = join(folder, `${files}.pem`);
  writeFileSync(file, text);
  return file;
}

const pem = (der: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
const open = (anchorsFile: string, change: Partial<TrustFilesOptions> = {}) =>
  openTrustProfile({
    preset: 'eu-qualified',
    anchorsFile,
    place: 'trust[0]',
    log: silentLog,
    pollSeconds: 3600,
    ...change,
  });

describe('trust files', () => {
  it('are followed: an authority that is taken out is untrusted at the next request (D29, C15)', async () => {
    const anchorsFile = fileOf(other.certificatePem + root.certificatePem);
    const intermediatesFile = fileOf(issuer.certificatePem);
    const written: string[] = [];
    const log = createLog({ destination: { write: (line) => void written.push(line) } });
    const trust = await open(anchorsFile, { intermediatesFile, log });
    const { authenticate } = createTppAuthenticator({
      trust: [trust],
      authorisationStatus: new AuthorisationStatus({ registry }),
      clock: { now: () => NOW },
    });
    const { der } = await issuer.issue(GOOD);
    const outcome = () =>
      authenticate({ der }).then(
        ({ legalName }) => legalName,
        ({ code }) => code,
      );
    expect(await outcome()).toBe('Acme Ltd');
    expect(trust.current).toBe(trust.current);

    writeFileSync(anchorsFile, other.certificatePem);
    expect(await trust.reload()).toBe(true);
    expect(await outcome()).toBe('ERR_CERT_UNTRUSTED');
    writeFileSync(anchorsFile, root.certificatePem.slice(0, -10));
    expect(await trust.reload()).toBe(false);
    expect(await outcome()).toBe('ERR_CERT_UNTRUSTED');
    const refused = written.map((line) => JSON.parse(line)).find(({ event }) => event === 'trust.refused');
    expect(refused.problems).toMatchObject([{ path: 'trust[0].anchorsFile' }]);
    writeFileSync(anchorsFile, root.certificatePem);
    expect(await trust.reload()).toBe(true);
    expect(await outcome()).toBe('Acme Ltd');
    writeFileSync(intermediatesFile, other.certificatePem);
    expect(await trust.reload()).toBe(true);
    expect(await outcome()).toBe('ERR_CERT_UNTRUSTED');
    await trust.close();
  });

  it('may have text around the certificates, as openssl and cat leave it (RFC 7468 §2)', async () => {
    const described = `\ufeffCertificate:\n    Data:\n${root.certificatePem.trimEnd()}`;
    const older = other.certificatePem.replaceAll('CERTIFICATE', 'X509 CERTIFICATE').replaceAll('\n', '\r\n');
    const trust = await open(fileOf(`${described}${older}# the end\n`));
    expect(trust.current.anchors.map(({ der }) => der)).toEqual([
      Buffer.from(root.der),
      Buffer.from(other.der),
    ]);
    await trust.close();
  });

  it('leave out a certificate that cannot be read, with its position and subject, while others remain', async () => {
    const written: string[] = [];
    const log = createLog({ destination: { write: (line) => void written.push(line) } });
    // One octet too many: OpenSSL reads the name all the same.
    const odd = pem(Buffer.concat([other.der, Buffer.of(0)]));
    const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
    const anchorsFile = fileOf(`${odd}${root.certificatePem}${key}`);
    const trust = await open(anchorsFile, { log });
    expect(trust.current.anchors.map(({ der }) => der)).toEqual([Buffer.from(root.der)]);
    const warning = written
      .map((line) => JSON.parse(line))
      .find(({ event }) => event === 'trust.certificate.unreadable');
    expect(warning).toMatchObject({
      level: 'warn',
      file: anchorsFile,
      problems: [
        {
          path: 'trust[0].anchorsFile',
          message: expect.stringMatching(/^certificate 1, CN=Other: bytes follow/),
        },
        { message: 'certificate 3: the block is a PRIVATE KEY, not a CERTIFICATE' },
      ],
    });
    await trust.close();
    await expect(open(fileOf(`${odd}${key}`))).rejects.toMatchObject({
      details: {
        problems: [
          { message: expect.stringMatching(/^certificate 1/) },
          { message: expect.stringMatching(/^certificate 2/) },
        ],
      },
    });
  });

  it('have a warning for an anchor that refuses every certificate, and are in use all the same', async () => {
    const past = await createAuthority({ name: 'Past', ...PERIOD, notAfter: new Date('2026-02-01') });
    const written: string[] = [];
    const log = createLog({ destination: { write: (line) => void written.push(line) } });
    const anchorsFile = fileOf(past.certificatePem + root.certificatePem);
    const trust = await open(anchorsFile, { log, clock: { now: () => NOW } });
    const warnings = written
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'trust.anchor.unusable');
    expect(warnings).toMatchObject([{ level: 'warn', file: anchorsFile, code: 'ERR_CERT_EXPIRED' }]);
    expect(JSON.stringify(warnings)).toContain('CN=Past');
    await trust.close();
  });

  it.each<[title: string, textOf: () => Promise<string>, message: RegExp]>([
    ['nothing', async () => '', /PEM/],
    ['no PEM', async () => 'junk', /PEM/],
    [
      'a certificate that is no DER',
      async () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /./,
    ],
    [
      "a TPP's own certificate",
      async () => root.certificatePem + (await issuer.issue(GOOD)).certificatePem,
      /certificate 2, .*acme\.example.* is not a certification authority/,
    ],
    [
      'the root of a sandbox (G15, O6)',
      async () =>
        (await createAuthority({ name: 'Any', organization: SANDBOX_ORGANIZATION, ...PERIOD }))
          .certificatePem,
      /sandbox/,
    ],
  ])('with %s stop the start', async (_title, textOf, message) => {
    await expect(open(fileOf(await textOf()))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path: 'trust[0].anchorsFile', message: expect.stringMatching(message) }] },
    });
  });

  it('that are not there stop the start, and the root of a sandbox is taken where that is said (G15, O6)', async () => {
    await expect(open(join(folder, 'none.pem'))).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    await expect(
      open(fileOf(root.certificatePem), { intermediatesFile: join(folder, 'none.pem') }),
    ).rejects.toMatchObject({ details: { problems: [{ path: 'trust[0].intermediatesFile' }] } });
    const sandbox = await createAuthority({ name: 'Any', organization: SANDBOX_ORGANIZATION, ...PERIOD });
    const trust = await open(fileOf(sandbox.certificatePem), { allowsSandboxAnchors: true });
    expect(trust.current.anchors).toHaveLength(1);
    await trust.close();
  });
});
