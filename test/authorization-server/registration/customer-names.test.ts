import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientEntry } from '../../../src/authorization-server/clients/client-entry.ts';
import { clientSchema } from '../../../src/authorization-server/clients/client-schema.ts';
import { profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import { judgedClient } from '../../../src/authorization-server/registration/client-registration.ts';
import { CdrStatement } from '../../../src/authorization-server/registration/directories/cdr-statement.ts';
import { OpenFinanceBrasilStatement } from '../../../src/authorization-server/registration/directories/open-finance-brasil-statement.ts';
import { UkObieStatement } from '../../../src/authorization-server/registration/directories/uk-obie-statement.ts';
import { namesInRegister } from '../../../src/authorization-server/registration/statement-profile.ts';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { SoftwareDirectory, STATEMENT_ISSUERS } from '../../../src/sandbox/registers/software-directory.ts';
import type { Tpp } from '../../../src/tpp/authenticate.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { formatName } from '../../../src/x509/certificate/distinguished-name.ts';
import * as factory from '../../x509/certificate-factory.ts';
import * as der from '../../x509/der-writer.ts';

type Claims = Readonly<Record<string, unknown>>;
type Market = 'uk-obie' | 'open-finance-brasil' | 'cdr';

const ISSUER = 'https://bank.example';
const REDIRECT = 'https://app.money-one.tpp.example/callback';
const [ORG, UID] = ['0015800001HQQrZAAX', '0.9.2342.19200300.100.1.1'];
const MARKETS: readonly Market[] = ['uk-obie', 'open-finance-brasil', 'cdr'];

/** A TPP of these names in the register, with a certificate that has these values. */
function tppOf({
  number = 'PSDGB-FCA-900003',
  legalName = 'Sandbox Money One Ltd',
  tradingName = 'Money One',
  uids = ['software-one'],
  unit = ORG,
  cn = 'software-one',
} = {}): Tpp {
  const text = (type: string, value: string) => [[type, der.utf8(value)] as const];
  const subject = factory.name(
    text('2.5.4.97', number),
    text('2.5.4.11', unit),
    ...uids.map((uid) => text(UID, uid)),
    text('2.5.4.3', cn),
  );
  return {
    ...{ authorizationNumber: number, country: 'GB', legalName, tradingName },
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    roles: new Set(['PSP_AI']),
    certificate: { parsed: parseCertificate(factory.writeCertificate({ subject })) } as Tpp['certificate'],
  };
}

let directory: SoftwareDirectory;
let key: CryptoKey;
let jwk: JWK;
beforeAll(async () => {
  directory = await SoftwareDirectory.create();
  const pair = await generateKeyPair('PS256');
  key = pair.privateKey;
  jwk = { ...(await exportJWK(pair.publicKey)), kid: 'software', use: 'sig' };
});

const parts = () => {
  const keys = async () => [...directory.jwks.keys, jwk];
  return {
    keys: { at: () => ({ current: keys, renew: keys, mayRenew: false }) },
    clock: systemClock,
    apiScopes: ['accounts'],
    issuer: ISSUER,
    directory: { jwksUri: 'https://directory.example/jwks', maxAgeSeconds: 300 },
  };
};
const settings = (market: Market) => {
  const { directory: of, ...rest } = parts();
  return {
    ...rest,
    directory: { ...of, issuer: STATEMENT_ISSUERS[market] },
    clientProfile: market === 'uk-obie' ? 'fapi1-advanced' : market === 'cdr' ? 'cdr-au' : market,
  };
};
const PROFILES = {
  'uk-obie': () => new UkObieStatement(settings('uk-obie')),
  'open-finance-brasil': () => new OpenFinanceBrasilStatement(settings('open-finance-brasil')),
  cdr: () => new CdrStatement(settings('cdr')),
};

/** What a statement with these claims registers: the names that customers see, or the member and problem of the refusal. */
async function outcomeOf(market: Market, statement: Claims, members: Claims = {}, tpp: Tpp = tppOf()) {
  const software_statement = await directory.statement(
    market,
    {
      ...{ softwareId: 'software-one', orgId: ORG, registrationId: '900003', name: 'Money One' },
      ...{
        organisation: 'Sandbox Money One Ltd',
        jwksUri: 'https://tpp.example/jwks',
        redirectUris: [REDIRECT],
      },
    },
    statement,
  );
  const isJson = market === 'open-finance-brasil';
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...{ software_statement, redirect_uris: [REDIRECT], token_endpoint_auth_method: 'private_key_jwt' },
    ...{
      grant_types: ['authorization_code'],
      response_types: [market === 'cdr' ? 'code' : 'code id_token'],
      ...members,
    },
    ...(isJson ? {} : { iss: 'software-one', aud: ISSUER, iat: now, exp: now + 60, jti: randomUUID() }),
  };
  const body = isJson
    ? JSON.stringify(claims)
    : await new SignJWT(claims).setProtectedHeader({ alg: 'PS256', kid: 'software' }).sign(key);
  try {
    const mediaType = isJson ? 'application/json' : 'application/jwt';
    const proven = await PROFILES[market]().verify({ tpp, mediaType, body });
    const { client_id: _, ...metadata } = proven.metadata;
    const client = judgedClient(
      { clientId: 'one', tpp, statement: { ...proven, metadata }, unknownMembers: 'drop' },
      {
        apiScopes: ['accounts'],
        profiles: profilesNamed(['fapi1-advanced', 'open-finance-brasil', 'cdr-au'], ['certificate']),
        acrValues: [],
        redirectHosts: 'any',
        allowsLoopbackRedirects: false,
      },
    );
    // An entry of a file with these names is accepted too.
    expect(clientSchema.safeParse(clientEntry(client)).success).toBe(true);
    return [client.client_name, client.software_on_behalf_of_org, client.authorization_number];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return `${error.code} ${JSON.stringify(error.details)}`;
  }
}

/** The claim by which a market names the service. */
const CLAIM = {
  'uk-obie': 'software_client_name',
  'open-finance-brasil': 'software_client_name',
  cdr: 'client_name',
};
const LOOKS_OTHERWISE: readonly (readonly [title: string, name: string])[] = [
  ['a NUL', 'Money One\0'],
  ['a line break', 'Money One\r\nYour Bank'],
  ['a line separator', 'Money One\u2028Your Bank'],
  ['codes of a terminal', '\u001b[2JYour Bank'],
  ['text from right to left', 'knaB ruoY\u202e'],
  ['an isolate that is not closed', '\u2067Money One'],
  ['a space of no width', 'Mon\u200bey One'],
  ['a soft hyphen', 'Mon\u00adey One'],
  ['letters of private use', 'Money One \ue000'],
  ['spaces at its ends', ' Money One '],
  ['spaces only', '   '],
  ['300 characters', 'x'.repeat(300)],
  ['64 kB', 'x'.repeat(60_000)],
];

describe('a name that a directory vouches for', () => {
  it.each(LOOKS_OTHERWISE)('registers no client with %s (E2, H9)', async (_title, name) => {
    for (const market of MARKETS) {
      const outcome = await outcomeOf(market, { [CLAIM[market]]: name });
      expect([market, outcome]).toEqual([market, expect.stringMatching(/^ERR_REGISTRATION_.*client_name/s)]);
    }
    // The same in a file, and for the organisation on whose behalf the service is.
    const filed = {
      ...{
        client_id: 'filed',
        client_name: name,
        authorization_number: 'PSDGB-FCA-900003',
        scope: 'accounts',
      },
      ...{ token_endpoint_auth_method: 'tls_client_auth', grant_types: ['client_credentials'] },
    };
    expect(clientSchema.safeParse(filed).error?.issues[0]?.path).toEqual(['client_name']);
    expect(clientSchema.safeParse({ ...filed, client_name: 'Money One' }).success).toBe(true);
  });

  it.each(MARKETS)('is the only one that a client of %s may have (H9)', async (market) => {
    const own = ['Money One', undefined, 'PSDGB-FCA-900003'];
    expect(await outcomeOf(market, {})).toEqual(own);
    expect(await outcomeOf(market, {}, { client_name: 'Money One' })).toEqual(own);
    for (const name of [
      ...['Your Bank', 'Money Two', 'Sandbox Money Two Ltd', 'money one', 'Money  One'],
      ...[
        '\u041coney One',
        'Money \uff2fne',
        'Money One\u200b',
        '<b>Money One</b>',
        ['Money One'],
        7,
        null,
        '',
      ],
    ]) {
      const outcome = await outcomeOf(market, {}, { client_name: name });
      expect([name, outcome]).toEqual([name, expect.stringContaining('client_name')]);
    }
  });

  it('is the service or the organisation in the UK, each for the TPP of the certificate (H9)', async () => {
    const named = { software_client_name: 'Your Bank', org_name: 'Money Two' };
    expect(await outcomeOf('uk-obie', named)).toEqual(['Your Bank', undefined, 'PSDGB-FCA-900003']);
    const chosen = await outcomeOf('uk-obie', named, { client_name: 'Money Two' });
    // Its pages have the name and number of the register beside it (certificate-names.test.ts).
    expect(chosen).toEqual(['Money Two', undefined, 'PSDGB-FCA-900003']);
    for (const name of ['Your Bank\u202e', 'Your\nBank']) {
      const outcome = await outcomeOf('uk-obie', { org_name: name }, { client_name: name });
      expect(outcome).toContain('client_name');
      expect(await outcomeOf('uk-obie', { software_on_behalf_of_org: name })).toContain('on_behalf_of_org');
    }
  });

  it('takes no more than the certificate proves: one UID, and no other number of the authority (E11, H5)', async () => {
    const two = tppOf({ uids: ['software-two', 'software-one'] });
    const twice = tppOf({ uids: ['software-one', 'software-two'] });
    for (const tpp of [two, twice, tppOf({ uids: [] })]) {
      expect(await outcomeOf('open-finance-brasil', {}, {}, tpp)).toContain('ERR_REGISTRATION_STATEMENT');
    }
    // OU is a text: beside another number of the authority it proves nothing.
    const other = tppOf({ number: 'PSDGB-FCA-900004' });
    expect(await outcomeOf('uk-obie', {}, {}, other)).toContain('is of the organisation');
    const unknown = { organisation_competent_authority_claims: { registration_id: `Unknown${ORG}` } };
    expect(await outcomeOf('uk-obie', unknown, {}, other)).toEqual([
      'Money One',
      undefined,
      'PSDGB-FCA-900004',
    ]);
    for (const unit of [`${ORG},OU=x`, `${ORG} `, ORG.toLowerCase(), ORG.replace('A', '\u0410')]) {
      const outcome = await outcomeOf('uk-obie', unknown, {}, tppOf({ unit, number: 'PSDGB-FCA-900004' }));
      expect([unit, outcome]).toEqual([unit, expect.stringContaining('is of the organisation')]);
    }
  });

  it('is beside a subject to the letter in Brazil, and never beside private_key_jwt (E6, E9)', async () => {
    const tpp = tppOf();
    const strict = formatName(tpp.certificate.parsed.subject, 'strict');
    const send = (method: string, dn: string) =>
      outcomeOf(
        'open-finance-brasil',
        {},
        { token_endpoint_auth_method: method, tls_client_auth_subject_dn: dn },
        tpp,
      );
    expect(await send('private_key_jwt', strict)).toContain('is for tls_client_auth');
    for (const dn of [
      strict.toLowerCase(),
      strict.replace('CN=', 'cn='),
      formatName(tpp.certificate.parsed.subject),
    ]) {
      expect(await send('tls_client_auth', dn)).toContain('OID=#hex');
    }
  });
});

describe('the names of a TPP in its register', () => {
  it.each([
    ['both', { tradingName: 'Acme', legalName: 'Acme Ltd' }, ['Acme', 'Acme Ltd']],
    ['one, where they are the same', { tradingName: 'Acme', legalName: 'Acme' }, ['Acme']],
    ['the legal one', { legalName: 'Acme Ltd' }, ['Acme Ltd']],
    ['spaces at the ends and inside', { legalName: ' Acme\u00a0  Ltd ' }, ['Acme Ltd']],
    ['a character that is not shown', { legalName: 'Acme\u2028Ltd\ue000' }, ['Acme Ltd']],
    ['nothing that is shown', { legalName: '\u3000 ' }, ['PSDGB-FCA-1']],
    ['256 characters', { legalName: 'x'.repeat(256) }, ['x'.repeat(256)]],
  ])('are names that a client may have: %s (H9)', (_title, record, names) => {
    expect(namesInRegister({ authorizationNumber: 'PSDGB-FCA-1', ...record })).toEqual(names);
    for (const name of names) expect(clientSchema.shape.client_name.safeParse(name).success).toBe(true);
  });
});
