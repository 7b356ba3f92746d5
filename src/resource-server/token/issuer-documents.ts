import { Outbound, type OutboundOptions, type OutboundRequest } from '../../remote/outbound.ts';

/** A document of the issuer, or `unchanged` when it still has the entity tag that was asked with. */
export type IssuerDocument = { readonly body: Buffer; readonly etag?: string | undefined } | 'unchanged';

/** Reads a document of the issuer. @throws when it cannot be had */
export type FetchDocument = (url: string, etag?: string) => Promise<IssuerDocument>;

export type IssuerConnection = ReturnType<typeof openIssuerConnection>;

const TIMEOUT_SECONDS = 3;
const MAX_DOCUMENT_BYTES = 512 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Opens the connection of a resource server to its authorization server. Documents are public and read without a
 * certificate; questions are asked with it.
 *
 * @param caPem the CA of the issuer's TLS certificate, where it is not a public one
 * @param clientCertificate this resource server's own certificate
 */
export function openIssuerConnection(
  caPem: string | undefined,
  clientCertificate: OutboundOptions['clientCertificate'],
) {
  const common = {
    // The operator named the issuer, and it is often in the same private network.
    allowPrivateAddresses: true,
    timeoutSeconds: TIMEOUT_SECONDS,
    caPem,
  };
  const reader = new Outbound({ ...common, maxBytes: MAX_DOCUMENT_BYTES });
  const asker = new Outbound({ ...common, maxBytes: MAX_ANSWER_BYTES, clientCertificate });
  return {
    async fetchDocument(url: string, etag?: string): Promise<IssuerDocument> {
      const headers = etag === undefined ? {} : { 'if-none-match': etag };
      const response = await reader.fetchBytes(url, { headers });
      if (etag !== undefined && response.status === 304) return 'unchanged';
      if (response.status !== 200) throw new Error(`unexpected status ${response.status}`);
      return { body: response.body, etag: response.headers.get('etag') ?? undefined };
    },
    ask: (url: string, request: OutboundRequest) => asker.fetchBytes(url, request),
    close: async () => {
      await Promise.all([reader.close(), asker.close()]);
    },
  };
}
