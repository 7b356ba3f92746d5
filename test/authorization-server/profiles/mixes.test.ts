import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import { createProvider, type ProviderOptions } from '../../../src/authorization-server/provider.ts';
import { discoveryOnBothListeners } from '../../../src/authorization-server/discovery.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';

const { publicKey: KEY } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SECURITY = 'fapi2-security';
const SIGNING = 'fapi2-message-signing';
const FAPI1 = 'fapi1-advanced';
const PLAIN = ['fragment', 'query'];
const JARM = ['fragment.jwt', 'jwt', 'query.jwt'];

/** The metadata of a server that allows these profiles. */
async function metadataOf(names: readonly string[]): Promise<Record<string, unknown>> {
  const key = { ...KEY.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' };
  const signer = { keys: [key], sign: () => Promise.reject() };
  const options = {
    issuer: 'https://as.bank.example',
    mtlsUrl: new URL('https://mtls.bank.example'),
    profiles: profilesNamed(names),
    apiScopes: ['accounts'],
    customerClaims: [],
    acr: { acrValues: [] },
    clients: { findNamed: () => undefined },
    secret: Buffer.alloc(32, 1),
    clock: systemClock,
    log: silentLog,
    signer: { ...signer, follow: () => undefined, close: async () => {} },
    decrypter: { keys: [] },
    ciba: undefined,
  } as unknown as ProviderOptions;
  const provider = createProvider(options, { adapter: class {} } as never);
  provider.use(discoveryOnBothListeners(options as never));
  const server = createServer(provider.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/.well-known/openid-configuration`);
    return (await answer.json()) as Record<string, unknown>;
  } finally {
    server.close();
  }
}

interface Offered {
  readonly types: readonly string[];
  readonly modes: readonly string[];
  readonly pushes: true | undefined;
  readonly signs: true | undefined;
  readonly takesRequest: true | undefined;
}

const CASES: readonly (readonly [names: readonly string[], offered: Offered])[] = [
  [[SECURITY], { types: ['code'], modes: PLAIN, pushes: true, signs: undefined, takesRequest: undefined }],
  [
    [SIGNING],
    { types: ['code'], modes: [...PLAIN, ...JARM], pushes: true, signs: undefined, takesRequest: true },
  ],
  [
    [SECURITY, SIGNING],
    { types: ['code'], modes: [...PLAIN, ...JARM], pushes: true, signs: undefined, takesRequest: true },
  ],
  ...[[SECURITY], [SIGNING], [SECURITY, SIGNING], [SIGNING, SECURITY]].map(
    (others): readonly [readonly string[], Offered] => [
      [...others, FAPI1],
      {
        types: ['code', 'code id_token'],
        modes: [...PLAIN, ...JARM],
        // by_value of FAPI 1 needs this to be absent.
        pushes: undefined,
        signs: undefined,
        takesRequest: true,
      },
    ],
  ),
  [
    [FAPI1],
    {
      types: ['code', 'code id_token'],
      modes: ['fragment', ...JARM],
      pushes: undefined,
      signs: true,
      takesRequest: true,
    },
  ],
];

describe('the metadata of a server that allows', () => {
  it.each(CASES)('%s', async (names, { types, modes, pushes, signs, takesRequest }) => {
    const metadata = await metadataOf(names);
    const sorted = (name: string) => (metadata[name] as string[] | undefined)?.toSorted();
    expect(sorted('response_types_supported')).toEqual(types);
    expect(sorted('response_modes_supported')).toEqual(modes.toSorted());
    expect(metadata.require_pushed_authorization_requests).toBe(pushes);
    expect(metadata.require_signed_request_object).toBe(signs);
    expect(metadata.request_parameter_supported).toBe(takesRequest);
    expect(metadata.request_uri_parameter_supported).toBe(false);
    expect(sorted('request_object_signing_alg_values_supported')).toEqual(
      takesRequest === undefined
        ? undefined
        : names.every((name) => name === FAPI1)
          ? ['ES256', 'PS256']
          : ['ES256', 'EdDSA', 'PS256'],
    );
    const isJarm = modes.some((mode) => mode.endsWith('jwt'));
    expect(metadata.authorization_signing_alg_values_supported).toEqual(isJarm ? ['ES256'] : undefined);
    expect(metadata.authorization_response_iss_parameter_supported).toBe(true);
    expect(metadata.id_token_signing_alg_values_supported).toEqual(['ES256']);
    expect(metadata.grant_types_supported).not.toContain('implicit');
  });
});
