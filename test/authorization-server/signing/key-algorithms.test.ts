import type { Context } from 'koa';
import { describe, expect, it } from 'vitest';
import { discoveryOnBothListeners } from '../../../src/authorization-server/discovery.ts';
import { PROFILES } from '../../../src/authorization-server/profiles/profiles.ts';
import type { PublishedKey } from '../../../src/authorization-server/signing/signer.ts';

const keyOf = (alg: string) => ({ kty: 'EC', kid: alg, alg, use: 'sig' }) as PublishedKey;

describe('an algorithm without a key', () => {
  it('is not offered for ID tokens', async () => {
    const keys: PublishedKey[] = [keyOf('ES256')];
    const step = discoveryOnBothListeners({
      issuer: 'https://as.bank.example',
      mtlsUrl: new URL('https://mtls.bank.example'),
      apiScopes: ['accounts'],
      acr: { acrValues: [] },
      customerClaims: [],
      uiLocales: ['en'],
      profiles: PROFILES,
      signer: { keys },
      decrypter: { keys: [] },
      ciba: undefined,
      registration: { statements: [] } as never,
      grantManagement: undefined,
    });
    const offered = async () => {
      const body = { id_token_signing_alg_values_supported: ['ES256', 'PS256'] };
      const ctx = { path: '/.well-known/openid-configuration', status: 200, body, set: () => {} };
      await step(ctx as unknown as Context, () => Promise.resolve());
      return ctx.body.id_token_signing_alg_values_supported;
    };
    expect(await offered()).toEqual(['ES256']);
    keys.push(keyOf('PS256'));
    expect(await offered()).toEqual(['ES256', 'PS256']);
  });
});
