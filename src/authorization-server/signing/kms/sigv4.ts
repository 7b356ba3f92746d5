import { createHash, createHmac } from 'node:crypto';

/** The credentials that sign a request. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface RequestToSign {
  readonly host: string;
  readonly region: string;
  readonly service: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly at: Date;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The headers of a POST to `/` with its signature (AWS Signature Version 4). */
export function signedHeaders(request: RequestToSign, credentials: Credentials): Record<string, string> {
  const { host, region, service, body, at } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const time = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const signed: Readonly<Record<string, string>> = { ...headers, host };
  const names = Object.keys(signed).toSorted();
  const canonical = [
    'POST',
    '/',
    '',
    ...names.map((name) => `${name}:${signed[name]}`),
    '',
    names.join(';'),
    hash(body),
  ].join('\n');
  const scope = [day, region, service, 'aws4_request'];
  const key = scope.reduce<string | Buffer>((last, part) => mac(last, part), `AWS4${secretAccessKey}`);
  const toSign = [ALGORITHM, time, scope.join('/'), hash(canonical)].join('\n');
  const parts = [
    `Credential=${accessKeyId}/${scope.join('/')}`,
    `SignedHeaders=${names.join(';')}`,
    `Signature=${mac(key, toSign).toString('hex')}`,
  ];
  return { ...headers, authorization: `${ALGORITHM} ${parts.join(', ')}` };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
