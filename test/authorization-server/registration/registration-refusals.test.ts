import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { changeable, GOOD, REDIRECT, type Registered, RegisteringTpp } from './registering.ts';

let sandbox: TestSandbox;
let one: RegisteringTpp;
let two: RegisteringTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      registration: {
        profiles: [{ profile: 'certificate', unknownMembers: 'drop' }],
        quotas: { clients: 200, requestsPerHour: 10_000 },
      },
    }),
  });
  one = new RegisteringTpp(sandbox);
  two = new RegisteringTpp(sandbox, 'money-two');
});
afterAll(() => sandbox.stop());

const countOf = async (tpp: string) =>
  (await sandbox.server.clients.page({ authorizationNumber: tpp }, { limit: 500 })).clients.length;

async function expectRefusal(answer: Promise<Registered>, error: string, text: string): Promise<void> {
  const { status, json } = await answer;
  expect([status, json.error, json.error_description]).toEqual([400, error, expect.stringContaining(text)]);
}

const publicKey = (more: object = {}) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid: randomBytes(4).toString('hex'),
  ...more,
});

describe('a redirect URI', () => {
  const host = 'app.money-one.tpp.example';
  const BAD = [
    `http://${host}/cb`,
    `HTTP://${host}/cb`,
    `https://${host}/cb#fragment`,
    `https://${host}/cb#`,
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'ftp://tpp.example/cb',
    'ws://tpp.example/cb',
    'custom.scheme:/cb',
    'com.example.app:/oauth2redirect',
    `https://*.tpp.example/cb`,
    `https://${host}/*`,
    `https://user@${host}/cb`,
    `https://user:password@${host}/cb`,
    `https://:@${host}/cb`,
    `https://${host}\\@evil.example/cb`,
    `https:\\\\${host}\\cb`,
    `https:/${host}/cb`,
    `https:${host}/cb`,
    `//${host}/cb`,
    '/cb',
    'cb',
    '',
    ' ',
    `https://${host}/c b`,
    ` https://${host}/cb`,
    `https://${host}/cb\n`,
    `https://${host}/c\tb`,
    `https://${host}/c\0b`,
    `https://${host}/ä`,
    'https://bücher.example/cb',
    `https://${host}/"onmouseover=`,
    `https://${host}/<script>`,
    `https://${host}/{x}`,
    `https://${host}/|`,
    `https://${host}/^`,
    'https://127.0.0.1/cb',
    'https://127.1/cb',
    'https://2130706433/cb',
    'https://0x7f.1/cb',
    'https://10.0.0.1/cb',
    'https://192.0.2.1/cb',
    'https://[::1]/cb',
    'https://[2001:db8::1]/cb',
    'https://[::ffff:127.0.0.1]/cb',
    'https://localhost/cb',
    'https://localhost./cb',
    'https://a.localhost/cb',
    'https://intranet/cb',
    'https://.example/cb',
    'https://tpp.example:99999/cb',
    'https://',
    'https:///cb',
    `https://${host}/${'x'.repeat(2048)}`,
    'about:blank',
    'blob:https://tpp.example/x',
    'urn:ietf:wg:oauth:2.0:oob',
    'https://tpp.example%00.evil.example/cb',
    'https://tpp.example%2f.evil.example/cb',
  ];

  it.each(BAD.map((uri) => [JSON.stringify(uri).slice(0, 60), uri]))(
    '%s is refused (H8)',
    async (_shown, uri) => {
      await expectRefusal(
        one.register({ ...GOOD, redirect_uris: [uri] }),
        'invalid_redirect_uri',
        'ERR_REGISTRATION',
      );
      await expectRefusal(
        one.register({ ...GOOD, redirect_uris: [REDIRECT, uri] }),
        'invalid_redirect_uri',
        '',
      );
    },
  );

  it('is one of at most 20, each once (RFC 7591 §5)', async () => {
    const many = Array.from({ length: 21 }, (_, at) => `${REDIRECT}/${at}`);
    await expectRefusal(one.register({ ...GOOD, redirect_uris: many }), 'invalid_redirect_uri', 'at most 20');
    await expectRefusal(
      one.register({ ...GOOD, redirect_uris: [REDIRECT, REDIRECT] }),
      'invalid_redirect_uri',
      'twice',
    );
    for (const uris of [undefined, [], 'https://tpp.example/', [1], { 0: REDIRECT }]) {
      await expectRefusal(one.register({ ...GOOD, redirect_uris: uris }), 'invalid_redirect_uri', '');
    }
  });
});

describe('a member of a registration', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const WEAK = { kty: 'RSA', n: rsa.publicKey.export({ format: 'jwk' }).n, e: 'AQ', kid: 'weak' };
  const withKeys = (...keys: object[]) => ({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } });
  const REFUSED: readonly [title: string, members: object, named: string][] = [
    [
      'an unbound token (RFC 8705 §3.4)',
      { tls_client_certificate_bound_access_tokens: false },
      'tls_client_certificate_bound_access_tokens cannot be false',
    ],
    [
      'a DPoP key in place of the certificate, which the bank does not allow',
      {
        tls_client_certificate_bound_access_tokens: false,
        dpop_bound_access_tokens: true,
        sender_constraint: 'certificate',
      },
      'sender_constraint must be dpop',
    ],
    [
      'no pushed requests (FAPI 2.0 §5.3.2.2)',
      { require_pushed_authorization_requests: false },
      'require_pushed_authorization_requests cannot be false',
    ],
    ['no authentication', { token_endpoint_auth_method: 'none' }, 'token_endpoint_auth_method'],
    ['a shared secret', { token_endpoint_auth_method: 'client_secret_basic' }, 'token_endpoint_auth_method'],
    ['a secret of its own', { client_secret: 'x' }, 'client_secret is not supported'],
    ['the implicit flow', { response_types: ['token'] }, 'response_types'],
    ['the hybrid flow of another profile', { response_types: ['code id_token'] }, 'response_types'],
    ['the password grant', { grant_types: ['password'] }, 'grant_types'],
    ['a grant twice', { grant_types: ['authorization_code', 'authorization_code'] }, 'grant_types'],
    [
      'a response type without its grant (RFC 7591 §2.1)',
      { grant_types: ['client_credentials'], redirect_uris: [], response_types: ['code'] },
      'response_types',
    ],
    ['keys at an address without TLS', { jwks_uri: 'http://tpp.example/jwks' }, 'jwks_uri'],
    [
      'keys by address beside keys (RFC 7591 §2)',
      { ...withKeys(publicKey()), jwks_uri: 'https://tpp.example/jwks' },
      'jwks_uri',
    ],
    ['a sector identifier', { sector_identifier_uri: 'https://tpp.example/sector' }, 'sector_identifier_uri'],
    ['pairwise subjects', { subject_type: 'pairwise' }, "subject_type must be 'public'"],
    ['a native application', { application_type: 'native' }, 'application_type'],
    ['requests by address', { request_uris: ['https://tpp.example/r'] }, 'request_uris'],
    ['an identifier of its own', { client_id: 'mine' }, 'client_id is chosen by the server'],
    [
      'an access token of its own (RFC 7592 §2.2)',
      { registration_access_token: 'x'.repeat(43) },
      'registration_access_token',
    ],
    [
      'another TPP',
      { authorization_number: 'PSDGB-FCA-900002' },
      'authorization_number is that of the certificate',
    ],
    ['another authority', { nca: 'DE-BAFIN' }, 'nca is that of the certificate'],
    ['a name of its own (H9)', { client_name: 'Your Bank' }, 'client_name must be'],
    ['a name with markup (H9)', { client_name: '<script>alert(1)</script>' }, 'client_name must be'],
    ['a name of 100 kB (H9)', { client_name: 'x'.repeat(50_000) }, 'client_name must be'],
    ['a scope that no API has', { scope: 'openid admin' }, 'scope has scopes'],
    ['a profile that the bank does not allow', { profile: 'cdr-au' }, 'profile'],
    [
      'two subjects (E9)',
      {
        tls_client_auth_san_dns: 'money-one.tpp.example',
        tls_client_auth_subject_dn: 'CN=money-one.tpp.example',
      },
      'only one tls_client_auth_*',
    ],
    [
      'the subject of another certificate',
      { tls_client_auth_san_dns: 'money-two.tpp.example' },
      'is not the subject of the certificate',
    ],
    ['a subject that is no name (E6)', { tls_client_auth_subject_dn: 'CN' }, 'tls_client_auth_subject_dn'],
    [
      'key authentication without a key',
      { token_endpoint_auth_method: 'private_key_jwt' },
      'is required for private_key_jwt',
    ],
    [
      'a private key (H11)',
      withKeys(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })),
      'jwks',
    ],
    ['an octet key (H11)', withKeys({ kty: 'oct', k: 'AAAA', kid: 'o' }), 'jwks'],
    ['an RSA key with the exponent 1 (H11)', withKeys(WEAK), 'jwks'],
    ['21 keys (H11)', withKeys(...Array.from({ length: 21 }, () => publicKey())), 'jwks'],
    [
      'two keys of one kid (FAPI 2.0 §5.4.3)',
      withKeys(publicKey({ kid: 'a' }), publicKey({ kid: 'a' })),
      'jwks',
    ],
    ['a key without kid', withKeys(publicKey({ kid: undefined })), 'jwks'],
    [
      'an algorithm that no key signs',
      { ...withKeys(publicKey()), token_endpoint_auth_signing_alg: 'RS256' },
      'token_endpoint_auth_signing_alg',
    ],
    ['unsigned ID tokens', { id_token_signed_response_alg: 'none' }, 'id_token_signed_response_alg'],
    [
      'unsigned request objects',
      { ...withKeys(publicKey()), request_object_signing_alg: 'none' },
      'request_object_signing_alg',
    ],
    [
      'a flag that is a text',
      { tls_client_certificate_bound_access_tokens: 'false' },
      'must be true or false',
    ],
    [
      'another method at introspection',
      { introspection_endpoint_auth_method: 'none' },
      'introspection_endpoint_auth_method',
    ],
    [
      'encrypted userinfo',
      { userinfo_encrypted_response_alg: 'RSA-OAEP' },
      'userinfo_encrypted_response_alg',
    ],
  ];

  it.each(REFUSED)('%s is refused by name', async (_title, members, named) => {
    await expectRefusal(one.register({ ...GOOD, ...members }), 'invalid_client_metadata', named);
  });

  it('that asks for the scope of a role that the TPP lacks is refused (TS 119 495 cl. 5.2.2)', async () => {
    const payments = new RegisteringTpp(sandbox, 'pay-by-bank');
    const refused = payments.register({ ...GOOD, scope: 'openid accounts payments' });
    await expectRefusal(refused, 'invalid_client_metadata', 'PSP_AI');
    const all = await payments.register({ redirect_uris: ['https://pay.tpp.example/cb'] });
    expect([all.status, all.json.scope]).toEqual([201, 'openid payments']);
  });

  it('for people is dropped, as is one that no standard knows (RFC 7591 §2)', async () => {
    const registered = await one.register({
      ...GOOD,
      logo_uri: 'https://tpp.example/<svg onload=alert(1)>',
      'client_uri#de': 'javascript:alert(1)',
      contacts: ['a@tpp.example'],
      'x-unknown': { deep: [1] },
      constructor: 1,
      __proto__: null,
    });
    expect(registered.status).toBe(201);
    for (const name of ['logo_uri', 'client_uri#de', 'contacts', 'x-unknown', 'constructor']) {
      expect(Object.hasOwn(registered.json, name)).toBe(false);
    }
  });

  it('that is a software statement cannot be judged by the certificate', async () => {
    const statement = { ...GOOD, software_statement: 'e30.e30.e30' };
    await expectRefusal(one.register(statement), 'unapproved_software_statement', 'RFC 7591 section 2.3');
  });
});

describe('a body', () => {
  it.each([
    ['no JSON', '{', 400],
    ['a list', '[]', 400],
    ['null', 'null', 400],
    ['a text', '"x"', 400],
    ['nothing', '', 400],
    ['deeply nested', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 400],
    ['larger than 64 kB', JSON.stringify({ ...GOOD, x: 'x'.repeat(70_000) }), 413],
  ])('that is %s is refused', async (_title, body, status) => {
    expect((await one.register(body)).status).toBe(status);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', ''])(
    'of the type "%s" is refused',
    async (type) => {
      expect((await one.register(GOOD, type)).status).toBe(415);
    },
  );
});

describe('the management of a client', () => {
  it('is for its token and its TPP together; every other pair changes nothing (H6, H7, RFC 7592 §2)', async () => {
    const [a, b] = [await one.register(), await one.register()];
    const c = await two.register({ redirect_uris: ['https://two.tpp.example/cb'] });
    const owners = [
      { tpp: one, registered: a },
      { tpp: one, registered: b },
      { tpp: two, registered: c },
    ];
    const before = await Promise.all(
      owners.map(({ registered }) => sandbox.server.clients.findRecord(String(registered.json.client_id))),
    );
    const tokens = owners.map(({ registered }) => registered.json.registration_access_token);
    for (const { tpp: owner, registered } of owners) {
      for (const tpp of [one, two]) {
        for (const token of [...tokens, 'x', '']) {
          if (tpp === owner && token === registered.json.registration_access_token) continue;
          for (const method of ['GET', 'PUT', 'DELETE'] as const) {
            const body = method === 'PUT' ? { body: { ...changeable(registered), scope: 'openid' } } : {};
            const answer = await tpp.manage(method, registered, { ...body, token });
            expect([method, answer.status, answer.json.error]).toEqual([method, 401, 'invalid_token']);
          }
        }
      }
    }
    const after = await Promise.all(
      owners.map(({ registered }) => sandbox.server.clients.findRecord(String(registered.json.client_id))),
    );
    expect(after).toEqual(before);
    for (const id of ['nobody', '%ff', '..', `${'x'.repeat(200)}`]) {
      const unknown = await one.manage('GET', {
        json: { ...a.json, registration_client_uri: `${sandbox.description.mtlsUrl}/register/${id}` },
      });
      expect([401, 404]).toContain(unknown.status);
    }
    // A client of a file has no token.
    const filed = {
      json: { ...a.json, registration_client_uri: `${sandbox.description.mtlsUrl}/register/money-one-mtls` },
    };
    expect((await one.manage('DELETE', filed)).status).toBe(401);
  });

  it('leaves no token in the log (H7)', async () => {
    const registered = await one.register();
    await one.manage('GET', registered);
    const token = String(registered.json.registration_access_token);
    expect(await readFile(sandbox.logFile, 'utf8')).not.toContain(token);
    const record = await sandbox.server.clients.findRecord(String(registered.json.client_id));
    expect(JSON.stringify(record)).not.toContain(token);
  });

  it('replaces the whole registration or nothing (RFC 7592 §2.2)', async () => {
    const registered = await one.register({ ...GOOD, tls_client_auth_san_dns: 'money-one.tpp.example' });
    const members = changeable(registered);
    const { client_id: clientId, ...without } = members;
    const put = (body: object) => one.manage('PUT', registered, { body });
    await expectRefusal(put(without), 'invalid_client_metadata', 'client_id must be');
    await expectRefusal(
      put({ ...members, client_id: 'other' }),
      'invalid_client_metadata',
      'client_id must be',
    );
    await expectRefusal(
      put({ ...members, client_id_issued_at: 1 }),
      'invalid_client_metadata',
      'client_id_issued_at',
    );
    await expectRefusal(put({ ...members, scope: 'openid admin' }), 'invalid_client_metadata', 'scope');
    const { tls_client_auth_san_dns: _, ...shorter } = members;
    const read = await one.manage('GET', registered);
    expect(read.json.tls_client_auth_san_dns).toBe('money-one.tpp.example');
    const changed = await put(shorter);
    expect([changed.status, changed.json.tls_client_auth_san_dns]).toEqual([200, undefined]);
    expect(changed.json.client_id).toBe(clientId);
  });

  it('has one outcome when changes and the deletion come at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const registered = await one.register();
      const changes = Array.from({ length: 6 }, (_, at) =>
        one.manage('PUT', registered, {
          body: { ...changeable(registered), redirect_uris: [`${REDIRECT}/${at}`] },
        }),
      );
      const answers = await Promise.all([...changes, one.manage('DELETE', registered)]);
      expect(answers.at(-1)?.status).toBe(204);
      for (const { status } of answers.slice(0, -1)) expect([200, 401, 503]).toContain(status);
      expect(await sandbox.server.clients.findRecord(String(registered.json.client_id))).toBeUndefined();
      expect((await one.token(registered.json.client_id)).json.error).toBe('invalid_client');
    }
  });
});

it('leaves no client behind for what was refused', async () => {
  const before = await countOf('PSDGB-FCA-900003');
  await one.register({ ...GOOD, scope: 'nothing' });
  await one.register('{');
  expect(await countOf('PSDGB-FCA-900003')).toBe(before);
});
