import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createSigner, createVerifier, httpbis } from 'http-message-signatures';
import { exportJWK, type JWK } from 'jose';
import { AUDIENCE, NOW } from '../issuer.ts';

/** A request as a client signs it, with another implementation of RFC 9421. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

export interface SigningChange {
  readonly key?: KeyObject;
  readonly keyid?: string;
  readonly alg?: string;
  readonly fields?: readonly string[];
  /** `undefined` leaves a parameter out. */
  readonly parameters?: Readonly<Record<string, Date | string | number | undefined>>;
  readonly label?: string;
}

export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
}

const KINDS = {
  'ecdsa-p256-sha256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed25519: () => generateKeyPairSync('ed25519'),
  'rsa-pss-sha512': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
} as const;

export async function signingKey(
  kid: string,
  kind: keyof typeof KINDS = 'ecdsa-p256-sha256',
): Promise<SigningKey> {
  const { privateKey, publicKey } = KINDS[kind]();
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

export const digestOf = (body: string): string =>
  `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

export async function signed(
  plain: { readonly method?: string; readonly path?: string; readonly body?: string; readonly token: string },
  key: KeyObject,
  change: SigningChange & { readonly headers?: Record<string, string> } = {},
): Promise<SignedRequest> {
  const { method = 'POST', path = '/payments?dry=1', body = '{"amount":"12.50"}', token } = plain;
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === '' ? {} : { 'content-type': 'application/json', 'content-digest': digestOf(body) }),
    ...change.headers,
  };
  const values = {
    created: NOW,
    keyid: change.keyid ?? 'tpp-1',
    tag: 'fapi-2-request',
    ...change.parameters,
  };
  const present = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const { headers: signedHeaders } = await httpbis.signMessage(
    {
      key: signerOf(change.key ?? key, change.alg ?? 'ecdsa-p256-sha256', change.keyid ?? 'tpp-1'),
      name: change.label ?? 'sig1',
      fields: [...(change.fields ?? defaultFields(body))],
      params: Object.keys(present),
      paramValues: present,
    },
    { method, url: `${AUDIENCE}${path}`, headers },
  );
  return { method, path, body, headers: plainHeaders(signedHeaders) };
}

/** The other implementation signs RSA-PSS with the longest salt; RFC 9421 §3.3.1 and RFC 7518 §3.5 say as long as the hash. */
function signerOf(key: KeyObject, alg: string, id: string) {
  if (key.asymmetricKeyType !== 'rsa') return createSigner(key, alg, id);
  const hash = alg === 'rsa-pss-sha512' ? 'sha512' : 'sha256';
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return { id, alg, sign: async (data: Buffer) => sign(hash, data, { key, ...padding }) };
}

const defaultFields = (body: string) => [
  '@method',
  '@target-uri',
  'authorization',
  ...(body === '' ? [] : ['content-digest']),
];

function plainHeaders(headers: Readonly<Record<string, string | readonly string[]>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === 'string' ? value : value.join(', '),
    ]),
  );
}

/** Whether the answer is signed by the bank for this request, as a client with another implementation verifies it. */
export async function isSignedAnswer(
  answer: {
    readonly status: number;
    readonly headers: Headers | Iterable<[string, string]>;
    readonly text: string;
  },
  request: SignedRequest,
  { publicKey, at = NOW }: { readonly publicKey: KeyObject; readonly at?: Date },
): Promise<boolean> {
  const headers = Object.fromEntries(answer.headers);
  const digest = answer.text === '' ? undefined : digestOf(answer.text);
  if (headers['content-digest'] !== digest) return false;
  const required = [
    '@status',
    '@method;req',
    '@target-uri;req',
    ...(digest === undefined ? [] : ['content-digest']),
    ...(request.headers.signature === undefined ? [] : ['signature;req', 'signature-input;req']),
  ];
  const input = headers['signature-input'] ?? '';
  const isCovered = required.every((name) =>
    input.includes(`"${name.replace(';req', '')}"${name.endsWith(';req') ? ';req' : ''}`),
  );
  if (!isCovered || !input.includes(';tag="fapi-2-response"')) return false;
  const verified = await httpbis.verifyMessage(
    {
      keyLookup: async ({ keyid }) =>
        keyid === 'bank-1' ? { verify: createVerifier(publicKey, 'ecdsa-p256-sha256'), id: keyid } : null,
      requiredParams: ['created', 'keyid', 'tag'],
      notAfter: new Date(at.getTime() + 1000),
    },
    { status: answer.status, headers },
    { method: request.method, url: `${AUDIENCE}${request.path}`, headers: request.headers },
  );
  return verified === true;
}
