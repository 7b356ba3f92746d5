import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { DocumentSource, isListed } from '../../remote/document-source.ts';
import type { ProxySettings } from '../../remote/proxy.ts';
import { KeptFolder } from '../../remote/kept-folder.ts';

export interface RevocationIoOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where the last good answers are kept over a restart. Absent: nowhere. */
  readonly folder?: string | undefined;
  /** `host` or `host:port` that may have addresses of this machine or of private networks. Default: none. */
  readonly privateHosts?: readonly string[];
  readonly ocspTimeoutSeconds: number;
  readonly crlTimeoutSeconds: number;
  readonly maxCrlBytes: number;
  /** How long a server that did not answer gets no request. */
  readonly coolDownSeconds: number;
  /** The proxy for all requests. Default: none. */
  readonly proxy?: ProxySettings | undefined;
}

/** An answer of one certificate takes 1 to 3 kB. */
const MAX_OCSP_BYTES = 131_072;
const MAX_RESPONDERS = 1000;
const OCSP_RESPONSE = 'application/ocsp-response';
/** Statuses by which servers refuse a method, a body or its type. */
const POST_REFUSED: readonly number[] = [400, 403, 404, 405, 411, 415, 501];

/** The network and the disk of revocation checking. */
export class RevocationIo {
  readonly folder: KeptFolder;
  readonly #ocsp: DocumentSource;
  readonly #crls: DocumentSource;
  /** Addresses of responders that take GET only. */
  readonly #byGet = new LRUCache<string, true>({ max: MAX_RESPONDERS });

  constructor(options: RevocationIoOptions) {
    const { clock, log, folder, coolDownSeconds, privateHosts = [], maxCrlBytes, proxy } = options;
    const common = { clock, coolDownSeconds, privateHosts, allowHttp: true, proxy };
    const { ocspTimeoutSeconds, crlTimeoutSeconds } = options;
    this.#ocsp = new DocumentSource({
      ...common,
      timeoutSeconds: ocspTimeoutSeconds,
      maxBytes: MAX_OCSP_BYTES,
    });
    this.#crls = new DocumentSource({ ...common, timeoutSeconds: crlTimeoutSeconds, maxBytes: maxCrlBytes });
    const onFault = (error: unknown) => log.emit('revocation.folder.failed', { file: folder ?? '', error });
    this.folder = new KeptFolder({ folder, kinds: ['ocsp', 'crl'], clock, onFault });
  }

  /**
   * Asks by POST, and a responder that refuses it by GET, from then on at once (RFC 6960 appendix A.1, RFC 5019 §5).
   *
   * @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED, ERR_OUTBOUND_ANSWER
   */
  async askOcsp(url: string, request: Buffer): Promise<Buffer> {
    if (this.#byGet.has(url)) return this.#askByGet(url, request);
    const headers = { 'content-type': 'application/ocsp-request', accept: OCSP_RESPONSE };
    try {
      return await this.#ocsp.fetch(url, { method: 'POST', headers, body: request });
    } catch (error) {
      if (!refusesPost(error) || url.includes('?')) throw error;
      const answer = await this.#askByGet(url, request);
      this.#byGet.set(url, true);
      return answer;
    }
  }

  #askByGet(url: string, request: Buffer): Promise<Buffer> {
    const path = `${url.endsWith('/') ? '' : '/'}${encodeURIComponent(request.toString('base64'))}`;
    return this.#ocsp.fetch(url, { headers: { accept: OCSP_RESPONSE } }, path);
  }

  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED, ERR_OUTBOUND_ANSWER */
  fetchCrl(url: string): Promise<Buffer> {
    return this.#crls.fetch(url);
  }

  async close(): Promise<void> {
    await Promise.all([this.#ocsp.close(), this.#crls.close()]);
  }
}

function refusesPost(error: unknown): boolean {
  return (
    isRefusal(error, 'ERR_OUTBOUND_ANSWER', 'ERR_OUTBOUND_FAILED') &&
    POST_REFUSED.includes(error.details.status ?? 0)
  );
}

/** @throws ERR_OUTBOUND_REFUSED when the policy lists hosts and the host of `url` is not among them */
export function assertListed(
  url: string,
  { hosts }: { readonly hosts?: readonly string[] | undefined },
): void {
  if (hosts === undefined || isListed(url, hosts)) return;
  const host = URL.parse(url)?.host ?? '';
  throw new OpenBankingError('ERR_OUTBOUND_REFUSED', { host, problem: 'the host is not listed' });
}
