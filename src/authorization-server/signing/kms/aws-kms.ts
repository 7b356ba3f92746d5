import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../clock.ts';
import { isRefusal, OpenBankingError } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { findExposure } from '../../../files/private-files.ts';
import { CircuitBreaker } from '../../../remote/circuit-breaker.ts';
import { Outbound } from '../../../remote/outbound.ts';
import type { ProxySettings } from '../../../remote/proxy.ts';
import { joseSignature } from '../private-keys.ts';
import type { KeyService, ServiceAlgorithm } from './key-service.ts';
import { type Credentials, signedHeaders } from './sigv4.ts';

export interface AwsKmsOptions {
  readonly region: string;
  /** Absent: the public address of the region. */
  readonly url?: string | undefined;
  /** JSON as `aws configure export-credentials` writes it. */
  readonly credentialsFile: string;
  readonly caPem?: string | undefined;
  readonly proxy?: ProxySettings | undefined;
  /** Of one try. */
  readonly timeoutMilliseconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

const SIGNING_ALGORITHM = { ES256: 'ECDSA_SHA_256', PS256: 'RSASSA_PSS_SHA_256' } as const;
/** A signature is asked for at most so often. */
const TRIES = 2;
const MAX_AT_ONCE = 128;
const MAX_BYTES = 65_536;
const COOL_DOWN_SECONDS = 5;
const CREDENTIAL_SECONDS = 5;
const THROTTLED = /Throttling|LimitExceeded|KMSInternal|DependencyTimeout/;

/** Keys of AWS KMS, or of a service that speaks its protocol. */
export class AwsKms implements KeyService {
  readonly #options: AwsKmsOptions;
  readonly #url: string;
  readonly #outbound: Outbound;
  readonly #breaker: CircuitBreaker;
  #underWay = 0;
  #isAway = false;
  #exposure: string | undefined;
  #credentials: { readonly value: Credentials; readonly readAt: number } | undefined;

  constructor(options: AwsKmsOptions) {
    const { url, region, caPem, proxy, timeoutMilliseconds, clock } = options;
    this.#options = options;
    this.#url = url ?? `https://kms.${region}.amazonaws.com`;
    this.#outbound = new Outbound({
      // The operator has named the address: an endpoint inside the network of the bank is usual.
      allowPrivateAddresses: true,
      caPem,
      proxy,
      timeoutSeconds: timeoutMilliseconds / 1000,
      maxBytes: MAX_BYTES,
    });
    this.#breaker = new CircuitBreaker({ clock, coolDownSeconds: COOL_DOWN_SECONDS });
  }

  get problem(): string | undefined {
    return this.#breaker.isOpen(this.#url) ? 'the KMS did not answer a moment ago' : undefined;
  }

  async publicKey(keyId: string): Promise<KeyObject> {
    const { PublicKey: der } = await this.#call('GetPublicKey', { KeyId: keyId });
    try {
      return createPublicKey({ key: Buffer.from(String(der), 'base64'), format: 'der', type: 'spki' });
    } catch (cause) {
      throw unavailable('the KMS gave no public key', cause);
    }
  }

  async sign(keyId: string, alg: ServiceAlgorithm, digest: Buffer): Promise<Buffer> {
    const { Signature: text } = await this.#call('Sign', {
      KeyId: keyId,
      Message: digest.toString('base64'),
      MessageType: 'DIGEST',
      SigningAlgorithm: SIGNING_ALGORITHM[alg],
    });
    const signature = Buffer.from(String(text), 'base64');
    if (alg === 'PS256') return signature;
    try {
      return joseSignature(signature);
    } catch (cause) {
      throw unavailable('the signature of the KMS cannot be read', cause);
    }
  }

  async close(): Promise<void> {
    await this.#outbound.close();
  }

  async #call(operation: string, body: object): Promise<Record<string, unknown>> {
    if (this.#underWay >= MAX_AT_ONCE) throw unavailable('too many signatures wait');
    this.#underWay += 1;
    try {
      const answer = await this.#tried(operation, JSON.stringify(body));
      if (this.#isAway) this.#options.log.emit('signing-keys.back');
      this.#isAway = false;
      return answer;
    } catch (error) {
      const isAway = isRefusal(error, 'ERR_OUTBOUND_FAILED', 'ERR_OUTBOUND_ANSWER', 'ERR_OUTBOUND_REFUSED');
      const refusal = isAway ? unavailable(`the KMS: ${error.details.problem}`, error) : error;
      if (isAway && !this.#isAway) {
        this.#isAway = true;
        this.#options.log.emit('signing-keys.away', { outcome: error.details.problem, error: refusal });
      }
      throw refusal;
    } finally {
      this.#underWay -= 1;
    }
  }

  async #tried(operation: string, body: string): Promise<Record<string, unknown>> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#breaker.run(this.#url, () => this.#send(operation, body));
      } catch (error) {
        if (tries === TRIES || this.problem !== undefined || !isRefusal(error, 'ERR_OUTBOUND_FAILED'))
          throw error;
      }
    }
  }

  /** @throws ERR_OUTBOUND_FAILED when another try may help, ERR_SIGNING_UNAVAILABLE for a refusal of the service */
  async #send(operation: string, body: string): Promise<Record<string, unknown>> {
    const { region, clock } = this.#options;
    const { host, hostname } = new URL(this.#url);
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `TrentService.${operation}`,
    };
    const at = clock.now();
    const signed = signedHeaders({ host, region, service: 'kms', headers, body, at }, await this.#read(at));
    const { status, body: bytes } = await this.#outbound.fetchBytes(this.#url, {
      method: 'POST',
      headers: signed,
      body: Buffer.from(body),
    });
    const answer = objectOf(bytes);
    if (status === 200) return answer;
    const problem = `status ${status} ${String(answer.__type ?? '').slice(0, 100)}`.trim();
    if (status >= 500 || status === 429 || THROTTLED.test(problem)) {
      throw new OpenBankingError('ERR_OUTBOUND_FAILED', { host: hostname, problem, status });
    }
    throw unavailable(`the KMS: ${problem}`);
  }

  /** The credentials of the file, which another program renews. */
  async #read(at: Date): Promise<Credentials> {
    const now = at.getTime() / 1000;
    if (this.#credentials !== undefined && now - this.#credentials.readAt < CREDENTIAL_SECONDS) {
      return this.#credentials.value;
    }
    if (this.#credentials !== undefined && this.#isExposed()) return this.#credentials.value;
    const content = await readFile(this.#options.credentialsFile).catch((cause: NodeJS.ErrnoException) => {
      throw unavailable(`the file of credentials cannot be read: ${cause.code}`, cause);
    });
    const { AccessKeyId: id, SecretAccessKey: secret, SessionToken: session } = objectOf(content);
    if (typeof id !== 'string' || typeof secret !== 'string') {
      throw unavailable('the file of credentials has no AccessKeyId and SecretAccessKey');
    }
    const sessionToken = typeof session === 'string' ? session : undefined;
    const value = { accessKeyId: id, secretAccessKey: secret, sessionToken };
    this.#credentials = { value, readAt: now };
    return value;
  }

  /** Whether every user of the machine may read renewed credentials, which are left alone then: one event. */
  #isExposed(): boolean {
    const { credentialsFile: file, log } = this.#options;
    const path = 'signingKeys.kms.credentialsFile';
    const message = findExposure({ path, file });
    if (message !== undefined && this.#exposure !== message) {
      log.emit('signing-keys.refused', { file, problems: [{ path, message }] });
    }
    this.#exposure = message;
    return message !== undefined;
  }
}

function objectOf(content: Buffer): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(content.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function unavailable(problem: string, cause?: unknown): OpenBankingError<'ERR_SIGNING_UNAVAILABLE'> {
  return new OpenBankingError('ERR_SIGNING_UNAVAILABLE', { problem }, { cause });
}
