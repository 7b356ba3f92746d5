import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const packageFolder = dirname(createRequire(import.meta.url).resolve('oidc-provider/package.json'));
const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
  readonly version: string;
};
const RECIPE = 'follow docs/upgrade-oidc-provider.md';

/** The version whose modules were read, and whose texts have the digests below. */
const READ_VERSION = '9.13.3';

/** Each module whose text this program depends on beyond the documented interface, and the reason. */
const MODULES: readonly { readonly module: string; readonly reason: string; readonly digest: string }[] = [
  {
    module: 'provider.js',
    reason: 'the class itself, imported past the index, which warns at every start',
    digest: '94a64ce834032c4d',
  },
  {
    module: 'helpers/errors.js',
    reason: 'the errors, imported past the index; request/oauth-error.ts fills CustomOIDCProviderError',
    digest: '53eaef896d941acf',
  },
  {
    module: 'helpers/interaction_policy/index.js',
    reason: 'the prompts login and consent, to which customer/interaction-policy.ts adds checks',
    digest: '4e282027c8842321',
  },
  {
    module: 'helpers/keystore.js',
    reason: 'ExternalSigningKey, which signing/provider-keys.ts extends',
    digest: '9d78577c6055cdf0',
  },
  {
    module: 'helpers/jwt.js',
    reason: 'the form in which an external signature is asked for: JWS, after `await key.sign(Buffer)`',
    digest: 'e52ef4048fcf0277',
  },
  {
    module: 'helpers/initialize_keystore.js',
    reason: 'replaceKeys calls this again: all keys are checked before any is replaced',
    digest: '6e178e2a43cb5b32',
  },
  {
    module: 'helpers/weak_cache.js',
    reason: 'provideClients writes `staticClients` there, grantHandlerOf reads `grantTypeHandlers`',
    digest: 'c2ff20221466d475',
  },
  {
    module: 'models/client.js',
    reason: 'Client.find looks in `staticClients` first and returns an instance as it is',
    digest: '37841c70b72be692',
  },
  {
    module: 'helpers/als.js',
    reason: 'runInContext sets `Provider.ctx` for the direct client_credentials grant',
    digest: '5f89eae50dbb4590',
  },
  {
    module: 'helpers/oidc_context.js',
    reason: 'direct-request.ts makes an OIDCContext by hand: constructor, route, params, entity()',
    digest: '4a7a5e09bf3377f6',
  },
  {
    module: 'helpers/initialize_app.js',
    reason:
      'the steps in front of the token endpoint, of which the direct grant does what is needed; fills `responseModes`, from which keepResponseModes removes',
    digest: '82cc7a689a1c5907',
  },
  {
    module: 'actions/token.js',
    reason:
      'the long way to a token: each check here must be one that the direct grant does, or does not need',
    digest: 'b02246009810acd6',
  },
  {
    module: 'shared/client_auth.js',
    reason: 'the checks of tls_client_auth and private_key_jwt, which the direct grant repeats',
    digest: '2ef832c2ce4093cb',
  },
  {
    module: 'shared/jwt_client_auth.js',
    reason: 'verifyClientAssertion calls this for the direct grant; the `jti` is used up last',
    digest: 'bbbacb807684e04e',
  },
  {
    module: 'actions/grants/client_credentials.js',
    reason: 'client-tokens.ts does what this handler does for a certificate-bound token of the APIs',
    digest: 'eade620806012fa4',
  },
  {
    module: 'shared/check_resource.js',
    reason: 'client-tokens.ts takes the resource that this finds for the handler',
    digest: '510eab377909b220',
  },
  {
    module: 'models/formats/jwt.js',
    reason: 'client-tokens.ts makes the same claims',
    digest: '8de09847ca60ddbe',
  },
  {
    module: 'models/formats/opaque.js',
    reason: 'client-tokens.ts makes the same record',
    digest: '116a242cbe98d59b',
  },
  {
    module: 'helpers/grant_response.js',
    reason: 'client-tokens.ts answers with the same members',
    digest: '8f1e3f1303572bf1',
  },
  {
    module: 'helpers/nanoid.js',
    reason: 'newIdentifier: 43 characters of 64, from a random source for secrets',
    digest: 'f73fa21a5862a10a',
  },
  {
    module: 'actions/introspection.js',
    reason:
      'token-introspection.ts answers as the last step does, which direct-introspection.ts calls for other tokens; each check before it must be one that the direct way does, or does not need',
    digest: '9c51064bc58f06a8',
  },
  {
    module: 'models/base_model.js',
    reason: 'opaque-tokens.ts finds a token as `find` does',
    digest: '77623c1d7d76d840',
  },
  {
    module: 'models/access_token.js',
    reason:
      'token-introspection.ts reads the same members, and refreshed-tokens.ts stores them; tokens do not end with a session here',
    digest: '6d16f6fe27d961c3',
  },
  {
    module: 'models/client_credentials.js',
    reason: 'token-introspection.ts and direct-revocation.ts read the same members',
    digest: '6455d415284e1021',
  },
  {
    module: 'actions/revocation.js',
    reason:
      'the last step ends the token for direct-revocation.ts, which ends a token without a customer as this step does; each check before it must be one that the direct way does, or does not need',
    digest: '28da74d2972f3597',
  },
  {
    module: 'actions/authorization/index.js',
    reason:
      'direct-pushed-request.ts runs its steps for pushed requests from `processRequestObject` on; each step before must be one that the direct way does, or does not need',
    digest: '60912e9cc939f3d5',
  },
  {
    module: 'actions/authorization/request_parameters.js',
    reason: 'the list of parameters, of which direct-pushed-request.ts keeps those that it knows',
    digest: '7059112be979d250',
  },
  {
    module: 'actions/authorization/pushed_authorization_requests.js',
    reason:
      'the step that stores a pushed request; pushed-requests.ts does the same for one that is not signed',
    digest: 'a3d434f0aabf6d7e',
  },
  {
    module: 'models/pushed_authorization_request.js',
    reason: 'pushed-requests.ts stores the same members',
    digest: 'ae54dfc63e7f9f62',
  },
  {
    module: 'actions/grants/authorization_code.js',
    reason: 'the handler that direct-grant.ts calls',
    digest: '2d46dcf995804956',
  },
  {
    module: 'actions/grants/refresh_token.js',
    reason:
      'the handler that direct-grant.ts calls; refreshed-tokens.ts does the same for a token that stays the same',
    digest: 'd3bcebb1e448545e',
  },
  {
    module: 'helpers/grant_common.js',
    reason: 'refreshed-tokens.ts checks the account, and makes ID tokens, as this does',
    digest: '2a9abbce97278836',
  },
  {
    module: 'helpers/grant_source.js',
    reason: 'refreshed-tokens.ts judges the grant as this does',
    digest: '4309a85ac090d6c7',
  },
  {
    module: 'helpers/resolve_resource.js',
    reason: 'refreshed-tokens.ts takes the resource that this finds for a refresh',
    digest: 'ad1c38e95cb32d47',
  },
  {
    module: 'models/id_token.js',
    reason: 'refreshed-tokens.ts makes the same claims',
    digest: '809a238a6d68b391',
  },
  {
    module: 'helpers/claims.js',
    reason: 'the claims of an ID token that refreshed-tokens.ts repeats: those of `openid`',
    digest: 'e00c035a932ea2e6',
  },
  {
    module: 'models/grant.js',
    reason: 'refreshed-tokens.ts filters the scopes of a resource as this does',
    digest: '5fab33d4ef0a46bc',
  },
  {
    module: 'models/refresh_token.js',
    reason: 'refreshed-tokens.ts reads the same members',
    digest: '395763fba05b7deb',
  },
  {
    module: 'shared/error_handler.js',
    reason: 'answers what the handlers of direct-grant.ts and direct-revocation.ts throw',
    digest: 'c0350b8ee7a33164',
  },
  {
    module: 'helpers/token_find.js',
    reason: 'where direct-revocation.ts has the provider look for a token first',
    digest: 'f0a6c65226cff377',
  },
  {
    module: 'models/replay_detection.js',
    reason: 'its `unique` is replaced by an atomic one: issuer, jti and exp are its parameters',
    digest: '043828fda75887e6',
  },
  {
    module: 'actions/authorization/resume.js',
    reason:
      'session-takeover.ts judges the same cookie and session before it, and takes from it the page that ends another session',
    digest: 'a0eaff78325ca491',
  },
  {
    module: 'models/session.js',
    reason: 'its `get` is followed by the takeover of session-takeover.ts',
    digest: '305aff9ef7c9c3c0',
  },
  {
    module: 'shared/session.js',
    reason: 'the one caller of `Session.get`; it stores the session at the end of the request',
    digest: 'd7299d8358bbf3a8',
  },
];

const digestOf = (module: string) =>
  createHash('sha256')
    .update(readFileSync(join(packageFolder, 'lib', module)))
    .digest('hex')
    .slice(0, 16);

describe('the internals of oidc-provider that this program depends on', () => {
  it(`are those of version ${READ_VERSION}`, () => {
    expect(version, `oidc-provider was raised: ${RECIPE}`).toBe(READ_VERSION);
  });

  it.each(MODULES)('lib/$module reads as it did ($reason)', ({ module, reason, digest }) => {
    expect(digestOf(module), `lib/${module} changed. Used: ${reason}. Read its diff; ${RECIPE}`).toBe(digest);
  });

  it('the index still exports the four names that are imported past it', async () => {
    const index = readFileSync(join(packageFolder, 'lib/index.js'), 'utf8');
    for (const name of ['Provider', 'errors', 'interactionPolicy', 'ExternalSigningKey']) {
      expect(index, `the index no longer exports ${name}`).toMatch(
        new RegExp(`export \\{[^}]*\\b${name}\\b`),
      );
    }
    const { Provider } = await import('oidc-provider/lib/provider.js');
    expect(typeof Provider, 'lib/provider.js no longer exports Provider').toBe('function');
  });

  it('the state of a provider still has its clients by identifier and its grants by type', async () => {
    const { get } = await import('oidc-provider/lib/helpers/weak_cache.js');
    const provider = await madeProvider();
    const { staticClients, grantTypeHandlers } = get(provider);
    expect(staticClients, 'weak_cache: staticClients is no Map by client_id').toBeInstanceOf(Map);
    expect(staticClients.get('one'), 'weak_cache: staticClients is not by client_id').toBeDefined();
    const handler = grantTypeHandlers.get('client_credentials');
    expect(typeof handler, 'weak_cache: grantTypeHandlers has no client_credentials').toBe('function');
  });

  it('new clients and new keys are used by a running provider, and bad ones leave the old in force', async () => {
    const { provideClients, replaceKeys } = await import(
      '../../src/authorization-server/provider-internals.ts'
    );
    const { createSigningKeys } = await import('../../src/authorization-server/signing/kept-keys.ts');
    const { get } = await import('oidc-provider/lib/helpers/weak_cache.js');
    const provider = await madeProvider();
    const clients = new Map([['two', clientCalled('two')]]);
    const stored = clientCalled('stored');
    provideClients(
      provider,
      {
        findNamed: (clientId) => clients.get(clientId),
        findStored: async (clientId) => (clientId === 'stored' ? stored : undefined),
      },
      (one) => one,
      () => undefined,
    );
    const two = await provider.Client.find('two');
    expect(two?.clientId, 'Client.find does not look in staticClients').toBe('two');
    const ofStore = await provider.Client.find('stored');
    expect(ofStore?.clientId).toBe('stored');
    expect(await provider.Client.find('stored'), 'an instance is not returned as it is').toBe(ofStore);
    expect(await provider.Client.find('one'), 'a removed client is found').toBeUndefined();
    clients.set('three', clientCalled('three'));
    expect(await provider.Client.find('two'), 'an instance is not returned as it is').toBe(two);
    expect((await provider.Client.find('three'))?.clientId).toBe('three');
    clients.set('two', clientCalled('two'));
    expect(await provider.Client.find('two'), 'a changed registration keeps its client').not.toBe(two);

    const keys = await createSigningKeys();
    const published = () => get(provider).jwks.keys.map(({ kid }) => kid);
    replaceKeys(provider, { keys: keys.keys as never });
    expect(published(), 'initialize_keystore does not replace the keys').toEqual(
      keys.keys.map(({ kid }) => kid),
    );
    const before = published();
    expect(() => replaceKeys(provider, { keys: [{ kty: 'EC' }] as never })).toThrow();
    expect(published(), 'bad keys took the place of good ones').toEqual(before);
  });

  it('work in a context sees that context as Provider.ctx', async () => {
    const { Provider, runInContext } = await import('../../src/authorization-server/provider-internals.ts');
    const context = { isThisOne: true } as never;
    expect(
      runInContext(context, () => Provider.ctx === context),
      'als.js is not what Provider.ctx reads',
    ).toBe(true);
    expect(Provider.ctx).toBeUndefined();
  });

  it('the prompts still are login and consent, with checks that can be added to', async () => {
    const { interactionPolicy } = await import('../../src/authorization-server/provider-internals.ts');
    const names = interactionPolicy.base().map(({ name }) => name);
    expect(names, 'interaction_policy: there are other prompts').toEqual(['login', 'consent']);
  });
});

const clientCalled = (clientId: string) => ({
  client_id: clientId,
  client_secret: 'of a test',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
});

async function madeProvider() {
  const { Provider } = await import('../../src/authorization-server/provider-internals.ts');
  const { createSigningKeys } = await import('../../src/authorization-server/signing/kept-keys.ts');
  return new Provider('https://as.example', {
    clients: [clientCalled('one')] as never,
    jwks: { keys: [...(await createSigningKeys()).keys] } as never,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true } },
  });
}
