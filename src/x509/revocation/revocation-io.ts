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

/** The network and the disk of revocation checking. */
export interface RevocationIo {
  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED */
  askOcsp(url: string, request: Buffer): Promise<Buffer>;
  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED */
  fetchCrl(url: string): Promise<Buffer>;
  readonly folder: KeptFolder;
  close(): Promise<void>;
}

/** An answer of one certificate takes 1 to 3 kB. */
const MAX_OCSP_BYTES = 131_072;

export function createRevocationIo(options: RevocationIoOptions): RevocationIo {
  const { clock, log, folder, ocspTimeoutSeconds, crlTimeoutSeconds, maxCrlBytes } = options;
  const common = {
    clock,
    coolDownSeconds: options.coolDownSeconds,
    privateHosts: options.privateHosts ?? [],
    allowHttp: true,
  };
  const ocsp = new DocumentSource({
    ...common,
    timeoutSeconds: ocspTimeoutSeconds,
    maxBytes: MAX_OCSP_BYTES,
  });
  const crls = new DocumentSource({ ...common, timeoutSeconds: crlTimeoutSeconds, maxBytes: maxCrlBytes });
  return {
    askOcsp: (url, request) =>
      ocsp.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' },
        body: request,
      }),
    fetchCrl: (url) => crls.fetch(url),
    folder: new KeptFolder({
      folder,
      kinds: ['ocsp', 'crl'],
      clock,
      onFault: (error) => log.emit('revocation.folder.failed', { file: folder ?? '', error }),
    }),
    close: async () => {
      await Promise.all([ocsp.close(), crls.close()]);
    },
  };
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
