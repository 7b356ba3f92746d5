import { parse, stringify } from 'yaml';
import type { CertificateFiles } from '../../../src/sandbox/folder.ts';

export type Front = 'nginx' | 'envoy' | 'traefik';

/** The documented lines, on to a server that speaks TLS, and with a certificate of the proxy if there is one. */
export const ON_TO_TLS: Readonly<Record<Front, (text: string, presented?: CertificateFiles) => string>> = {
  nginx: (text, presented) => {
    const own =
      presented === undefined
        ? ''
        : `proxy_ssl_certificate ${presented.certificateFile}; proxy_ssl_certificate_key ${presented.keyFile};`;
    return text.replace(/proxy_pass http:(.*);/, `proxy_pass https:$1; ${own}`);
  },
  envoy: (text, presented) => {
    const config = parse(text);
    const [cluster] = config.static_resources.clusters;
    const own = presented && {
      certificate_chain: { filename: presented.certificateFile },
      private_key: { filename: presented.keyFile },
    };
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
    cluster.transport_socket = {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': type,
        ...(own === undefined ? {} : { common_tls_context: { tls_certificates: [own] } }),
      },
    };
    return stringify(config);
  },
  traefik: (text, presented) => {
    const own = presented && [{ certFile: presented.certificateFile, keyFile: presented.keyFile }];
    const transport = stringify({
      insecureSkipVerify: true,
      ...(own === undefined ? {} : { certificates: own }),
    });
    return text
      .replace(/servers: \[\{ url: http:(.*) \}\]/, 'servers: [{ url: https:$1 }], serversTransport: server')
      .replace(/$/, `  serversTransports:\n    server:\n${transport.replaceAll(/^(?=.)/gm, '      ')}`);
  },
};
