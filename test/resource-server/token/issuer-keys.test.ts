import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { issuerKeys } from '../../../src/resource-server/token/issuer-keys.ts';

const keyOf = (kid: string) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid,
  alg: 'ES256',
});

describe('the keys of the issuer', () => {
  it('are used without those that are broken or weak, which make no fault (RFC 7517 §5, H11)', async () => {
    const good = keyOf('good');
    const broken = { ...good, kid: 'broken', x: good.y, y: good.x };
    const weak = { kty: 'RSA', kid: 'weak', alg: 'PS256', n: 'AQAB', e: 'AQ' };
    const find = issuerKeys({
      issuer: 'https://as.example',
      jwksUri: 'https://as.example/jwks',
      fetchDocument: async () => ({ body: Buffer.from(JSON.stringify({ keys: [broken, weak, good] })) }),
      clock: { now: () => new Date(0) },
    });
    const token = { payload: '', signature: '' };
    expect(await find({ alg: 'ES256', kid: 'good' }, token)).toMatchObject({ type: 'public' });
    for (const header of [
      { alg: 'ES256', kid: 'broken' },
      { alg: 'PS256', kid: 'weak' },
    ]) {
      await expect(find(header, token)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    }
  });

  it('are read again for an unknown name, at most once in five seconds whoever asks', async () => {
    let seconds = 0;
    let keys = [keyOf('old')];
    let reads = 0;
    const find = issuerKeys({
      issuer: 'https://as.example',
      jwksUri: 'https://as.example/jwks',
      fetchDocument: async () => {
        reads += 1;
        return { body: Buffer.from(JSON.stringify({ keys })) };
      },
      clock: { now: () => new Date(seconds * 1000) },
    });
    const seek = (kid: string) => find({ alg: 'ES256', kid }, { payload: '', signature: '' });
    for (let flood = 0; flood < 20; flood += 1) await expect(seek(`evil-${flood}`)).rejects.toThrow();
    expect(reads).toBe(1);
    keys = [keyOf('new')];
    seconds = 5;
    expect(await seek('new')).toMatchObject({ type: 'public' });
    expect(reads).toBe(2);
  });
});
