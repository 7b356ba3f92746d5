import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createClientCertificateSource } from '../../src/mutual-tls/client-certificate.ts';
import { PROXY_FORMAT_NAMES, type ProxyFormatName } from '../../src/mutual-tls/proxy-formats.ts';
import { behind, fieldOf, one, outcome, rawOf, REFUSED } from './forwarded-request.ts';
import { FORWARDERS, pemOf } from './forwarders.ts';
import { thumbprintOf } from './thumbprint.ts';

const sent = (format: ProxyFormatName, value: string) => [fieldOf(format), value];

describe('the source of certificates', () => {
  it('reads Traefik’s older, escaped form, and the words of Apache and Caddy for nothing', () => {
    const escaped = encodeURIComponent(one.toString('base64'));
    expect(outcome(behind('traefik'), sent('traefik', escaped))).toBe(thumbprintOf(one));
    const words = {
      apache: '(null)',
      caddy: ':{http.request.tls.client.certificate_der_base64}:',
    } as const;
    for (const format of PROXY_FORMAT_NAMES) {
      for (const [own, word] of Object.entries(words))
        expect([format, outcome(behind(format), sent(format, word))]).toEqual([
          format,
          format === own ? 'none' : REFUSED,
        ]);
    }
  });

  it('reads a field under another name when it is configured, and only that one', () => {
    const value = encodeURIComponent(pemOf(one));
    const options = behind('nginx', { header: 'X-TPP-Certificate' });
    expect(outcome(options, ['x-tpp-certificate', value])).toBe(thumbprintOf(one));
    expect(outcome(options, ['X-SSL-Client-Cert', value])).toBe('none');
    expect(outcome({ ...options, trustedProxies: ['10.0.0.1'] } as never, ['x_tpp-certificate', value])).toBe(
      'ERR_PROXY_UNTRUSTED',
    );
  });

  it.each([
    ['nothing', undefined],
    ['an unknown place', { from: 'header' }],
    ['an unknown format', behind('squid' as never)],
    ['no proxies', behind('nginx', { trustedProxies: [] })],
    ['a name for an address', behind('nginx', { trustedProxies: ['proxy.example'] })],
    ['a bad range', behind('nginx', { trustedProxies: ['10.0.0.0/33'] })],
    ['a range without a number', behind('nginx', { trustedProxies: ['10.0.0.0/'] })],
    ['everybody', behind('nginx', { trustedProxies: ['0.0.0.0/0'] })],
    ['everybody in IPv6', behind('nginx', { trustedProxies: ['::/0'] })],
    ['a thumbprint of SHA-1', behind('nginx', { proxyCertificates: ['a'.repeat(40)] })],
    ['no thumbprints', behind('nginx', { proxyCertificates: [] })],
    ['a field name with an underscore', behind('nginx', { header: 'x_cert' })],
  ])('is not made from %s (A8)', (_title, options) => {
    expect(() => createClientCertificateSource(options as never)).toThrow(TypeError);
  });

  it('knows a range, and an IPv4 address however the socket writes it', () => {
    const good = rawOf(FORWARDERS.nginx(one, []));
    for (const trustedProxies of [['127.0.0.0/8'], ['::1', '127.0.0.1/32']])
      expect(outcome(behind('nginx', { trustedProxies }), good)).toBe(thumbprintOf(one));
    const dual = { remoteAddress: '::ffff:127.0.0.1' } as Socket;
    const read = createClientCertificateSource(behind('nginx')).read;
    expect(read({ rawHeaders: good, socket: dual } as never).certificate?.thumbprint).toBe(thumbprintOf(one));
    const gone = { remoteAddress: undefined } as unknown as Socket;
    expect(() => read({ rawHeaders: good, socket: gone } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXY_UNTRUSTED' }),
    );
  });
});
