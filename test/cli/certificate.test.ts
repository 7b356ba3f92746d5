import { execFile, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCertificateFacts } from '../../src/cli/certificate/certificate-facts.ts';
import { certificateText } from '../../src/cli/certificate/certificate-text.ts';
import { configurationFrom, verifyCertificate } from '../../src/cli/certificate/certificate-verify.ts';
import { decisionJson } from '../../src/tpp/decision-groups.ts';
import { systemClock } from '../../src/clock.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { type RunningSandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { parsePem } from '../../src/x509/certificate/certificate.ts';
import { readPage } from '../docs/pages.ts';
import { corpus } from '../x509/corpora.ts';
import { clientSchema } from '../../src/authorization-server/clients/client-schema.ts';
import type { Config } from '../../src/configuration/config.ts';
import { selfSigned } from '../authorization-server/clients/self-signed-certificates.ts';
import { layFolder } from '../sandbox/made-folders.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const psd2 = corpus('pkilint-psd2');
let folder: string;
let sandbox: RunningSandbox;
let freeFolder: () => Promise<void>;
let good: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-certificate-'));
  freeFolder = await layFolder(folder);
  sandbox = await startSandbox({ folder, ports: { front: 0, mtls: 0, resource: 0, tpp: 0 } });
  good = tppNamed(sandbox.description, 'money-one').certificateFile;
}, 120_000);
afterAll(async () => {
  await sandbox.close();
  await freeFolder();
  await rm(folder, { recursive: true, force: true });
});

interface Done {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a user runs it. */
function certificate(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: Buffer } = {},
) {
  return new Promise<Done>((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, 'certificate', ...args],
      { env: { ...process.env, ...options.env } },
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end(options.input);
  });
}

const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

const brokenFile = (name: string): string =>
  sandbox.description.broken.find((one) => one.name === name)?.certificateFile ?? '';
const inSandbox = () => ['--sandbox', folder];

describe('tallystick certificate inspect', () => {
  it('tells all that a certificate says, with its QCStatements and its organization identifier', async () => {
    const { status, stdout } = await certificate(['inspect', good]);
    expect(status).toBe(0);
    for (const expected of [
      'subject         CN=money-one.tpp.example,organizationIdentifier=PSDGB-FCA-900003,O=Sandbox Money One Ltd,C=GB',
      'scheme PSD, country GB, authority GB-FCA, reference 900003',
      'keyUsage (critical)     digitalSignature',
      'clientAuth (1.3.6.1.5.5.7.3.2)',
      'QCP-w-psd2 (0.4.0.19495.3.1)',
      `uri ${sandbox.description.revocationUrl}/ocsp`,
      'PSD2 statement  role PSP_PI',
      'competent authority GB-FCA (Financial Conduct Authority)',
    ]) {
      expect(stdout).toContain(expected);
    }
    const openssl = spawnSync('openssl', [
      'x509',
      '-in',
      good,
      '-noout',
      '-fingerprint',
      '-sha256',
      '-serial',
    ]);
    if (openssl.status !== 0) return;
    const [, fingerprint = '', serial = ''] =
      /Fingerprint=(\S+)\nserial=(\S+)/.exec(openssl.stdout.toString()) ?? [];
    expect(stdout).toContain(fingerprint.replaceAll(':', '').toLowerCase());
    expect(stdout).toContain(serial.toLowerCase());
  });

  it('reads PEM, PEM with text around it, PEM out of a header, DER and standard input alike', async () => {
    const pem = await readFile(good, 'utf8');
    const [der = Buffer.alloc(0)] = parsePem(pem);
    const files = {
      'text.pem': `Certificate:\n    Data: …\n${pem}\nthe end\n`,
      'header.txt': encodeURIComponent(pem),
      'bare.txt': der.toString('base64'),
      'cert.der': der,
    };
    const reads = await Promise.all(
      Object.entries(files).map(async ([name, content]) => {
        await writeFile(join(folder, name), content);
        return certificate(['inspect', join(folder, name), '--json']);
      }),
    );
    const piped = await certificate(['inspect', '-', '--json'], { input: der });
    const { stdout } = await certificate(['inspect', good, '--json']);
    for (const read of [...reads, piped]) expect(read).toEqual({ status: 0, stdout, stderr: '' });
    expect(JSON.parse(stdout).certificates[0]).toMatchObject({
      organizationIdentifier: { scheme: 'PSD', nca: 'GB-FCA', reference: '900003' },
      qcStatements: { types: ['web'], qualified: true, psd2: { nca: { id: 'GB-FCA' } } },
      problems: [],
    });
  });

  it('names what it cannot read, shows the rest, and ends with 1', async () => {
    const malformed = await certificate(['inspect', brokenFile('malformed-der')]);
    expect(malformed.status).toBe(1);
    expect(malformed.stdout).toContain(
      '✗ extension keyUsage: critical is a BOOLEAN that DER does not write so',
    );
    expect(malformed.stdout).toContain('organizationIdentifier=PSDGB-FCA-900003');
    const roles = readCertificateFacts(await derOf(brokenFile('role-name-and-oid-swapped')));
    expect(roles.qcStatements).toMatchObject({ qualified: true, types: ['web'] });
    expect(roles.problems).toEqual([
      { part: 'qcStatements', problem: expect.stringContaining('does not go by its name') },
    ]);
    const cut = readCertificateFacts((await derOf(good)).subarray(0, 420));
    expect(cut).toMatchObject({
      subject: expect.stringContaining('organizationIdentifier=PSDGB-FCA-900003'),
      problems: [{ part: 'certificate', problem: 'element is cut off' }],
    });
    const weak = readCertificateFacts(await derOf(brokenFile('rsa-1024')));
    expect(weak.publicKey).toMatchObject({ text: 'RSA, 1024 bits', problem: 'too weak: RSA 1024 bits' });
    const sha1 = readCertificateFacts(await derOf(brokenFile('sha-1')));
    expect(sha1.signatureAlgorithm).toEqual({ name: 'ecdsa-with-SHA1', isAccepted: false });
  });

  it('never throws, whatever the bytes are', async () => {
    const der = await derOf(good);
    const change = fc.record({ at: fc.nat(der.length - 1), to: fc.nat(255), cut: fc.nat(der.length) });
    fc.assert(
      fc.property(change, fc.boolean(), ({ at, to, cut }, isCut) => {
        const bytes = Buffer.from(der);
        bytes[at] = to;
        const facts = readCertificateFacts(isCut ? bytes.subarray(0, cut) : bytes);
        certificateText(facts, new Date(0));
        JSON.stringify(facts);
      }),
      { numRuns: 1500, seed: 7 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readCertificateFacts(Buffer.from(bytes)).problems).not.toEqual([]);
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it.skipIf(psd2.isMissing)(`reads the certificates of ${psd2.title} without a throw`, () => {
    const files = readdirSync(psd2.path, { recursive: true, encoding: 'utf8' });
    const blocks = files
      .filter((file) => /\.(pem|crt|crttest)$/.test(file))
      .flatMap(
        (file) =>
          readFileSync(join(psd2.path, file), 'utf8').match(
            /-----BEGIN CERT[\s\S]*?END CERTIFICATE-----\n/g,
          ) ?? [],
      );
    expect(blocks.length).toBeGreaterThan(10);
    for (const block of blocks) {
      const [der = Buffer.alloc(0)] = parsePem(block);
      const facts = readCertificateFacts(der);
      expect(facts.subject).not.toBe('');
      expect(certificateText(facts, new Date(0))).toContain('QCStatements');
    }
  });

  it('lets no certificate draw on the terminal (O1)', async () => {
    const period = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') };
    const root = await createAuthority({ name: 'Root', ...period });
    const evil = await root.issue({
      profile: 'qwac',
      subject: { commonName: '\u001b[2Jx\r\ny\u202e', organization: 'O' },
      nca: { id: 'GB-FCA', name: '\u001b]0;title\u0007' },
      authorizationNumber: '1\u001b[31m',
      roles: ['PSP_AI'],
      ...period,
    });
    const [der = Buffer.alloc(0)] = parsePem(evil.certificatePem);
    const shown = certificateText(readCertificateFacts(der), new Date(0));
    expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

/** The documented table of the broken set: one code for all names of a row, or one each. */
function documentedBroken(): Record<string, string> {
  const page = readPage('docs/tpp-certificates.md').text;
  const table = page.slice(page.indexOf('| `broken` |')).split('\n\n')[0] ?? '';
  const ticked = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  return Object.fromEntries(
    table
      .split('\n')
      .slice(2)
      .flatMap((row) => {
        const [, names, , codes] = row.split('|').map(ticked);
        return (names ?? []).map((name, index) => [name, codes?.[index] ?? codes?.[0] ?? '']);
      }),
  );
}

async function derOf(file: string): Promise<Buffer> {
  const [der = Buffer.alloc(0)] = parsePem(await readFile(file, 'utf8'));
  return der;
}

describe('tallystick certificate verify', () => {
  it('shows the decision as a tree, each rule with its clause, and ends with 0 when it accepts', async () => {
    const { status, stdout, stderr } = await certificate([
      'verify',
      good,
      ...inSandbox(),
      '--scope',
      'accounts',
    ]);
    expect([status, stderr]).toEqual([0, '']);
    const places = [
      'form',
      'trust profile',
      'CN=Tallystick Sandbox Root CA',
      'CN=Tallystick Sandbox Issuing CA',
      'CN=money-one.tpp.example,',
      'statements',
      'identifier',
      'revocation',
      'registry',
      'roles',
    ].map((title) => stdout.search(new RegExp(`^[├└]─ ${title}`, 'm')));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    // Each question once, and no rule outside of them: only the block list is not named above.
    expect(stdout.match(/^[├└]─ /gm)).toHaveLength(places.length + 1);
    expect(stdout).toMatch(/✓ validity +RFC 5280 §6\.1\.3 \(a\)\(2\)/);
    expect(stdout).toMatch(/✓ not revoked +RFC 5280 §6\.3, RFC 6960 §3\.2 +ocsp-first/);
    expect(stdout).toMatch(/✓ scope .*accounts/);
    expect(stdout).toContain('ACCEPTED  Sandbox Money One Ltd (PSDGB-FCA-900003): PSP_PI, PSP_AI, PSP_IC');
    expect(stdout).not.toContain('✗');
  });

  it('marks the rule that refused, says what was not asked any more, and ends with 1', async () => {
    const { status, stdout } = await certificate([
      'verify',
      brokenFile('revoked-intermediate'),
      ...inSandbox(),
    ]);
    expect(status).toBe(1);
    expect(stdout.match(/✗/g)).toHaveLength(1);
    expect(stdout).toMatch(/✗ not revoked .*◀ REFUSED\n.*ERR_CERT_REVOKED/);
    expect(stdout).toContain('subject: CN=Tallystick Sandbox Revoked Issuing CA');
    expect(stdout).toContain('└─ not asked any more: registry, roles');
    expect(stdout).toContain('\nREFUSED  ERR_CERT_REVOKED: ');
  });

  it('makes the decision about a self-signed certificate for the client that is named (RFC 8705 §2.2)', async () => {
    const { organizationIdentifier } = tppNamed(sandbox.description, 'money-one');
    const own = await selfSigned(folder);
    const config = await configurationFrom({ sandbox: folder });
    const client = {
      client_id: 'own',
      client_name: 'Money One',
      authorization_number: organizationIdentifier,
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      grant_types: ['client_credentials'],
      scope: 'accounts',
      jwks: { keys: [own.jwk] },
    };
    const accepting: Config = {
      ...config,
      selfSignedCertificates: 'accept-registered',
      clients: [clientSchema.parse(client)],
    };
    const steps = async (clientId?: string, of: Config = accepting) => {
      const evaluation = await verifyCertificate(of, {
        ...{ der: own.der, intermediates: [], clock: systemClock, asksRevocation: true, scopes: [] },
        ...(clientId === undefined ? {} : { clientId }),
      });
      return evaluation.steps.map(({ rule, refusal }) => refusal?.code ?? rule);
    };
    expect(await steps('own')).toEqual(
      expect.arrayContaining(['registered certificate', 'self-signed', 'key strength', 'validity', 'roles']),
    );
    expect(await steps('own')).not.toContain('QCStatements');
    expect(await steps('nobody')).toEqual(['ERR_CERT_SELF_SIGNED']);
    expect(await steps()).toEqual(['ERR_CERT_SELF_SIGNED']);
    expect(await steps('own', config)).toContain('ERR_CERT_UNTRUSTED');
  });

  it('refuses each of the broken set at one rule, the last, with the code that sandbox.json tells', async () => {
    const config = await configurationFrom({ sandbox: folder });
    const refused = await Promise.all(
      sandbox.description.broken.map(async ({ name, certificateFile }) => {
        const [der = Buffer.alloc(0), ...intermediates] = parsePem(await readFile(certificateFile, 'utf8'));
        const options = {
          der,
          intermediates,
          clock: systemClock,
          asksRevocation: true,
          scopes: ['accounts'],
        };
        const told = decisionJson(await verifyCertificate(config, options), new Date());
        const steps = told.groups.flatMap((group) => group.steps);
        const last = steps.at(-1);
        expect(steps.filter(({ outcome }) => outcome === 'refused')).toEqual([last]);
        expect(last?.clause).not.toBe('');
        return [name, last?.code];
      }),
    );
    expect(refused).toEqual(sandbox.description.broken.map(({ name, expectedCode }) => [name, expectedCode]));
    expect(refused.length).toBeGreaterThanOrEqual(18);
    expect(documentedBroken()).toEqual(Object.fromEntries(refused));
  });

  it('decides as of another time, and says that revocation was not asked for then', async () => {
    const past = new Date(
      Date.parse(sandbox.server.registry.find('PSDGB-FCA-900003')?.statusSince.toISOString() ?? '') +
        86_400_000,
    );
    const before = new Date(past.getTime() - 30 * 86_400_000);
    const [then, early, later] = await Promise.all([
      certificate(['verify', brokenFile('revoked-by-ocsp'), ...inSandbox(), '--at', past.toISOString()]),
      certificate(['verify', good, ...inSandbox(), '--at', before.toISOString(), '--json']),
      certificate(['verify', good, ...inSandbox(), '--at', '2049-01-01', '--json']),
    ]);
    expect([then.status, then.stdout]).toEqual([0, expect.stringContaining('Revocation was not asked for.')]);
    expect(then.stdout).toMatch(/not revoked .*not checked/);
    expect([early.status, JSON.parse(early.stdout).code]).toEqual([1, 'ERR_CERT_NOT_YET_VALID']);
    expect([later.status, JSON.parse(later.stdout).code]).toEqual([1, 'ERR_CERT_EXPIRED']);
  });

  it('judges by the profile that is named, with the intermediates that are given', async () => {
    const [leaf = '', above = ''] = (await readFile(brokenFile('path-too-long'), 'utf8')).split(
      /(?<=END CERTIFICATE-----\n)/,
    );
    await Promise.all([
      writeFile(join(folder, 'leaf.pem'), leaf),
      writeFile(join(folder, 'above.pem'), above),
    ]);
    const verify = (...args: string[]) => certificate(['verify', ...args, ...inSandbox(), '--json']);
    const [alone, together, uk] = await Promise.all([
      verify(join(folder, 'leaf.pem')),
      verify(join(folder, 'leaf.pem'), '--intermediates', join(folder, 'above.pem')),
      verify(good, '--profile', 'uk-directory'),
    ]);
    expect([alone.status, JSON.parse(alone.stdout).code]).toEqual([1, 'ERR_CERT_UNTRUSTED']);
    expect([together.status, JSON.parse(together.stdout).code]).toEqual([1, 'ERR_CERT_PATH_LENGTH']);
    const told = JSON.parse(uk.stdout);
    expect([uk.status, told.decision, told.tpp.roles]).toEqual([
      0,
      'accepted',
      ['PSP_PI', 'PSP_AI', 'PSP_IC'],
    ]);
    expect(JSON.stringify(told.groups)).toContain('"found":"uk-directory"');
    expect(JSON.stringify(told.groups)).not.toContain('QcCompliance');
  });

  it('takes the configuration file of a server, and says in words what is wrong with it (2)', async () => {
    const { stdout, status } = await certificate(['verify', good, '--config', join(folder, 'none.yaml')]);
    expect([status, stdout]).toEqual([2, '']);
    await writeFile(
      join(folder, 'server.json'),
      JSON.stringify(await configurationFrom({ sandbox: folder })),
    );
    const right = await certificate([
      'verify',
      good,
      '--config',
      join(folder, 'server.json'),
      '--no-revocation',
    ]);
    expect([right.status, right.stdout]).toEqual([0, expect.stringContaining('ACCEPTED')]);
  });

  it('tells wrong usage with exit code 2 and nothing on standard output', async () => {
    await writeFile(join(folder, 'empty.txt'), 'no certificate here\n');
    const wrong = [
      ['verify', good],
      ['verify', join(folder, 'missing.pem'), ...inSandbox()],
      ['verify', join(folder, 'empty.txt'), ...inSandbox()],
      ['verify', good, '--sandbox', join(folder, 'tpps')],
      ['verify', good, ...inSandbox(), '--at', 'yesterday'],
      ['inspect', join(folder, 'empty.txt')],
    ];
    for (const { status, stdout, stderr } of await Promise.all(wrong.map((args) => certificate(args)))) {
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^error: /);
    }
  });

  it.skipIf(!hasScript)(
    `colours on a terminal only, and never under NO_COLOR${hasScript ? '' : ' [skipped: no script]'}`,
    async () => {
      const args = ['verify', brokenFile('expired'), ...inSandbox(), '--no-revocation'];
      const [piped, plain, coloured] = await Promise.all([
        certificate(args),
        inTerminal(args, { NO_COLOR: '1' }),
        inTerminal(args, {}),
      ]);
      expect(piped.stdout).not.toContain('\u001b');
      expect(plain).not.toContain('\u001b[');
      expect(plain).toContain('REFUSED');
      expect(coloured).toContain('\u001b[31m');
    },
  );
});

/** The command on a terminal of its own, as util-linux makes one. */
async function inTerminal(args: readonly string[], env: Record<string, string>): Promise<string> {
  // Node takes a machine that runs CI for one without colours.
  const { FORCE_COLOR: _force, NO_COLOR: _none, CI: _ci, ...rest } = process.env;
  const line = [process.execPath, MAIN, 'certificate', ...args].map((part) => `'${part}'`).join(' ');
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { ...rest, TERM: 'xterm-256color', ...env },
  });
  return text(child.stdout);
}
