import { createHash } from 'node:crypto';
import type { ProxyFormatName } from '../../src/mutual-tls/proxy-formats.ts';

/** Fields of a request, as a proxy adds them. */
export type Fields = Readonly<Record<string, string>>;

export function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const byteSequence = (der: Buffer) => `:${der.toString('base64')}:`;
const escaped = (text: string) => encodeURIComponent(text);
/** AWS leaves `+`, `=` and `/` as they are. */
const lightlyEscaped = (text: string) => text.replaceAll('\n', '%0A').replaceAll(' ', '%20');
const pems = (certificates: readonly Buffer[]) => certificates.map(pemOf).join('');
const rfc9440 = (leaf: Buffer, chain: readonly Buffer[]): Fields => ({
  'Client-Cert': byteSequence(leaf),
  ...(chain.length === 0 ? {} : { 'Client-Cert-Chain': chain.map(byteSequence).join(', ') }),
});

/** As Envoy writes it with every detail: real-xfcc.test.ts compares. */
export function xfccOf(leaf: Buffer, chain: readonly Buffer[] = []): string {
  const hash = createHash('sha256').update(leaf).digest('hex');
  const pairs = ['By=spiffe://bank.example/gateway', `Hash=${hash}`, `Cert="${escaped(pemOf(leaf))}"`];
  if (chain.length > 0) pairs.push(`Chain="${escaped(pems([leaf, ...chain]))}"`);
  return [
    ...pairs,
    'Subject="CN=one,O=Acme\\; \\"Ltd\\",C=GB"',
    'URI=spiffe://tpp.example/one',
    'DNS=a.example',
  ].join(';');
}

/** What each proxy sends for a certificate and its intermediates: written from their manuals and captures. */
export const FORWARDERS: Readonly<
  Record<ProxyFormatName, (leaf: Buffer, chain: readonly Buffer[]) => Fields>
> = {
  rfc9440,
  nginx: (leaf) => ({ 'X-SSL-Client-Cert': escaped(pemOf(leaf)), 'X-SSL-Client-Verify': 'SUCCESS' }),
  apache: (leaf) => ({ 'SSL-Client-Cert': pemOf(leaf).replaceAll('\n', ' ').trim() }),
  haproxy: (leaf, chain) => ({
    'x-ssl-client-der': leaf.toString('base64'),
    ...(chain.length === 0 ? {} : { 'x-ssl-client-chain-der': Buffer.concat(chain).toString('base64') }),
  }),
  envoy: (leaf, chain) => ({ 'x-forwarded-client-cert': xfccOf(leaf, chain) }),
  traefik: (leaf, chain) => ({
    'X-Forwarded-Tls-Client-Cert': [leaf, ...chain].map((der) => der.toString('base64')).join(','),
  }),
  'aws-alb': (leaf, chain) => ({ 'X-Amzn-Mtls-Clientcert': lightlyEscaped(pems([leaf, ...chain])) }),
  'aws-alb-verify': (leaf) => ({ 'X-Amzn-Mtls-Clientcert-Leaf': lightlyEscaped(pemOf(leaf)) }),
  'aws-cloudfront': (leaf) => ({ 'CloudFront-Viewer-Cert-Pem': escaped(pemOf(leaf)) }),
  caddy: (leaf) => ({ 'Client-Cert': byteSequence(leaf) }),
  cloudflare: (leaf) => ({ 'Cf-Client-Cert-Der-Base64': leaf.toString('base64') }),
  google: rfc9440,
  azure: (leaf) => ({ 'X-Client-Cert': escaped(pemOf(leaf)) }),
  'azure-app-service': (leaf) => ({ 'X-ARR-ClientCert': leaf.toString('base64') }),
};

/** The formats that carry intermediates. */
export const WITH_CHAIN: readonly ProxyFormatName[] = [
  'rfc9440',
  'haproxy',
  'envoy',
  'traefik',
  'aws-alb',
  'google',
];
