import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { type Authority, createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { createTrustProfile, type TrustProfileOptions } from '../../src/tpp/trust-profile.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';
import { parsePem } from '../../src/x509/certificate/certificate.ts';
import * as der from '../x509/der-writer.ts';
import { corpus } from '../x509/corpora.ts';

const NOW = new Date('2026-11-24T12:00:00Z');
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const GOOD: IssueOptions = {
  profile: 'qwac',
  subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
  authorizationNumber: '123456',
  nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
  roles: ['PSP_AI', 'PSP_PI'],
  ...PERIOD,
};
const DIRECTORY_NUMBER = 'PSDGB-OB-Unknown0015800001HQQrZAAX';
const registry = createRegistry(
  parseTppRecords(
    JSON.stringify({
      tpps: ['PSDGB-FCA-123456', DIRECTORY_NUMBER].map((authorizationNumber) => ({
        authorizationNumber,
        legalName: 'Acme Ltd',
        nca: { id: 'GB-FCA' },
        country: 'GB',
        roles: ['PSP_AI', 'PSP_PI', 'PSP_IC'],
        status: 'active',
        statusSince: '2026-01-31',
      })),
    }),
    { source: 'test' },
  ),
  NOW,
);

let issuer: Authority;
beforeAll(async () => {
  issuer = await createAuthority({ name: 'Issuing', ...PERIOD });
});

function lines() {
  const written: string[] = [];
  const log = createLog({ destination: { write: (line) => void written.push(line) } });
  return { log, events: () => written.map((line) => JSON.parse(line)) };
}

async function outcomeOf(
  change: Partial<IssueOptions>,
  profile: Partial<TrustProfileOptions> = {},
  log = lines().log,
): Promise<string> {
  const { der: bytes } = await issuer.issue({ ...GOOD, ...change });
  const trust = createTrustProfile({
    preset: 'own-ca',
    anchorsPem: issuer.certificatePem,
    ...profile,
  });
  const subject = createTppAuthenticator({
    trust: [{ current: trust }],
    authorisationStatus: new AuthorisationStatus({ registry }),
    clock: { now: () => NOW },
    log,
  });
  const evaluation = await subject.evaluate({ der: bytes });
  if ('refusal' in evaluation) return evaluation.refusal.code;
  await subject.authenticate({ der: bytes });
  return [...evaluation.tpp.roles].join(' ');
}

const ACCEPTED = 'PSP_AI PSP_PI';
const withStatements = (...statements: readonly Buffer[]): Partial<IssueOptions> => ({
  deviation: { qcStatements: der.sequence(...statements) },
});
const statement = (id: string, ...info: readonly Buffer[]) => der.sequence(der.oid(id), ...info);
const COMPLIANCE = statement('0.4.0.1862.1.1');
const WEB = '0.4.0.1862.1.6.3';
const types = (...oids: readonly string[]) => statement('0.4.0.1862.1.6', der.sequence(...oids.map(der.oid)));
const role = (arc: string, name: string) => der.sequence(der.oid(`0.4.0.19495.1.${arc}`), der.utf8(name));
const PSD2 = statement(
  '0.4.0.19495.2',
  der.sequence(
    der.sequence(role('3', 'PSP_AI'), role('2', 'PSP_PI')),
    der.utf8('Financial Conduct Authority'),
    der.utf8('GB-FCA'),
  ),
);

describe('a trust profile', () => {
  it('asks for clientAuth, or takes serverAuth by a setting (D6)', async () => {
    const serverOnly = { deviation: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] } };
    const setting = { extendedKeyUsage: 'client-or-server-auth' } as const;
    expect(await outcomeOf(serverOnly)).toBe('ERR_CERT_EXTENDED_KEY_USAGE');
    expect(await outcomeOf(serverOnly, setting)).toBe(ACCEPTED);
    expect(await outcomeOf({}, setting)).toBe(ACCEPTED);
    for (const extendedKeyUsage of [[], ['2.5.29.37.0'], ['1.3.6.1.5.5.7.3.4']]) {
      expect(await outcomeOf({ deviation: { extendedKeyUsage } }, setting)).toBe(
        'ERR_CERT_EXTENDED_KEY_USAGE',
      );
    }
  });

  it('asks for a certificate policy where one is configured (D12)', async () => {
    expect(await outcomeOf({}, { policies: ['0.4.0.19495.3.1'] })).toBe(ACCEPTED);
    expect(await outcomeOf({}, { policies: ['1.2.3'] })).toBe('ERR_CERT_POLICY');
  });

  it('asks for QcCompliance under the law of the European Union where it is for qualified ones', async () => {
    const eu = { preset: 'eu-qualified' } as const;
    const law = (...countries: readonly string[]) =>
      statement('0.4.0.1862.1.7', der.sequence(...countries.map(der.printable)));
    expect(await outcomeOf(withStatements(COMPLIANCE, types(WEB), PSD2), eu)).toBe(ACCEPTED);
    expect(await outcomeOf(withStatements(types(WEB), PSD2), eu)).toBe('ERR_TPP_STATEMENT_MISSING');
    expect(await outcomeOf(withStatements(COMPLIANCE, types(WEB), law('GB'), PSD2), eu)).toBe(
      'ERR_TPP_STATEMENT_INVALID',
    );
    expect(await outcomeOf(withStatements(types(WEB), law('GB'), PSD2))).toBe(ACCEPTED);
    const device = statement('0.4.0.1862.1.4');
    expect(await outcomeOf(withStatements(COMPLIANCE, types(WEB), device, PSD2), eu)).toBe(
      'ERR_TPP_STATEMENT_INVALID',
    );
    expect(await outcomeOf(withStatements(types(WEB), device, PSD2))).toBe(ACCEPTED);
  });

  it.each<[title: string, oids: readonly string[], code: string]>([
    ['web', [WEB], ACCEPTED],
    ['web and seal', [WEB, '0.4.0.1862.1.6.2'], 'ERR_TPP_CERTIFICATE_TYPE'],
    ['seal and web', ['0.4.0.1862.1.6.2', WEB], 'ERR_TPP_CERTIFICATE_TYPE'],
    ['signature', ['0.4.0.1862.1.6.1'], 'ERR_TPP_CERTIFICATE_TYPE'],
    ['one that nobody knows', ['0.4.0.1862.1.6.9'], 'ERR_TPP_CERTIFICATE_TYPE'],
  ])('takes the type web alone (EN 319 412-5 QCS-4.2.3-01, G10): %s', async (_title, oids, code) => {
    expect(await outcomeOf(withStatements(types(...oids), PSD2))).toBe(code);
  });

  it('tolerates a wrong encoding by its setting only, and each such certificate is logged (G9)', async () => {
    const flat = { deviation: { qcFault: 'flat-roles' } } as const;
    const single = { deviation: { qcFault: 'missing-outer-sequence' } } as const;
    expect(await outcomeOf(flat)).toBe('ERR_TPP_STATEMENT_INVALID');
    expect(await outcomeOf(single)).toBe('ERR_TPP_STATEMENT_INVALID');
    const heard = lines();
    expect(await outcomeOf(flat, { tolerate: ['flat-roles'] }, heard.log)).toBe(ACCEPTED);
    expect(await outcomeOf(single, { tolerate: ['missing-outer-sequence'] }, heard.log)).toBe(ACCEPTED);
    expect(await outcomeOf({}, { tolerate: ['flat-roles'] }, heard.log)).toBe(ACCEPTED);
    expect(heard.events()).toMatchObject(
      ['flat-roles', 'missing-outer-sequence'].map((message) => ({
        event: 'tpp.encoding.tolerated',
        level: 'warn',
        authorizationNumber: 'PSDGB-FCA-123456',
        problems: [{ message }],
      })),
    );
    const eu = { preset: 'eu-qualified', tolerate: ['missing-outer-sequence'] } as const;
    expect(await outcomeOf(single, eu)).toBe('ERR_TPP_STATEMENT_MISSING');
  });

  it('takes identifiers of a directory where the directory is trusted only', async () => {
    const named = { deviation: { organizationIdentifiers: [DIRECTORY_NUMBER] } };
    expect(await outcomeOf(named, { preset: 'uk-directory' })).toBe(ACCEPTED);
    expect(await outcomeOf(named, { preset: 'eu-qualified' })).toBe('ERR_TPP_IDENTIFIER_INVALID');
  });
});

const uk = corpus('uk-directory');
describe.skipIf(uk.isMissing)(`certificates that the UK directory issued: ${uk.title}`, () => {
  const pemOf = (file: string): string => {
    const bytes = readFileSync(join(uk.path, file));
    return `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  };
  const subject = (preset: TrustProfileOptions['preset']) =>
    createTppAuthenticator({
      trust: [
        {
          current: createTrustProfile({
            preset,
            anchorsPem: pemOf('OB_SandBox_PP_Root_CA.cer'),
            intermediatesPem: pemOf('OB_SandBox_PP_Issuing_CA.cer'),
            policies: ['1.3.6.1.4.1.5237.134.1.100'],
          }),
        },
      ],
      authorisationStatus: new AuthorisationStatus({ registry }),
      clock: { now: () => NOW },
    });
  const bytesOf = (file: string): Buffer => {
    const [bytes] = parsePem(readFileSync(join(uk.path, file), 'utf8'));
    return bytes ?? Buffer.alloc(0);
  };

  it('for transport prove their TPP (OBWAC), and are no qualified ones', async () => {
    expect(await subject('uk-directory').evaluate({ der: bytesOf('obwac.pem') })).toMatchObject({
      tpp: { authorizationNumber: DIRECTORY_NUMBER, nca: { id: 'GB-FCA' } },
    });
    expect(await subject('eu-qualified').evaluate({ der: bytesOf('obwac.pem') })).toMatchObject({
      refusal: {
        code: 'ERR_TPP_STATEMENT_MISSING',
        details: { statement: expect.stringMatching(/Compliance/) },
      },
    });
  });

  it('for seals are refused for TLS (OBSeal, G10)', async () => {
    expect(await subject('uk-directory').evaluate({ der: bytesOf('obseal.pem') })).toMatchObject({
      refusal: { code: 'ERR_CERT_EXTENDED_KEY_USAGE' },
    });
  });
});
