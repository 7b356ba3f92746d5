import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  contentDigest,
  verifyContentDigest,
} from '../../../src/resource-server/signatures/content-digest.ts';
import { isSignatureBy } from '../../../src/resource-server/signatures/signature-algorithm.ts';
import { componentOf, signatureBase } from '../../../src/resource-server/signatures/signature-base.ts';
import {
  parseByteSequences,
  parseInnerLists,
} from '../../../src/resource-server/signatures/structured-fields.ts';

const REQUEST = {
  method: 'POST',
  url: '/foo?param=Value&Pet=dog',
  rawHeaders: [
    ['Host', 'example.com'],
    ['Date', 'Tue, 20 Apr 2021 02:07:55 GMT'],
    ['Content-Type', 'application/json'],
    [
      'Content-Digest',
      'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:',
    ],
    ['Content-Length', '18'],
  ].flat(),
};
/** RFC 9421 B.1.2, B.1.3, B.1.4. */
const KEYS = {
  PS512: createPublicKey(`-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----`),
  ES256: createPublicKey({
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: 'qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA',
      y: 'Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0',
    },
    format: 'jwk',
  }),
  EdDSA: createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' },
    format: 'jwk',
  }),
};

const RESPONSE: Readonly<Record<string, string>> = {
  '@status': '200',
  'content-type': 'application/json',
  'content-digest':
    'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:',
  'content-length': '23',
};

const VECTORS = [
  {
    name: 'B.2.3',
    algorithm: 'PS512',
    input:
      'sig=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    signature:
      'bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==',
    of: 'request',
  },
  {
    name: 'B.2.4',
    algorithm: 'ES256',
    input:
      'sig=("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    signature: 'wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==',
    of: 'response',
  },
  {
    name: 'B.2.6',
    algorithm: 'EdDSA',
    input:
      'sig=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    signature: 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
    of: 'request',
  },
] as const;

describe('the examples of the RFCs', () => {
  it.each(VECTORS)('verify: RFC 9421 $name', ({ algorithm, input, signature, of }) => {
    const list = parseInnerLists(input).get('sig');
    const bytes = parseByteSequences(`sig=:${signature}:`).get('sig');
    if (list === undefined || bytes === undefined) throw new Error('no signature');
    const value =
      of === 'request'
        ? componentOf(REQUEST, 'https://example.com')
        : ({ value: name }: { readonly value: string }) => RESPONSE[name];
    const signed = signatureBase(list, value);
    expect(isSignatureBy(KEYS[algorithm], algorithm, { signed, signature: bytes })).toBe(true);
    signed[3] = (signed[3] ?? 0) ^ 1;
    expect(isSignatureBy(KEYS[algorithm], algorithm, { signed, signature: bytes })).toBe(false);
  });

  it.each([
    ['RFC 9421 B.2', '{"hello": "world"}', REQUEST.rawHeaders[7] ?? ''],
    ['RFC 9530 B.1', '{"hello": "world"}\n', 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'],
    ['RFC 9530 B.2', '', 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'],
  ])('are the digests of their bodies: %s', (_name, body, field) => {
    expect(() => verifyContentDigest(field, Buffer.from(body))).not.toThrow();
    expect(() => verifyContentDigest(field, Buffer.from(`${body} `))).toThrow();
    if (field.startsWith('sha-256')) expect(contentDigest(Buffer.from(body))).toBe(field);
  });
});
