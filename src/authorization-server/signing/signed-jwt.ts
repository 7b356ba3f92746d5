import type { Signer } from './signer.ts';

/**
 * A JWT in compact form, signed by the key that signs ES256 now.
 *
 * @throws TypeError when there is none
 */
export async function signJwt(
  signer: Signer,
  { typ, claims }: { readonly typ: string; readonly claims: Readonly<Record<string, unknown>> },
): Promise<string> {
  const key = signer.keys.find(({ alg }) => alg === 'ES256');
  if (key === undefined) throw new TypeError('there is no ES256 key');
  const input = `${encoded({ alg: key.alg, typ, kid: key.kid })}.${encoded(claims)}`;
  const signature = await signer.sign(key.kid, Buffer.from(input));
  return `${input}.${signature.toString('base64url')}`;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
