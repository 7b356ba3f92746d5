import { z } from 'zod';
import type { ConnectionLimitOptions } from '../mutual-tls/limits/connection-settings.ts';
import { createConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';

/** `connections` of a configuration file. */
export const connectionSchema = z
  .strictObject({
    keepAliveSeconds: z.int().min(1).max(3600).default(65).meta({
      description:
        'How long an idle connection is kept: longer than the balancer in front keeps one (60 s in most, 600 s at Google).',
    }),
    inAll: z.int().min(1).optional().meta({
      description:
        'Most connections of a process, of all its listeners together. Beyond, the oldest unfinished handshake or the connection that has been idle longest is closed. Default: three quarters of `ulimit -n`, at most 8192.',
    }),
    perAddress: z.int().min(1).optional().meta({
      description:
        'Most connections of one address (IPv6: of one /64) to a process; new ones are refused beyond. Default: a quarter of `inAll`.',
    }),
    exemptAddresses: z.array(z.string()).default([]).meta({
      description:
        'Addresses and CIDR ranges without limits by address: a balancer or NAT that stands for many clients. `trustedProxies` are exempt too.',
    }),
    handshakePercent: z.number().positive().max(100).default(3).meta({
      description:
        'Percent of a core that the TLS handshakes of one address may use in the long run, after half a second at once.',
    }),
    handshakeBytes: z
      .union([z.int().min(4096).max(65_536), z.literal('unbounded')])
      .default(12_288)
      .meta({
        description:
          'Most bytes that a peer may send before its TLS handshake is complete. A leaf and two intermediates of RSA-4096 need 9 kB. `unbounded`: **a stranger can keep a core busy for a minute**.',
      }),
    unreadSeconds: z.int().min(1).max(600).default(30).meta({
      description: 'How long a peer may take no byte of an answer before the connection is closed.',
    }),
    requestsPerConnection: z.int().min(1).default(10_000).meta({
      description: 'Requests after which a connection ends with its answer.',
    }),
  })
  .superRefine(({ exemptAddresses }, context) => {
    try {
      createConnectionLimits({ exemptAddresses });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      context.addIssue({ code: 'custom', path: ['exemptAddresses'], message: error.message });
    }
  })
  .prefault({});

/** The options of a validated value. The proxies of `clientCertificate` are exempt from limits by address. */
export function connectionLimitOptions({
  connections,
  clientCertificate,
}: {
  readonly connections: z.infer<typeof connectionSchema>;
  readonly clientCertificate: { readonly trustedProxies?: readonly string[] | undefined };
}): ConnectionLimitOptions {
  const { keepAliveSeconds, exemptAddresses, ...limits } = connections;
  const proxies = clientCertificate.trustedProxies ?? [];
  return {
    ...limits,
    exemptAddresses: [...exemptAddresses, ...proxies.filter((text) => !/\/0+$/.test(text))],
  };
}
