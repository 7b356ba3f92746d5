import { z } from 'zod';
import type { AuthorizationServerOptions } from '../../authorization-server/authorization-server.ts';
import type { DeliveryMode } from '../../authorization-server/clients/ciba-registration.ts';
import { caPemOf, listedHost, proxyOf } from '../outbound-schema.ts';

const seconds = z.int().positive();
/** `ciba` of a configuration file. */
export const cibaSchema = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        'Opens OpenID CIBA (FAPI-CIBA ID1): clients with its grant ask customers on a device of their own. The module of the bank must have `decoupled`.',
    }),
    deliveryModes: z
      .array(z.enum(['poll', 'ping']))
      .min(1)
      .default(['poll', 'ping'])
      .meta({ description: 'How clients may get to know the answer.' }),
    requestSeconds: seconds.max(900).default(120).meta({
      description: 'Life of a request whose client asks for none (`requested_expiry`).',
    }),
    maxRequestSeconds: seconds.max(900).default(600).meta({
      description: 'Longest life of a request; a client that asks for more gets this.',
    }),
    openRequestsPerCustomer: z.int().min(1).max(1000).default(10).meta({
      description: 'Open requests that one client may have for one customer. Beyond: 429.',
    }),
    userCode: z.boolean().default(false).meta({
      description: 'Passes `user_code` to the module of the bank. Otherwise a request with one is refused.',
    }),
    unknownCustomer: z.enum(['as-known', 'refuse']).default('as-known').meta({
      description:
        '`as-known` answers a hint that names no customer as for one who does not react, so that no TPP can find out who is a customer. `refuse` answers `unknown_user_id`.',
    }),
    notifications: z
      .strictObject({
        caFile: z.string().min(1).optional().meta({
          description:
            'PEM of the only CAs that are trusted for the addresses of clients; absent: the public ones.',
        }),
        privateHosts: z.array(listedHost).default([]).meta({
          description:
            'Hosts (`host` or `host:port`) of clients that may have private addresses. All others must be public.',
        }),
      })
      .prefault({}),
  })
  .refine(({ requestSeconds, maxRequestSeconds }) => requestSeconds <= maxRequestSeconds, {
    path: ['requestSeconds'],
    error: 'must not be longer than maxRequestSeconds',
  })
  .prefault({});

type CibaValue = z.infer<typeof cibaSchema>;

/** The ways of CIBA that clients may have; none where it is off. */
export function allowedDeliveryModes({ enabled, deliveryModes }: CibaValue): readonly DeliveryMode[] {
  return enabled ? deliveryModes : [];
}

/** The CIBA of a validated value; undefined where it is off. @throws ERR_CONFIG_INVALID for a `caFile` that cannot be read */
export function cibaOptions(
  { enabled, notifications, requestSeconds, maxRequestSeconds, ...rules }: CibaValue,
  outbound: Parameters<typeof proxyOf>[0],
): AuthorizationServerOptions['ciba'] {
  if (!enabled) return undefined;
  return {
    rules: { ...rules, defaultSeconds: requestSeconds, maxSeconds: maxRequestSeconds },
    privateHosts: notifications.privateHosts,
    caPem:
      notifications.caFile === undefined
        ? undefined
        : caPemOf(notifications.caFile, 'ciba.notifications.caFile'),
    proxy: proxyOf(outbound),
  };
}
