import {
  parseBase64,
  parseBase64Concatenation,
  parseBase64List,
  parseByteSequence,
  parseByteSequenceList,
} from './forwarded-base64.ts';
import { parseEscapedPem, parseSpacedPem } from './forwarded-pem.ts';
import { parseXfcc } from './forwarded-xfcc.ts';
import { malformedHeader } from './presented-certificate.ts';

/** How one kind of proxy forwards a certificate. Field names are in lower case. */
export interface ProxyFormat {
  /** The usual name of the field with the certificate. */
  readonly header: string;
  /** The usual name of the field with the intermediates, where it is another one. */
  readonly chainHeader?: string;
  /** The value for "no certificate", besides an absent field and an empty value. */
  readonly absent?: string;
  /** The certificate, and after it the intermediates when they are in the same field. @throws ERR_PROXY_HEADER */
  readonly parse: (text: string) => readonly Buffer[];
  /** @throws ERR_PROXY_HEADER */
  readonly parseChain?: (text: string) => readonly Buffer[];
}

const byteSequence = (text: string) => [parseByteSequence(text)];
const base64 = (text: string) => [parseBase64(text)];
const RFC_9440: ProxyFormat = {
  header: 'client-cert',
  chainHeader: 'client-cert-chain',
  parse: byteSequence,
  parseChain: parseByteSequenceList,
};

function alone(parse: (text: string) => readonly Buffer[]): ProxyFormat['parse'] {
  return (text) => {
    const found = parse(text);
    if (found.length !== 1) throw malformedHeader('there is more than one certificate');
    return found;
  };
}

/** Every proxy whose way to forward a certificate is known, by its name in the configuration. */
export const PROXY_FORMATS = {
  /** RFC 9440, also from HAProxy (`":%[ssl_c_der,base64]:"`), Cloudflare (`cf.tls_client_auth.cert_rfc9440`). */
  rfc9440: RFC_9440,
  /** `$ssl_client_escaped_cert`. */
  nginx: { header: 'x-ssl-client-cert', parse: alone(parseEscapedPem) },
  /** `%{SSL_CLIENT_CERT}s`. */
  apache: { header: 'ssl-client-cert', absent: '(null)', parse: alone(parseSpacedPem) },
  /** `ssl_c_der,base64` and `ssl_c_chain_der,base64`. */
  haproxy: {
    header: 'x-ssl-client-der',
    chainHeader: 'x-ssl-client-chain-der',
    parse: base64,
    parseChain: parseBase64Concatenation,
  },
  /** `forward_client_cert_details: SANITIZE_SET` with `cert: true`, and `chain: true` if wanted. */
  envoy: { header: 'x-forwarded-client-cert', parse: parseXfcc },
  /** `passTLSClientCert: { pem: true }`. */
  traefik: { header: 'x-forwarded-tls-client-cert', parse: parseBase64List },
  /** `mtls` listener in passthrough mode. */
  'aws-alb': { header: 'x-amzn-mtls-clientcert', parse: parseEscapedPem },
  /** `mtls` listener in verify mode. */
  'aws-alb-verify': { header: 'x-amzn-mtls-clientcert-leaf', parse: alone(parseEscapedPem) },
  'aws-cloudfront': { header: 'cloudfront-viewer-cert-pem', parse: alone(parseEscapedPem) },
  /** `{http.request.tls.client.certificate_der_base64}` between colons. Caddy does not clear Client-Cert-Chain. */
  caddy: {
    header: 'client-cert',
    absent: ':{http.request.tls.client.certificate_der_base64}:',
    parse: byteSequence,
  },
  /** `Cf-Client-Cert-Der-Base64`; with RFC 9440 rules use that format. */
  cloudflare: { header: 'cf-client-cert-der-base64', parse: base64 },
  /** Custom headers from `{client_cert_leaf}` and `{client_cert_chain}`. */
  google: RFC_9440,
  /** Application Gateway: rewrite rule from `{var_client_certificate}`. */
  azure: { header: 'x-client-cert', parse: alone(parseEscapedPem) },
  /** App Service. */
  'azure-app-service': { header: 'x-arr-clientcert', parse: base64 },
} as const satisfies Record<string, ProxyFormat>;

export type ProxyFormatName = keyof typeof PROXY_FORMATS;
export const PROXY_FORMAT_NAMES = Object.freeze(Object.keys(PROXY_FORMATS)) as readonly ProxyFormatName[];
