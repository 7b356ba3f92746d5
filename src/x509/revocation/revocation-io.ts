import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { DocumentSource, isListed } from '../../remote/document-source.ts';
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
}

/** An answer of one certificate takes 1 to 3 kB. */
const MAX_OCSP_BYTES = 131_072;

/** The network and the disk of revocation checking. */
export class RevocationIo {
  readonly folder: KeptFolder;
  readonly #ocsp: DocumentSource;
  readonly #crls: DocumentSource;

  constructor(options: RevocationIoOptions) {
    const { clock, log, folder, coolDownSeconds, privateHosts = [], maxCrlBytes } = options;
    const common = { clock, coolDownSeconds, privateHosts, allowHttp: true };
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

  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED, ERR_OUTBOUND_ANSWER */
  askOcsp(url: string, request: Buffer): Promise<Buffer> {
    const headers = { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' };
    return this.#ocsp.fetch(url, { method: 'POST', headers, body: request });
  }

  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED, ERR_OUTBOUND_ANSWER */
  fetchCrl(url: string): Promise<Buffer> {
    return this.#crls.fetch(url);
  }

  async close(): Promise<void> {
    await Promise.all([this.#ocsp.close(), this.#crls.close()]);
  }
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
