import { z } from 'zod';
import {
  type ClientCertificateOptions,
  createClientCertificateSource,
} from '../mutual-tls/client-certificate.ts';
import { PROXY_FORMAT_NAMES } from '../mutual-tls/proxy-formats.ts';

const PROXY_ONLY = ['format', 'header', 'trustedProxies', 'proxyCertificates'] as const;

/** `clientCertificate` of a configuration file. See `clientCertificateOptions` for the value to use. */
export const clientCertificateSchema = z
  .strictObject({
    from: z.enum(['socket', 'proxy']).default('socket').meta({
      description:
        '`socket`: TLS with the client certificate ends here. `proxy`: it ends at a proxy, which forwards the certificate in a header.',
    }),
    format: z
      .enum(PROXY_FORMAT_NAMES)
      .optional()
      .meta({
        description: `How the proxy writes it: ${PROXY_FORMAT_NAMES.map((name) => `\`${name}\``).join(', ')}.`,
      }),
    header: z
      .string()
      .optional()
      .meta({ description: 'Name of the header, where it is not the usual one of the format.' }),
    trustedProxies: z
      .array(z.string())
      .optional()
      .meta({ description: 'Addresses and CIDR ranges of the proxies. A header from elsewhere is refused.' }),
    proxyCertificates: z.array(z.string()).optional().meta({
      description:
        'SHA-256 thumbprints (hexadecimal) of the certificates that the proxies present. When set, the listener asks for them.',
    }),
  })
  .superRefine((value, context) => {
    const fault = (path: readonly string[], message: string) =>
      context.addIssue({ code: 'custom', path: [...path], message });
    for (const name of PROXY_ONLY) {
      if (value.from === 'socket' && value[name] !== undefined) fault([name], 'goes with from: proxy only');
    }
    if (value.from === 'socket') return;
    if (value.format === undefined) fault(['format'], 'is required with from: proxy');
    if (value.trustedProxies === undefined) fault(['trustedProxies'], 'is required with from: proxy');
    try {
      createClientCertificateSource(clientCertificateOptions(value));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      fault([], error.message);
    }
  })
  .prefault({});

/** The options of a validated value. */
export function clientCertificateOptions(
  value: z.infer<typeof clientCertificateSchema>,
): ClientCertificateOptions {
  const { from, format, trustedProxies, header, proxyCertificates } = value;
  if (from === 'socket' || format === undefined || trustedProxies === undefined) return { from: 'socket' };
  return { from, format, trustedProxies, header, proxyCertificates };
}
