import { createHash, randomUUID } from 'node:crypto';
import {
  compactDecrypt,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../src/sandbox/demo/demo-browser.ts';
import { DEMO_REDIRECT_URI, pathsOf } from '../../src/sandbox/folder.ts';
import { CIBA_GRANT } from '../../src/authorization-server/clients/registered-client.ts';
import { CibaTpp, refusalOf } from './ciba/ciba-tpp.ts';
import { startTestSandbox, type TestSandbox } from './running-sandbox.ts';

const DOCUMENTS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const VERIFIER = 'v'.repeat(43);
const ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const;
const TPP = 'money-one';

type Form = Readonly<Record<string, string>>;
type Endpoints = Readonly<Record<string, string>>;

let sandbox: TestSandbox;
let metadata: Record<string, unknown>;
const keys = new Map<string, CryptoKey>();
const publicKeys = new Map<string, object>();

beforeAll(async () => {
  sandbox = await startTestSandbox();
  metadata = (await sandbox.send(`${sandbox.description.issuer}${DOCUMENTS[0]}`)).json;
  for (const algorithm of ALGORITHMS) await registerSigning(algorithm);
  await register('fapi1-ES256', {
    profile: 'fapi1-advanced',
    response_types: ['code id_token', 'code'],
    jwks: { keys: [publicKeys.get('ES256')] },
  });
  await register('fapi1-PS256', {
    profile: 'fapi1-advanced',
    authorization_signed_response_alg: 'PS256',
    jwks: { keys: [publicKeys.get('PS256')] },
  });
  await register('asks-for-ps256', {
    id_token_signed_response_alg: 'PS256',
    introspection_signed_response_alg: 'PS256',
  });
});
afterAll(() => sandbox.stop());

function register(clientId: string, more: object) {
  return sandbox.server.clients.register({
    client_id: clientId,
    client_name: clientId,
    authorization_number: tppNamed(sandbox.description, TPP).organizationIdentifier,
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: [DEMO_REDIRECT_URI],
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: 'openid accounts payments fundsconfirmations',
    ...more,
  });
}

async function registerSigning(algorithm: string): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  keys.set(algorithm, privateKey);
  const jwk = { ...(await exportJWK(publicKey)), kid: algorithm };
  publicKeys.set(algorithm, jwk);
  await register(`signs-${algorithm}`, {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk] },
  });
  await register(`requests-${algorithm}`, { profile: 'fapi2-message-signing', jwks: { keys: [jwk] } });
  await register(`money-one-mtls-ciba-${algorithm}`, {
    redirect_uris: [],
    grant_types: [CIBA_GRANT],
    jwks: { keys: [jwk] },
    backchannel_token_delivery_mode: 'poll',
  });
}

const listOf = (name: string) => metadata[name] as readonly string[];
const endpoint = (name: string) => String(metadata[`${name}_endpoint`]);
const post = (url: string, form: Form) =>
  sandbox.send(url, {
    method: 'POST',
    certificate: tppNamed(sandbox.description, TPP),
    body: new URLSearchParams(form),
  });

/** The parameters by which a client authenticates. */
async function clientOf(clientId: string): Promise<Form> {
  const algorithm = clientId.startsWith('signs-') ? clientId.slice('signs-'.length) : undefined;
  const key = keys.get(algorithm ?? '');
  if (algorithm === undefined || key === undefined) return { client_id: clientId };
  return {
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: algorithm, kid: algorithm })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(sandbox.description.issuer)
      .setExpirationTime('1m')
      .sign(key),
  };
}

/** A signed request object (RFC 9101) of a client whose name ends with its algorithm. */
async function requestObject(clientId: string, request: Form): Promise<string> {
  const algorithm = clientId.split('-').at(-1) ?? '';
  const key = keys.get(algorithm);
  if (key === undefined) throw new Error(`no key for ${algorithm}`);
  return new SignJWT({ ...request, client_id: clientId })
    .setProtectedHeader({ alg: algorithm, kid: algorithm, typ: 'oauth-authz-req+jwt' })
    .setIssuer(clientId)
    .setAudience(sandbox.description.issuer)
    .setNotBefore('0s')
    .setExpirationTime('5m')
    .sign(key);
}

/** The header of a response that is a JWT (JARM). */
async function signedResponse(clientId: string, more: Form) {
  const callback = await authorized(clientId, more);
  const answer = new URLSearchParams(callback.search || callback.hash.slice(1));
  const { json } = await sandbox.send(String(metadata.jwks_uri));
  const rules = { issuer: String(metadata.issuer), audience: clientId };
  return jwtVerify(answer.get('response') ?? '', createLocalJWKSet(json as unknown as JSONWebKeySet), rules);
}

const OWN = 'money-one-mtls';

/** The callback of a whole authorization. */
async function authorized(clientId: string, more: Form, par = endpoint('pushed_authorization_request')) {
  const request = {
    response_type: 'code',
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  };
  const pushed = await post(par, {
    ...(await clientOf(clientId)),
    ...(/^(requests|fapi1)-/.test(clientId) ? { request: await requestObject(clientId, request) } : request),
  });
  expect(pushed.status, pushed.text).toBe(201);
  const start = new URL(endpoint('authorization'));
  start.search = new URLSearchParams({
    client_id: clientId,
    request_uri: String(pushed.json.request_uri),
  }).toString();
  const [customer] = sandbox.description.customers;
  if (customer === undefined) throw new Error('no customer');
  return walkPages(start, {
    caFile: sandbox.description.caFile,
    answer: { decision: 'allow', ...customer },
  });
}

async function asksByCiba(mode: string): Promise<void> {
  const tpp = await CibaTpp.open(sandbox, `money-one-mtls-ciba-${mode}`);
  const asked = await tpp.ask({ client_notification_token: randomUUID() });
  await sandbox.server.approvals?.reject(sandbox.server.approvals.idOf(asked.auth_req_id));
  expect(await refusalOf(tpp.poll(asked.auth_req_id))).toMatchObject({ error: 'access_denied' });
  await tpp.close();
}

async function tokensFor(clientId: string, more: Form = {}, endpoints: Endpoints = {}) {
  const callback = await authorized(clientId, more, endpoints.pushed_authorization_request_endpoint);
  const answer = await post(endpoints.token_endpoint ?? endpoint('token'), {
    ...(await clientOf(clientId)),
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code') ?? '',
    redirect_uri: DEMO_REDIRECT_URI,
    code_verifier: VERIFIER,
  });
  expect(answer.status, answer.text).toBe(200);
  return answer.json as Readonly<Record<string, string>>;
}

async function credentials(clientId: string, more: Form = {}) {
  const form = {
    ...(await clientOf(clientId)),
    grant_type: 'client_credentials',
    scope: 'accounts',
    ...more,
  };
  return post(endpoint('token'), form);
}

/** The claims of an ID token, proved by the published keys. */
async function idTokenOf(clientId: string, more: Form = {}) {
  const { id_token: token = '' } = await tokensFor(clientId, more);
  const { json } = await sandbox.send(String(metadata.jwks_uri));
  const rules = { issuer: String(metadata.issuer), audience: clientId };
  return jwtVerify(token, createLocalJWKSet(json as unknown as JSONWebKeySet), rules);
}

/** Uses each endpoint for TPPs of one set of addresses. */
async function useEndpoints(endpoints: Endpoints): Promise<void> {
  const tokens = await tokensFor(OWN, {}, endpoints);
  const { access_token: token = '', refresh_token: refresh = '' } = tokens;
  const userinfo = await sandbox.send(String(endpoints.userinfo_endpoint), {
    certificate: tppNamed(sandbox.description, TPP),
    headers: { authorization: `Bearer ${token}` },
  });
  expect(userinfo.json).toEqual({ sub: 'psu-6f1c2a' });
  const form = { client_id: OWN, token: refresh };
  const introspected = await post(String(endpoints.introspection_endpoint), form);
  expect(introspected.json.active).toBe(true);
  expect((await post(String(endpoints.revocation_endpoint), form)).status).toBe(200);
  expect((await post(String(endpoints.introspection_endpoint), form)).json.active).toBe(false);
}

let using: Promise<void> | undefined;
const areUsed = () => {
  using ??= useEndpoints(metadata as Endpoints);
  return using;
};
/** Every algorithm of clients, at one endpoint. */
const signsAt = (name: string) => async () => {
  for (const algorithm of listOf(`${name}_endpoint_auth_signing_alg_values_supported`)) {
    const form = { ...(await clientOf(`signs-${algorithm}`)), token: 'x'.repeat(43) };
    expect([algorithm, (await post(endpoint(name), form)).status]).toEqual([algorithm, 200]);
  }
};
const authenticatesAt = (name: string) => async () => {
  expect(listOf(`${name}_endpoint_auth_methods_supported`)).toEqual(['tls_client_auth', 'private_key_jwt']);
  for (const clientId of [OWN, 'signs-ES256']) {
    const form = { ...(await clientOf(clientId)), token: 'x'.repeat(43) };
    expect([clientId, (await post(endpoint(name), form)).status]).toEqual([clientId, 200]);
  }
};
const refusedAtPar = (parameter: Form, error: string) => async () => {
  const form = { client_id: OWN, response_type: 'code', scope: 'openid', ...parameter };
  expect((await post(endpoint('pushed_authorization_request'), form)).json.error).toBe(error);
};

/** An ID token that is encrypted to a client of FAPI 1, decrypted. */
async function encryptedIdToken(alg: string, enc: string): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const clientId = `fapi1-${alg}-${enc}-ES256`;
  await register(clientId, {
    profile: 'fapi1-advanced',
    response_types: ['code id_token'],
    id_token_encrypted_response_alg: alg,
    id_token_encrypted_response_enc: enc,
    jwks: {
      keys: [publicKeys.get('ES256'), { ...(await exportJWK(publicKey)), kid: 'enc', use: 'enc', alg }],
    },
  });
  const callback = await authorized(clientId, { response_type: 'code id_token', nonce: 'n' });
  const token = new URLSearchParams(callback.hash.slice(1)).get('id_token') ?? '';
  const { plaintext, protectedHeader } = await compactDecrypt(token, privateKey);
  expect([protectedHeader.alg, protectedHeader.enc]).toEqual([alg, enc]);
  return new TextDecoder().decode(plaintext);
}

/** How each member is tried. A member without an attempt fails the test below. */
const ATTEMPTS: Readonly<Record<string, () => Promise<unknown>>> = {
  issuer: async () => {
    const callback = await authorized(OWN, {});
    expect(callback.searchParams.get('iss')).toBe(metadata.issuer);
    expect((await sandbox.send(`${metadata.issuer}${DOCUMENTS[0]}`)).status).toBe(200);
  },
  authorization_response_iss_parameter_supported: async () => {
    expect((await authorized(OWN, { response_mode: 'fragment' })).hash).toContain('iss=');
  },
  ...Object.fromEntries(
    ['authorization', 'token', 'pushed_authorization_request', 'introspection', 'revocation', 'userinfo'].map(
      (name) => [`${name}_endpoint`, areUsed],
    ),
  ),
  consent_information_endpoint: async () => {
    const { access_token: token = '' } = await tokensFor(OWN, { scope: 'openid accounts' });
    const { consent_id: consentId } = decodeJwt(token);
    const { api } = pathsOf(sandbox.folder).bank;
    const answer = await sandbox.send(`${metadata.consent_information_endpoint}${consentId}`, {
      certificate: api,
    });
    expect(answer.json).toMatchObject({ consentId, status: 'authorised', clientId: OWN });
  },
  mtls_endpoint_aliases: () => useEndpoints(metadata.mtls_endpoint_aliases as Endpoints),
  jwks_uri: () => idTokenOf(OWN),
  subject_types_supported: async () => {
    expect(listOf('subject_types_supported')).toEqual(['public']);
    const subjects = [await idTokenOf(OWN), await idTokenOf('signs-ES256')].map(({ payload }) => payload.sub);
    expect(new Set(subjects).size).toBe(1);
  },
  claim_types_supported: async () => expect(listOf('claim_types_supported')).toEqual(['normal']),
  claims_supported: async () => {
    // The intent is for clients that are registered for it (test/authorization-server/profiles/markets.test.ts).
    const names = listOf('claims_supported').filter((name) => name !== 'openbanking_intent_id');
    const asked = Object.fromEntries(names.map((name) => [name, null]));
    const { payload } = await idTokenOf(OWN, { claims: JSON.stringify({ id_token: asked }) });
    expect(Object.keys(payload)).toEqual(expect.arrayContaining(names));
  },
  // The ways to names of accesses are tried in test/authorization-server/customer/consent/.
  authorization_details_types_supported: async () => {
    const types = listOf('authorization_details_types_supported');
    expect(types).toEqual(['account_information', 'payment_initiation', 'funds_confirmation']);
    const details = [{ type: types[0], actions: ['list_accounts'] }];
    const form = {
      client_id: OWN,
      response_type: 'code',
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'accounts',
    };
    const { status } = await post(endpoint('pushed_authorization_request'), {
      ...form,
      code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
      code_challenge_method: 'S256',
      authorization_details: JSON.stringify(details),
    });
    expect(status).toBe(201);
  },
  claims_parameter_supported: async () => {
    const { payload } = await idTokenOf(OWN, { claims: '{"id_token":{"name":{"essential":true}}}' });
    expect([metadata.claims_parameter_supported, payload.name]).toEqual([true, 'Alice Example']);
  },
  acr_values_supported: async () => {
    for (const acr of listOf('acr_values_supported')) {
      expect((await idTokenOf(OWN, { acr_values: acr })).payload.acr).toBe(acr);
    }
  },
  ui_locales_supported: async () => {
    expect(listOf('ui_locales_supported')).toEqual(['en', 'de', 'fr', 'es', 'pt']);
    await tokensFor(OWN, { ui_locales: 'en' });
  },
  request_uri_parameter_supported: refusedAtPar({ request_uri: 'https://tpp.example/r' }, 'invalid_request'),
  request_parameter_supported: async () => {
    expect(metadata.request_parameter_supported).toBe(true);
    await authorized('requests-ES256', { response_mode: 'jwt' });
  },
  request_object_signing_alg_values_supported: async () => {
    for (const algorithm of listOf('request_object_signing_alg_values_supported')) {
      const { payload } = await signedResponse(`requests-${algorithm}`, { response_mode: 'jwt' });
      expect(payload.code).toBeTypeOf('string');
    }
  },
  authorization_signing_alg_values_supported: async () => {
    for (const algorithm of listOf('authorization_signing_alg_values_supported')) {
      const { protectedHeader } = await signedResponse(`fapi1-${algorithm}`, {
        nonce: 'n',
        response_mode: 'jwt',
      });
      expect(protectedHeader.alg).toBe(algorithm);
    }
  },
  code_challenge_methods_supported: () => {
    expect(listOf('code_challenge_methods_supported')).toEqual(['S256']);
    return tokensFor(OWN);
  },
  response_types_supported: async () => {
    const clients: Form = { code: OWN, 'code id_token': 'fapi1-ES256' };
    for (const type of listOf('response_types_supported')) {
      const callback = await authorized(clients[type] ?? type, { response_type: type, nonce: 'n' });
      const answer = new URLSearchParams(callback.search || callback.hash.slice(1));
      for (const part of type.split(' ')) expect(answer.has(part)).toBe(true);
    }
  },
  response_modes_supported: async () => {
    for (const mode of listOf('response_modes_supported')) {
      const isSigned = mode.endsWith('jwt');
      const client = isSigned ? 'requests-ES256' : OWN;
      const callback = await authorized(client, { response_mode: mode });
      const place = mode.startsWith('fragment') ? callback.hash : callback.search;
      expect([mode, place]).toEqual([mode, expect.stringContaining(isSigned ? 'response=' : 'code=')]);
    }
  },
  grant_types_supported: async () => {
    const used = ['authorization_code', 'client_credentials', 'refresh_token', CIBA_GRANT];
    expect([...listOf('grant_types_supported')].sort()).toEqual(used);
    const { refresh_token: refresh = '' } = await tokensFor(OWN);
    const form = { client_id: OWN, grant_type: 'refresh_token', refresh_token: refresh };
    expect((await post(endpoint('token'), form)).status).toBe(200);
    expect((await credentials(OWN)).status).toBe(200);
    await asksByCiba('poll');
  },
  registration_endpoint: async () => {
    const { registration_endpoint: endpoint, mtls_endpoint_aliases: aliases } = metadata as Record<
      string,
      unknown
    >;
    expect((aliases as Record<string, unknown>).registration_endpoint).toBe(endpoint);
    const { status, json } = await sandbox.send(String(endpoint), {
      certificate: tppNamed(sandbox.description, 'money-one'),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: ['https://app.money-one.tpp.example/callback'] }),
    });
    expect([status, json.client_id]).toEqual([201, expect.any(String)]);
  },
  backchannel_authentication_endpoint: () => asksByCiba('poll'),
  backchannel_token_delivery_modes_supported: async () => {
    for (const mode of listOf('backchannel_token_delivery_modes_supported')) await asksByCiba(mode);
  },
  backchannel_user_code_parameter_supported: async () => {
    expect(metadata.backchannel_user_code_parameter_supported).toBe(false);
  },
  backchannel_authentication_request_signing_alg_values_supported: async () => {
    for (const alg of listOf('backchannel_authentication_request_signing_alg_values_supported')) {
      const key = keys.get(alg);
      const tpp = await CibaTpp.open(sandbox, `money-one-mtls-ciba-${alg}`);
      const asked = await tpp.send({ request: await tpp.sign({}, { alg, ...(key && { key }), kid: alg }) });
      expect(asked.auth_req_id).toBeTypeOf('string');
      await tpp.close();
    }
  },
  scopes_supported: async () => {
    const asked = { scope: listOf('scopes_supported').join(' '), prompt: 'consent' };
    const { scope = '', refresh_token: refresh } = await tokensFor(OWN, asked);
    const ofToken = listOf('scopes_supported').filter((one) => one !== 'offline_access');
    expect(scope.split(' ').sort()).toEqual([...ofToken].sort());
    expect(refresh).toBeTypeOf('string');
  },
  id_token_signing_alg_values_supported: async () => {
    const clients: Form = { ES256: OWN, PS256: 'asks-for-ps256' };
    for (const algorithm of listOf('id_token_signing_alg_values_supported')) {
      const { protectedHeader } = await idTokenOf(clients[algorithm] ?? algorithm);
      expect(protectedHeader.alg).toBe(algorithm);
    }
  },
  id_token_encryption_alg_values_supported: async () => {
    for (const algorithm of listOf('id_token_encryption_alg_values_supported')) {
      expect((await encryptedIdToken(algorithm, 'A256GCM')).split('.')).toHaveLength(3);
    }
  },
  id_token_encryption_enc_values_supported: async () => {
    for (const encryption of listOf('id_token_encryption_enc_values_supported')) {
      if (encryption === 'A256GCM') continue;
      expect((await encryptedIdToken('ECDH-ES', encryption)).split('.')).toHaveLength(3);
    }
  },
  token_endpoint_auth_methods_supported: async () => {
    expect(listOf('token_endpoint_auth_methods_supported')).toEqual(['tls_client_auth', 'private_key_jwt']);
    for (const one of [OWN, 'signs-ES256']) expect((await credentials(one)).status).toBe(200);
  },
  token_endpoint_auth_signing_alg_values_supported: async () => {
    for (const algorithm of listOf('token_endpoint_auth_signing_alg_values_supported')) {
      expect([algorithm, (await credentials(`signs-${algorithm}`)).status]).toEqual([algorithm, 200]);
    }
  },
  introspection_endpoint_auth_methods_supported: authenticatesAt('introspection'),
  introspection_endpoint_auth_signing_alg_values_supported: signsAt('introspection'),
  revocation_endpoint_auth_methods_supported: authenticatesAt('revocation'),
  revocation_endpoint_auth_signing_alg_values_supported: signsAt('revocation'),
  introspection_signing_alg_values_supported: async () => {
    const clients: Form = { ES256: OWN, PS256: 'asks-for-ps256' };
    for (const algorithm of listOf('introspection_signing_alg_values_supported')) {
      const signed = await sandbox.send(endpoint('introspection'), {
        method: 'POST',
        certificate: tppNamed(sandbox.description, TPP),
        headers: { accept: 'application/token-introspection+jwt' },
        body: new URLSearchParams({ client_id: clients[algorithm] ?? algorithm, token: 'x'.repeat(43) }),
      });
      expect(decodeProtectedHeader(signed.text).alg).toBe(algorithm);
    }
  },
  dpop_signing_alg_values_supported: async () => {
    const [{ client_id = '' } = {}] = tppNamed(sandbox.description, TPP).moreClients;
    for (const alg of listOf('dpop_signing_alg_values_supported')) {
      const { publicKey, privateKey } = await generateKeyPair(alg);
      const dpop = await new SignJWT({ jti: alg, htm: 'POST', htu: `${sandbox.description.mtlsUrl}/token` })
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: await exportJWK(publicKey) })
        .setIssuedAt()
        .sign(privateKey);
      const { json } = await sandbox.send(endpoint('token'), {
        method: 'POST',
        certificate: tppNamed(sandbox.description, TPP),
        headers: { dpop },
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id, scope: 'accounts' }),
      });
      expect([alg, json.token_type]).toEqual([alg, 'DPoP']);
    }
  },
  tls_client_certificate_bound_access_tokens: async () => {
    const { json } = await credentials(OWN);
    const [, payload = ''] = String(json.access_token).split('.');
    const { cnf } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(cnf['x5t#S256']).toBeTypeOf('string');
  },
};

describe('the metadata (RFC 8414, OpenID Connect Discovery)', () => {
  it('is the same in both documents, on both listeners', async () => {
    for (const base of [sandbox.description.issuer, sandbox.description.mtlsUrl]) {
      for (const path of DOCUMENTS) expect((await sandbox.send(`${base}${path}`)).json).toEqual(metadata);
    }
  });

  it('has no member that is not tried here', () => {
    expect(Object.keys(metadata).sort()).toEqual(Object.keys(ATTEMPTS).sort());
  });

  it.each(Object.entries(ATTEMPTS))('offers what works: %s', async (_name, attempt) => {
    await attempt();
  });
});
