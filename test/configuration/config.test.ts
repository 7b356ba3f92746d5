import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/configuration/config.ts';
import { isRefusal, type Problem } from '../../src/errors.ts';

const client = {
  client_id: 'acme',
  client_name: 'Acme',
  authorization_number: 'PSDGB-FCA-123456',
  token_endpoint_auth_method: 'tls_client_auth',
  redirect_uris: ['https://acme.example/callback'],
  grant_types: ['authorization_code'],
  scope: 'accounts',
};
const valid = {
  issuer: 'https://as.bank.example',
  mtlsUrl: 'https://mtls.bank.example',
  tls: { certificateFile: 'server.pem', privateKeyFile: 'server.key' },
  storage: { file: 'data.sqlite', secretFile: 'secret' },
  signingKeysFile: 'keys.json',
  resource: 'https://api.bank.example',
  trust: [{ profile: 'eu-qualified', anchorsFile: 'anchors.pem' }],
  registry: { file: 'tpps.yaml' },
  clients: [client],
};
const from = { source: 'test', folder: '/etc/bank' };

function problemsOf(value: unknown): readonly Problem[] {
  try {
    parseConfig(value, from);
  } catch (error) {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) return error.details.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('has strict defaults, absolute file names, and cannot be changed', () => {
    const config = parseConfig(valid, from);
    expect(config.accessToken).toEqual({ format: 'jwt', lifetimeSeconds: 600 });
    expect(config.profiles).toEqual({ default: 'fapi2-security' });
    expect(config.ciba.enabled).toBe(false);
    expect(config.tls.certificateFile).toBe('/etc/bank/server.pem');
    expect(() => Object.assign(config.clients[0] ?? {}, { scope: 'more' })).toThrow(TypeError);
  });

  it('takes self-signed certificates where the bank names that, and every trust profile is of its own CA', () => {
    expect(parseConfig(valid, from).selfSignedCertificates).toBe('refuse');
    const accepting = (...profiles: readonly string[]) => ({
      ...valid,
      selfSignedCertificates: 'accept-registered',
      trust: profiles.map((profile) => ({ profile, anchorsFile: 'anchors.pem' })),
    });
    expect(problemsOf(accepting('own-ca', 'own-ca'))).toEqual([]);
    for (const profile of ['eu-qualified', 'uk-directory']) {
      expect(problemsOf(accepting('own-ca', profile))).toEqual([
        { path: 'trust[1].profile', message: expect.stringContaining('article 34 of the RTS') },
      ]);
    }
  });

  it.each(['fapi1-advanced', 'fapi2-security', 'fapi2-message-signing', 'uk-open-banking'])(
    'takes a client with a self-signed certificate of the profile %s only where it accepts them',
    (profile) => {
      const selfSigned = {
        ...client,
        profile,
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        jwks_uri: 'https://acme.example/jwks',
      };
      const value = { ...valid, profiles: { default: profile }, clients: [selfSigned] };
      const acrValues = ['urn:openbanking:psd2:sca'];
      const accepting = {
        ...{ ...value, acrValues, defaultAcr: acrValues[0] },
        selfSignedCertificates: 'accept-registered',
        trust: [{ profile: 'own-ca', anchorsFile: 'anchors.pem' }],
      };
      const refusal = expect.stringContaining('token_endpoint_auth_method has self_signed_tls_client_auth');
      expect(problemsOf(value)).toContainEqual({ path: 'clients', message: refusal });
      expect(problemsOf(accepting)).toEqual(
        profile === 'uk-open-banking' ? [{ path: 'clients', message: refusal }] : [],
      );
    },
  );

  it('binds tokens to a certificate, and to a key alone only where that is named', () => {
    const config = parseConfig(valid, from);
    expect([config.senderConstraints, config.certificatesDemanded, config.dpop]).toEqual([
      { default: 'certificate', allowed: ['certificate', 'certificate-and-dpop'] },
      'everywhere',
      { nonce: 'off' },
    ]);
    const dpop = { ...client, sender_constraint: 'dpop' };
    const [problem] = problemsOf({ ...valid, clients: [dpop] });
    expect(problem?.message).toContain('allows certificate, certificate-and-dpop');
    const named = { ...valid, senderConstraints: { allowed: ['certificate', 'dpop'] } };
    expect(problemsOf({ ...named, clients: [dpop] })).toEqual([]);
    const withoutCertificates = { certificatesDemanded: 'where-tokens-are-bound-to-one' };
    expect(problemsOf({ ...named, ...withoutCertificates })).toEqual([]);
    expect(problemsOf({ ...valid, ...withoutCertificates })).toMatchObject([
      { path: 'certificatesDemanded' },
    ]);
    expect(problemsOf({ ...valid, senderConstraints: { default: 'dpop' } })).toMatchObject([
      { path: 'senderConstraints.allowed' },
    ]);
  });

  it('refuses settings that no client could use', () => {
    const byKey = { default: 'dpop', allowed: ['dpop'] };
    const profiles = { allowed: ['fapi2-security', 'fapi1-advanced'] };
    expect(problemsOf({ ...valid, senderConstraints: byKey, profiles })).toEqual([
      { path: 'senderConstraints.allowed', message: 'has none that fapi1-advanced allows' },
    ]);
    const byCertificate = { allowed: ['certificate'] };
    const dpop = { nonce: 'required' };
    expect(problemsOf({ ...valid, senderConstraints: byCertificate, dpop })).toMatchObject([
      { path: 'dpop.nonce' },
    ]);
  });

  it('names the setting that has taken the place of another', () => {
    expect(problemsOf({ ...valid, pushedRequests: { allowWithoutCertificate: true } })).toEqual([
      { path: 'pushedRequests', message: 'is now certificatesDemanded: where-tokens-are-issued' },
    ]);
  });

  it('waits for a replica by default where there are replicas, and finds the files of Redis', () => {
    const redisOf = (redis: object) =>
      parseConfig({ ...valid, storage: { secretFile: 'secret', redis } }, from).storage.redis;
    expect(redisOf({ url: 'rediss://r:6380/2' })).toMatchObject({ keyPrefix: 'tallystick', waitReplicas: 0 });
    const { waitReplicas, passwordFile, tls } =
      redisOf({ nodes: ['[::1]:7000', 'b:7000'], passwordFile: 'p', tls: { caFile: 'ca.pem' } }) ?? {};
    expect({ waitReplicas, passwordFile, tls }).toEqual({
      waitReplicas: 1,
      passwordFile: '/etc/bank/p',
      tls: { caFile: '/etc/bank/ca.pem' },
    });
  });

  it('reports every problem at once, with its place', () => {
    const problems = problemsOf({
      ...valid,
      issuer: 'http://as.bank.example',
      accesstoken: {},
      listen: { front: 70_000 },
      clients: [
        { ...client, token_endpoint_auth_method: 'client_secret_basic' },
        { ...client, redirect_uris: [] },
      ],
    });
    expect(problems.map(({ path }) => path).sort()).toEqual([
      '',
      'clients[0].token_endpoint_auth_method',
      'clients[1].redirect_uris',
      'issuer',
      'listen.front',
    ]);
    expect(problems.find(({ path }) => path === '')?.message).toContain('accesstoken');
  });

  const resourceServer = { client_id: 'api', resource: 'https://api.bank.example', anchorsFile: 'ca.pem' };
  const jwk = (kid: string, namedCurve = 'P-256') => ({
    ...generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }),
    kid,
  });
  const refused: readonly [title: string, change: object, path: string][] = [
    ['an issuer with a slash at its end', { issuer: 'https://as.bank.example/' }, 'issuer'],
    ...[
      'http://tpp.example/callback',
      'http://localhost:8080/callback',
      'http://127.0.0.1/callback',
      'com.example.tpp:/callback',
      'https://tpp.example/callback#part',
      'https://user@tpp.example/callback',
      'https://*.tpp.example/callback',
      'https://tpp.example/*',
      'https:callback',
    ].map((uri): [string, object, string] => [
      `the redirect URI ${uri}`,
      { clients: [{ ...client, redirect_uris: [uri] }] },
      'clients[0].redirect_uris[0]',
    ]),
    ['an issuer with a path', { issuer: 'https://bank.example/as' }, 'issuer'],
    ['no trust anchors', { trust: [] }, 'trust'],
    [
      'a client without the keys that it signs with',
      { clients: [{ ...client, token_endpoint_auth_method: 'private_key_jwt' }] },
      'clients[0].jwks',
    ],
    [
      'a private key in a registration',
      { clients: [{ ...client, jwks: { keys: [{ kty: 'EC', kid: '1', d: 'x' }] } }] },
      'clients[0].jwks.keys[0]',
    ],
    [
      'a key in a registration that is too weak (H11)',
      { clients: [{ ...client, jwks: { keys: [{ kty: 'RSA', kid: '1', n: 'AQAB', e: 'AQ' }] } }] },
      'clients[0].jwks.keys[0]',
    ],
    [
      'two keys of one name in a registration (H3)',
      { clients: [{ ...client, jwks: { keys: [jwk('1'), jwk('1')] } }] },
      'clients[0].jwks',
    ],
    [
      'an identifier in a registration that does not name its authority',
      { clients: [{ ...client, authorization_number: 'NTRGB-123' }] },
      'clients[0].nca',
    ],
    [
      'a symmetric key in a registration',
      { clients: [{ ...client, jwks: { keys: [{ kty: 'oct', kid: '1', k: 'x' }] } }] },
      'clients[0].jwks.keys[0].kty',
    ],
    [
      'two subjects for one client (RFC 8705 §2.1.2, E9)',
      {
        clients: [
          { ...client, tls_client_auth_san_dns: 'a.example', tls_client_auth_san_uri: 'https://a.example' },
        ],
      },
      'clients[0].tls_client_auth_san_uri',
    ],
    ...(
      [
        ['a name that cannot be parsed', 'tls_client_auth_subject_dn', 'CN=a, =b'],
        ['an empty name', 'tls_client_auth_subject_dn', ' '],
        ['a host name that is a URL', 'tls_client_auth_san_dns', 'https://a.example'],
        ['a URI without a scheme', 'tls_client_auth_san_uri', 'a.example'],
        ['an address that is none', 'tls_client_auth_san_ip', '10.0.0.256'],
        ['a mailbox without a host', 'tls_client_auth_san_email', 'info@'],
      ] as const
    ).flatMap(([title, property, value]): [string, object, string][] => [
      [
        `${title} as the subject of a client`,
        { clients: [{ ...client, [property]: value }] },
        `clients[0].${property}`,
      ],
      [
        `${title} as the subject of a resource server`,
        { resourceServers: [{ ...resourceServer, [property]: value }] },
        `resourceServers[0].${property}`,
      ],
    ]),
    ['a scope that no API has', { clients: [{ ...client, scope: 'openid acounts' }] }, 'clients'],
    [
      'a key with an alg that clients may not sign with (FAPI 2.0 §5.4.1)',
      { clients: [{ ...client, jwks: { keys: [{ ...jwk('1'), alg: 'RS256' }] } }] },
      'clients[0].jwks.keys[0]',
    ],
    [
      'a key of a curve that no algorithm of clients has',
      { clients: [{ ...client, jwks: { keys: [jwk('1', 'P-384')] } }] },
      'clients[0].jwks.keys[0]',
    ],
    [
      'a malformed organization identifier',
      { clients: [{ ...client, authorization_number: 'PSDXX-FCA-1' }] },
      'clients[0].authorization_number',
    ],
    [
      'an authority that is none',
      { clients: [{ ...client, authorization_number: 'NTRGB-123', nca: 'GB' }] },
      'clients[0].nca',
    ],
    ['no store', { storage: { secretFile: 'secret' } }, 'storage'],
    ['two stores', { storage: { ...valid.storage, redis: { url: 'redis://r' } } }, 'storage'],
    [
      'a password in the address of Redis',
      { storage: { secretFile: 's', redis: { url: 'redis://user:secret@r:6379' } } },
      'storage.redis.url',
    ],
    [
      'Sentinels without the name of the primary',
      { storage: { secretFile: 's', redis: { sentinels: ['a:26379'] } } },
      'storage.redis.sentinelName',
    ],
    [
      'one Redis and a Cluster at once',
      { storage: { secretFile: 's', redis: { url: 'redis://r', nodes: ['a:1'] } } },
      'storage.redis.nodes',
    ],
    [
      'a wait for replicas that is longer than the answer may take',
      { storage: { secretFile: 's', redis: { url: 'redis://r', waitTimeoutMilliseconds: 1000 } } },
      'storage.redis.waitTimeoutMilliseconds',
    ],
    ['two clients with one name', { clients: [client, client] }, 'clients'],
    [
      'an unbound client',
      { clients: [{ ...client, tls_client_certificate_bound_access_tokens: false }] },
      'clients[0]',
    ],
  ];
  it.each(refused)('refuses %s', (_title, change, path) => {
    expect(problemsOf({ ...valid, ...change }).map((problem) => problem.path)).toEqual([path]);
  });

  it('names the client that has a problem', () => {
    const [problem] = problemsOf({ ...valid, clients: [{ ...client, redirect_uris: ['callback'] }] });
    expect(problem?.message).toMatch(/ \(acme\)$/);
    const [other] = problemsOf({ ...valid, clients: [{ ...client, scope: 'acounts' }] });
    expect(other?.message).toBe('acme has scopes that are not in apiScopes: acounts');
  });

  it('is read from YAML, and a file that is none is refused with the line', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tallystick-config-'));
    const good = join(folder, 'good.yaml');
    const bad = join(folder, 'bad.yaml');
    await writeFile(good, JSON.stringify(valid));
    await writeFile(bad, 'issuer: https://a\nissuer: https://b\ntls: [\n');
    expect((await loadConfig(good)).storage.file).toBe(join(folder, 'data.sqlite'));
    const error = await loadConfig(bad).catch((caught: unknown) => caught);
    expect(
      isRefusal(error, 'ERR_CONFIG_INVALID') && error.details.problems.map(({ path }) => path),
    ).toContain('line 2');
    await rm(folder, { recursive: true });
  });
});
