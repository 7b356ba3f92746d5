import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../../../../src/sandbox/pki/pki.ts';
import { ecdsaOver, pssOver } from './digest-signature.ts';

/** An implementation of Signature Version 4 by others. */
const aws4: {
  sign(request: object, credentials: object): { readonly headers: Readonly<Record<string, string>> };
} = createRequire(import.meta.url)('aws4');

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
export const CREDENTIALS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI',
  sessionToken: 'session+1',
};

/** Of an answer that comes, but late: below the time limit of one try. */
const SLOW_MILLISECONDS = 300;

export type KmsFault = 'none' | 'hang' | 'slow' | 'error' | 'throttle' | 'once' | 'denied';

/** A KMS that speaks the protocol of AWS: it verifies the signature of each request, and signs. */
export class KmsServer {
  fault: KmsFault = 'none';
  requests = 0;
  readonly caPem: string;
  readonly #server: Server;
  readonly #keys = new Map<string, KeyObject>();

  private constructor(server: Server, caPem: string) {
    this.#server = server;
    this.caPem = caPem;
  }

  static async start(): Promise<KmsServer> {
    const root = await createAuthority({ name: 'Root', ...PERIOD });
    const own = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
    const server = createServer({ cert: own.chainPem, key: own.privateKeyPem });
    const kms = new KmsServer(server, root.certificatePem);
    server.on('request', async (request, response) => {
      kms.requests += 1;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      if (kms.fault === 'slow') await sleep(SLOW_MILLISECONDS);
      const answer = kms.#answer(request.headers, Buffer.concat(chunks).toString());
      if (answer === undefined) return;
      response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(answer.body));
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
    return kms;
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  make(name: string, kind: 'elliptic' | 'rsa' | 'p384'): string {
    const { privateKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind === 'p384' ? 'P-384' : 'P-256' });
    this.#keys.set(name, privateKey);
    return name;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(headers: Readonly<Record<string, string | string[] | undefined>>, text: string) {
    const refusal = (status: number, type: string) => ({ status, body: { __type: type } });
    const { fault } = this;
    if (fault === 'hang') return undefined;
    if (fault === 'once') this.fault = 'none';
    if (fault === 'error' || fault === 'once') return refusal(500, 'KMSInternalException');
    if (fault === 'throttle') return refusal(400, 'ThrottlingException');
    if (fault === 'denied' || headers.authorization !== this.#expected(headers, text)) {
      return refusal(400, 'AccessDeniedException');
    }
    const { KeyId, Message, MessageType, SigningAlgorithm } = JSON.parse(text);
    const key = this.#keys.get(KeyId);
    if (key === undefined) return refusal(400, 'NotFoundException');
    if (headers['x-amz-target'] === 'TrentService.GetPublicKey') {
      const publicKey = createPublicKey(key.export({ format: 'pem', type: 'pkcs8' }));
      const der = publicKey.export({ format: 'der', type: 'spki' });
      return { status: 200, body: { KeyId, PublicKey: der.toString('base64') } };
    }
    if (MessageType !== 'DIGEST') return refusal(400, 'ValidationException');
    return {
      status: 200,
      body: { KeyId, SigningAlgorithm, Signature: signed(key, Message, SigningAlgorithm) },
    };
  }

  #expected(
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: string,
  ): string | undefined {
    const kept = ['content-type', 'x-amz-target', 'x-amz-date'].map((name) => [name, headers[name]]);
    const request = {
      ...{ host: headers.host, path: '/', method: 'POST', service: 'kms', region: 'eu-central-1', body },
      headers: Object.fromEntries(kept),
      extraHeadersToIgnore: { 'content-length': true },
    };
    const expected = aws4.sign(request, CREDENTIALS).headers;
    return onlySigned(expected.Authorization, String(headers.authorization));
  }
}

/** The expected value, where both sign the same headers. */
function onlySigned(expected: string | undefined, found: string): string | undefined {
  const names = (text = '') => /SignedHeaders=([^,]+)/.exec(text)?.[1];
  return names(expected) === names(found) ? expected : `other headers: ${names(expected)}`;
}

function signed(key: KeyObject, message: string, algorithm: string): string {
  const digest = Buffer.from(message, 'base64');
  const signature = algorithm === 'RSASSA_PSS_SHA_256' ? pssOver(digest, key) : ecdsaOver(digest, key);
  return signature.toString('base64');
}
