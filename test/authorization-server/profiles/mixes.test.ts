import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import {
  BackchannelRequests,
  type CibaRules,
} from '../../../src/authorization-server/ciba/backchannel-requests.ts';
import { CIBA_GRANT } from '../../../src/authorization-server/clients/registered-client.ts';
import { createProvider, type ProviderOptions } from '../../../src/authorization-server/provider.ts';
import { discoveryOnBothListeners } from '../../../src/authorization-server/discovery.ts';
import { systemClock } from '../../../src/clock.ts';
import { DetailTypes } from '../../../src/consent/details/detail-types.ts';
import { silentLog } from '../../../src/events.ts';

const { publicKey: EC } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { publicKey: RSA } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const SECURITY = 'fapi2-security';
const SIGNING = 'fapi2-message-signing';
const FAPI1 = 'fapi1-advanced';
const UK = 'uk-open-banking';
const BRASIL = 'open-finance-brasil';
const CDR = 'cdr-au';
const PLAIN = ['fragment', 'query'];
const JARM = ['fragment.jwt', 'jwt', 'query.jwt'];

interface Mix {
  readonly senderConstraints?: readonly string[];
  readonly ciba?: Pick<CibaRules, 'deliveryModes' | 'userCode'>;
}

/** The metadata of a server that allows these profiles. */
async function metadataOf(
  names: readonly string[],
  { senderConstraints, ciba }: Mix = {},
): Promise<Record<string, unknown>> {
  const keys = [
    { ...EC.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' },
    { ...RSA.export({ format: 'jwk' }), kid: 'r', alg: 'PS256' },
  ];
  const signer = { keys, sign: () => Promise.reject() };
  const options = {
    issuer: 'https://as.bank.example',
    mtlsUrl: new URL('https://mtls.bank.example'),
    profiles: profilesNamed(names, senderConstraints),
    apiScopes: ['accounts'],
    detailTypes: new DetailTypes([], ['accounts']),
    registration: { statements: [] },
    customerClaims: [],
    acr: { acrValues: [] },
    clients: { findNamed: () => undefined },
    secret: Buffer.alloc(32, 1),
    clock: systemClock,
    log: silentLog,
    signer: { ...signer, follow: () => undefined, close: async () => {} },
    decrypter: { keys: [] },
    ciba: ciba && { rules: ciba },
  } as unknown as ProviderOptions;
  const provider = createProvider(options, {
    adapter: class {},
    ciba: ciba && new BackchannelRequests({ rules: ciba } as never, {} as never),
  } as never);
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
  ...[UK, BRASIL].map((name): readonly [readonly string[], Offered] => [
    [name],
    {
      types: ['code', 'code id_token'],
      modes: ['fragment', ...JARM],
      pushes: undefined,
      signs: true,
      takesRequest: true,
    },
  ]),
  [[CDR], { types: ['code'], modes: JARM, pushes: true, signs: true, takesRequest: true }],
  // What one profile does not demand, the metadata do not demand.
  [
    [SECURITY, CDR],
    { types: ['code'], modes: [...PLAIN, ...JARM], pushes: true, signs: undefined, takesRequest: true },
  ],
];

describe('the metadata of a server that allows', () => {
  it.each(CASES)('%s', async (names, { types, modes, pushes, signs, takesRequest }) => {
    const metadata = await metadataOf(names);
    const own = names.every((name) => name === BRASIL) ? ['PS256'] : ['ES256', 'PS256'];
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
        : names.some((name) => name.startsWith('fapi2'))
          ? ['ES256', 'EdDSA', 'PS256']
          : own,
    );
    const isJarm = modes.some((mode) => mode.endsWith('jwt'));
    expect(sorted('authorization_signing_alg_values_supported')).toEqual(isJarm ? own : undefined);
    expect(metadata.authorization_response_iss_parameter_supported).toBe(true);
    expect(sorted('id_token_signing_alg_values_supported')).toEqual(own);
    expect(metadata.grant_types_supported).not.toContain('implicit');
  });

  it.each([
    [['certificate'], true, false],
    [['certificate', 'certificate-and-dpop'], true, true],
    [['dpop'], false, true],
  ])('the sender constraints %j', async (senderConstraints, byCertificate, byKey) => {
    const metadata = await metadataOf([SECURITY], { senderConstraints });
    expect(metadata.tls_client_certificate_bound_access_tokens).toBe(byCertificate);
    expect(metadata.dpop_signing_alg_values_supported !== undefined).toBe(byKey);
    // FAPI 1 has certificates only, whatever the bank allows others.
    const fapi1 = await metadataOf([FAPI1], { senderConstraints: ['certificate', ...senderConstraints] });
    expect(fapi1.dpop_signing_alg_values_supported).toBe(undefined);
  });

  it.each([[[SECURITY]], [[SECURITY, SIGNING]], [[FAPI1]]])(
    'CIBA beside %j, and no signed authorization requests by that',
    async (names) => {
      const ciba = { deliveryModes: ['poll'], userCode: true } as const;
      const { backchannel_authentication_endpoint: endpoint, ...metadata } = await metadataOf(names, {
        ciba,
      });
      expect(endpoint).toBe('https://mtls.bank.example/backchannel');
      expect(metadata.grant_types_supported).toContain(CIBA_GRANT);
      expect(metadata.backchannel_token_delivery_modes_supported).toEqual(['poll']);
      expect(metadata.backchannel_user_code_parameter_supported).toBe(true);
      expect(metadata.backchannel_authentication_request_signing_alg_values_supported).toContain('ES256');
      const without = await metadataOf(names);
      expect(Object.keys(without).filter((name) => name.startsWith('backchannel'))).toEqual([]);
      expect(without.grant_types_supported).not.toContain(CIBA_GRANT);
      for (const name of ['request_parameter_supported', 'request_object_signing_alg_values_supported']) {
        expect([name, metadata[name]]).toEqual([name, without[name]]);
      }
    },
  );
});
