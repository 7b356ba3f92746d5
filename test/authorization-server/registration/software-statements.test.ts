import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeysByAddress } from '../../../src/authorization-server/clients/keys-by-address.ts';
import { CdrStatement } from '../../../src/authorization-server/registration/directories/cdr-statement.ts';
import { OpenFinanceBrasilStatement } from '../../../src/authorization-server/registration/directories/open-finance-brasil-statement.ts';
import type { RegistrationRequest } from '../../../src/authorization-server/registration/statement-profile.ts';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { freePort } from '../../free-port.ts';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import {
  type ListedSoftware,
  SoftwareDirectory,
  STATEMENT_ISSUERS,
} from '../../../src/sandbox/registers/software-directory.ts';
import type { Tpp } from '../../../src/tpp/authenticate.ts';
import { parseCertificate, parsePem } from '../../../src/x509/certificate/certificate.ts';
import { formatName } from '../../../src/x509/certificate/distinguished-name.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { type Registered, RegisteringTpp } from './registering.ts';

const REDIRECT = 'https://app.money-one.tpp.example/callback';
const SCOPES = ['accounts', 'payments', 'fundsconfirmations', 'consents'];
type Claims = Readonly<Record<string, unknown>>;

let server: Server;
let address: string;
let sandbox: TestSandbox;
let directory: SoftwareDirectory;
let foreign: SoftwareDirectory;
let softwareKey: CryptoKey;
let softwareJwk: JWK;
let tpp: RegisteringTpp;
const asked: string[] = [];

beforeAll(async () => {
  [directory, foreign] = await Promise.all([SoftwareDirectory.create(), SoftwareDirectory.create()]);
  const pair = await generateKeyPair('PS256', { extractable: true });
  softwareKey = pair.privateKey;
  softwareJwk = { ...(await exportJWK(pair.publicKey)), kid: 'software', use: 'sig' };
  const port = await freePort();
  address = `https://localhost:${port}`;
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => {
      const { certificateFile, privateKeyFile } = value.tls as Record<string, string>;
      const pem = (file = '') => readFileSync(file, 'utf8');
      server = createServer({ cert: pem(certificateFile), key: pem(privateKeyFile) }, (request, response) => {
        asked.push(String(request.url));
        const isDirectory = request.url === '/directory';
        response.end(JSON.stringify(isDirectory ? directory.jwks : { keys: [softwareJwk] }));
      });
      server.listen(port, '127.0.0.1');
      return {
        ...value,
        registration: {
          profiles: [
            {
              profile: 'uk-obie',
              directory: { jwksUri: `${address}/directory` },
              organisationId: 'bank-org',
              clientProfile: 'fapi2-security',
            },
          ],
          quotas: { clients: 100, requestsPerHour: 10_000 },
        },
      };
    },
  });
  tpp = new RegisteringTpp(sandbox);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await sandbox.stop();
});

const softwareOf = (more: Partial<ListedSoftware> = {}): ListedSoftware => ({
  softwareId: 'software-one',
  orgId: '0015800001HQQrZAAX',
  registrationId: '900003',
  name: 'Money One',
  organisation: 'Sandbox Money One Ltd',
  jwksUri: `${address}/software`,
  redirectUris: [REDIRECT, `${REDIRECT}/2`],
  ...more,
});

/** A request under the key of the software. */
function requestOf(
  claims: Claims,
  { key = softwareKey, header = {} }: { key?: CryptoKey; header?: object } = {},
) {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iat: now, exp: now + 300, jti: randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'PS256', kid: 'software', ...header })
    .sign(key);
}

describe('the statement profile uk-obie', () => {
  const GOOD = {
    iss: 'software-one',
    aud: 'bank-org',
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid accounts',
    application_type: 'web',
    id_token_signed_response_alg: 'PS256',
    request_object_signing_alg: undefined,
  };
  const register = async (
    more: Claims = {},
    {
      statement = directory.statement('uk-obie', softwareOf()),
      signed = {},
    }: { statement?: Promise<string> | string; signed?: Parameters<typeof requestOf>[1] } = {},
  ): Promise<Registered> => {
    const body = await requestOf({ ...GOOD, software_statement: await statement, ...more }, signed);
    return tpp.register(body, 'application/jwt');
  };

  it('registers, repeats the statement flattened, and its client gets tokens (UK DCR 3.3, 3.4)', async () => {
    const registered = await register();
    expect([registered.status, registered.json]).toMatchObject([
      201,
      {
        client_name: 'Money One',
        redirect_uris: [REDIRECT],
        jwks_uri: `${address}/software`,
        scope: 'openid accounts',
        application_type: 'web',
        software_id: 'software-one',
        org_name: 'Sandbox Money One Ltd',
        software_roles: ['AISP', 'PISP', 'CBPII'],
        software_statement: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      },
    ]);
    expect((await tpp.token(registered.json.client_id)).status).toBe(200);
    for (const [onBehalfOf, agent] of [
      ['Budget & Co', 'Budget & Co'],
      [' ', undefined],
    ]) {
      const statement = directory.statement('uk-obie', softwareOf({ onBehalfOf }));
      const { json } = await register({}, { statement });
      const client = await sandbox.server.clients.find(String(json.client_id));
      expect(client?.software_on_behalf_of_org).toBe(agent);
    }
    const statement = directory.statement('uk-obie', softwareOf({ onBehalfOf: 'x'.repeat(141) }));
    expect((await register({}, { statement })).status).toBe(400);
    for (const type of ['application/jose', 'application/jwt']) {
      const body = await requestOf({
        ...GOOD,
        software_statement: await directory.statement('uk-obie', softwareOf()),
      });
      expect([type, (await tpp.register(body, type)).status]).toEqual([type, 201]);
    }
  });

  it('takes every redirect URI of the statement where the request has none', async () => {
    const { json } = await register({ redirect_uris: undefined });
    expect(json.redirect_uris).toEqual([REDIRECT, `${REDIRECT}/2`]);
  });

  it('reads nothing that a statement names before the statement is verified (H2, H10)', async () => {
    asked.length = 0;
    const jwksUri = `${address}/of-an-attacker`;
    const statement = foreign.statement('uk-obie', softwareOf({ jwksUri }));
    const { status, json } = await register({}, { statement });
    expect([status, json.error]).toEqual([400, 'invalid_software_statement']);
    expect(asked.filter((path) => path !== '/directory')).toEqual([]);
  });

  const now = () => Math.floor(Date.now() / 1000);
  const refused: readonly [string, string, () => Promise<Registered>][] = [
    [
      'has alg none (H1)',
      'invalid_software_statement',
      () => register({}, { statement: new UnsecuredJWT({ iss: STATEMENT_ISSUERS['uk-obie'] }).encode() }),
    ],
    [
      'is of another directory (H5)',
      'invalid_software_statement',
      () => register({}, { statement: foreign.statement('uk-obie', softwareOf()) }),
    ],
    [
      'has another issuer (H5)',
      'unapproved_software_statement',
      () => register({}, { statement: directory.statement('uk-obie', softwareOf(), { iss: 'other' }) }),
    ],
    [
      'is too old (H5)',
      'invalid_software_statement',
      () => register({}, { statement: directory.statement('uk-obie', softwareOf(), { iat: now() - 1900 }) }),
    ],
    [
      'is of another TPP (H5)',
      'invalid_software_statement',
      () =>
        register({}, { statement: directory.statement('uk-obie', softwareOf({ registrationId: '900004' })) }),
    ],
    [
      'is of an organisation that was withdrawn',
      'unapproved_software_statement',
      () =>
        register(
          {},
          { statement: directory.statement('uk-obie', softwareOf(), { org_status: 'Withdrawn' }) },
        ),
    ],
    ['is missing', 'invalid_software_statement', () => register({ software_statement: undefined })],
  ];
  it.each(refused)('refuses a statement that %s', async (_what, error, send) => {
    const { status, json } = await send();
    expect([status, json.error, json.error_description]).toEqual([
      400,
      error,
      expect.stringContaining('the software statement'),
    ]);
  });

  it.each<[string, string, () => Promise<Registered>]>([
    [
      'a redirect URI outside the statement',
      'invalid_redirect_uri',
      () => register({ redirect_uris: ['https://evil.example/cb'] }),
    ],
    ['keys by value', 'invalid_client_metadata', () => register({ jwks: { keys: [softwareJwk] } })],
    [
      'a weak algorithm',
      'invalid_client_metadata',
      () => register({ id_token_signed_response_alg: 'RS256' }),
    ],
    [
      'a client secret',
      'invalid_client_metadata',
      () => register({ token_endpoint_auth_method: 'client_secret_basic' }),
    ],
    ['another iss', 'invalid_software_statement', () => register({ iss: 'software-two' })],
    ['another aud', 'invalid_software_statement', () => register({ aud: 'other-bank' })],
    ['no exp', 'invalid_software_statement', () => register({ exp: undefined })],
    ['an exp that has passed', 'invalid_software_statement', () => register({ exp: now() - 1 })],
    ['no jti', 'invalid_software_statement', () => register({ jti: undefined })],
    [
      'a key in its header (H2)',
      'invalid_software_statement',
      () => register({}, { signed: { header: { jwk: softwareJwk } } }),
    ],
    [
      'a kid that is unknown (H3)',
      'invalid_software_statement',
      () => register({}, { signed: { header: { kid: '../software' } } }),
    ],
  ])('refuses a request with %s', async (_what, error, send) => {
    const { status, json } = await send();
    expect([status, json.error]).toEqual([400, error]);
  });

  it('refuses a request under another key, and one that is sent again (H5)', async () => {
    const { privateKey } = await generateKeyPair('PS256', { extractable: true });
    expect((await register({}, { signed: { key: privateKey } })).json.error).toBe(
      'invalid_software_statement',
    );
    const jti = randomUUID();
    expect((await register({ jti })).status).toBe(201);
    expect((await register({ jti })).json.error).toBe('unapproved_software_statement');
  });
});

describe('statement profiles without a market in the sandbox', () => {
  const keys = () =>
    new KeysByAddress({
      caPem: readFileSync(sandbox.description.caFile, 'utf8'),
      privateHosts: ['localhost'],
      maxAgeSeconds: 300,
      keptSeconds: 0,
      clock: systemClock,
      log: silentLog,
    });
  /** A TPP with a certificate of these names, as far as a statement is held against it. */
  const tppOf = async (
    subject: { userId?: string; unit?: string; commonName?: string },
    identifiers: string[] = [],
  ) => {
    const period = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
    const authority = await createAuthority({
      name: 'CA',
      organization: 'Sandbox',
      country: 'BR',
      ...period,
    });
    const { certificatePem } = await authority.issue({
      profile: 'server',
      subject: { commonName: 'tpp.example', country: 'BR', ...subject },
      keyType: 'ec-p256',
      deviation: { organizationIdentifiers: identifiers },
      ...period,
    });
    const [der] = parsePem(certificatePem);
    const parsed = parseCertificate(der ?? Buffer.alloc(0));
    return { authorizationNumber: 'PSDXX-OTHER-1', certificate: { parsed } } as unknown as Tpp;
  };
  const outcomeOf = async (work: Promise<unknown>) => {
    try {
      await work;
      return 'registered';
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return `${error.code} ${JSON.stringify(error.details)}`;
    }
  };
  const common = () => ({
    keys: keys(),
    clock: systemClock,
    apiScopes: SCOPES,
    issuer: sandbox.description.issuer,
  });

  it('open-finance-brasil: one client for a statement, of the UID and organisation of the certificate', async () => {
    const profile = new OpenFinanceBrasilStatement({
      ...common(),
      clientProfile: 'open-finance-brasil',
      directory: {
        issuer: STATEMENT_ISSUERS['open-finance-brasil'],
        jwksUri: `${address}/directory`,
        maxAgeSeconds: 300,
      },
    });
    const own = await tppOf({ userId: 'software-one' }, ['OFBBR-0015800001HQQrZAAX']);
    const dn = formatName(own.certificate.parsed.subject, 'strict');
    const send = async (more: Claims = {}, statement: Claims = {}, of = own) => {
      const text = await directory.statement('open-finance-brasil', softwareOf(), statement);
      const body = {
        ...{ software_statement: text, jwks_uri: `${address}/software`, redirect_uris: [REDIRECT] },
        ...{ token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: dn },
        ...more,
      };
      const request = {
        tpp: of,
        mediaType: 'application/json',
        body: JSON.stringify(body),
      } as RegistrationRequest;
      return profile.verify(request);
    };
    expect(dn).toMatch(/^CN=tpp\.example,2\.5\.4\.97=#0c/);
    expect(await send()).toMatchObject({
      metadata: { jwks_uri: `${address}/software`, profile: 'open-finance-brasil' },
      scopes: ['accounts', 'payments', 'consents'],
      redirectUris: [REDIRECT, `${REDIRECT}/2`],
      softwareId: 'software-one',
      singleUse: { id: expect.stringMatching(/^open-finance-brasil /) },
    });
    expect(await outcomeOf(send({ jwks_uri: undefined }))).toBe('registered');
    const now = Math.floor(Date.now() / 1000);
    const none = { software_statement_roles: [{ role: 'PAGTO', status: 'Inactive' }] };
    expect((await send({}, none)).scopes).toEqual([]);
    for (const [rule, work] of [
      ['more than 300 seconds ago', () => send({}, { iat: now - 301 })],
      ['the UID of the certificate', () => send({}, { software_id: 'software-two' })],
      ['does not name', () => send({}, { org_id: 'other' })],
      ['by value', () => send({ jwks: { keys: [] }, jwks_uri: undefined })],
      ['software_jwks_uri', () => send({ jwks_uri: 'https://evil.example/jwks' })],
      ['is required (section 7.1)', () => send({ redirect_uris: [] })],
      ['OID=#hex', () => send({ tls_client_auth_subject_dn: formatName(own.certificate.parsed.subject) })],
      ['is required for tls_client_auth', () => send({ tls_client_auth_subject_dn: undefined })],
      ['is missing', () => send({ software_statement: undefined })],
    ] as const) {
      expect(await outcomeOf(work())).toContain(rule);
    }
    const legacy = await tppOf({ userId: 'software-one', unit: '0015800001HQQrZAAX' });
    const strict = formatName(legacy.certificate.parsed.subject, 'strict');
    expect(await outcomeOf(send({ tls_client_auth_subject_dn: strict }, {}, legacy))).toBe('registered');
  });

  it('cdr: the scopes and redirect URIs of a statement with an end, PS256 on both', async () => {
    const profile = new CdrStatement({
      ...common(),
      clientProfile: 'cdr-au',
      directory: { issuer: 'cdr-register', jwksUri: `${address}/directory`, maxAgeSeconds: 600 },
    });
    const own = await tppOf({ commonName: 'software-one' });
    const send = async (more: Claims = {}, statement: Claims = {}, of = own) => {
      const text = await directory.statement('cdr', softwareOf(), statement);
      const claims = {
        iss: 'software-one',
        aud: sandbox.description.issuer,
        software_statement: text,
        ...more,
      };
      const body = await requestOf(claims);
      return profile.verify({ tpp: of, mediaType: 'application/jwt', body } as RegistrationRequest);
    };
    expect(await send({ scope: 'openid accounts payments everything' })).toMatchObject({
      metadata: {
        scope: 'openid accounts payments',
        redirect_uris: [REDIRECT, `${REDIRECT}/2`],
        jwks_uri: `${address}/software`,
        profile: 'cdr-au',
      },
      scopes: ['accounts', 'payments'],
      names: ['Money One'],
    });
    const now = Math.floor(Date.now() / 1000);
    for (const [rule, work] of [
      ['must have exp', () => send({}, { exp: undefined })],
      ['has expired', () => send({}, { exp: now - 1 })],
      ['is of another directory', () => send({}, { iss: 'other-register' })],
      ['software_roles', () => send({}, { software_roles: 'other' })],
      ['must have aud', () => send({ aud: 'https://other.example' })],
      ['must have iss', () => send({ iss: 'software-two' })],
      ['other software', async () => send({}, {}, await tppOf({ commonName: 'software-two' }))],
    ] as const) {
      expect(await outcomeOf(work())).toContain(rule);
    }
  });
});
