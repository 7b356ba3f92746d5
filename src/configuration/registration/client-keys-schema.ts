import { z } from 'zod';
import type { KeysByAddressOptions } from '../../authorization-server/clients/keys-by-address.ts';
import { caPemOf, listedHost, proxyOf } from '../outbound-schema.ts';

/** `clientKeys` of a configuration file: how keys are read at the `jwks_uri` of clients. */
export const clientKeysSchema = z
  .strictObject({
    maxAgeSeconds: z.int().min(30).max(86_400).default(300).meta({
      description:
        'How old the keys of a client may be. A key that its client removes is refused after this time.',
    }),
    keptHours: z.int().min(0).max(720).default(24).meta({
      description:
        'How long the last good keys are used while their address does not answer, or answers badly.',
    }),
    caFile: z.string().min(1).optional().meta({
      description: 'PEM of the only CAs that are trusted for these addresses; absent: the public ones.',
    }),
    privateHosts: z.array(listedHost).default([]).meta({
      description:
        'Hosts (`host` or `host:port`) that may have private addresses. All others must be public.',
    }),
  })
  .prefault({});

/** The options of a validated value. @throws ERR_CONFIG_INVALID for a `caFile` that cannot be read */
export function clientKeysOptions(
  { maxAgeSeconds, keptHours, caFile, privateHosts }: z.infer<typeof clientKeysSchema>,
  outbound: Parameters<typeof proxyOf>[0],
): Omit<KeysByAddressOptions, 'clock' | 'log'> {
  return {
    maxAgeSeconds,
    keptSeconds: keptHours * 3600,
    privateHosts,
    caPem: caFile === undefined ? undefined : caPemOf(caFile, 'clientKeys.caFile'),
    proxy: proxyOf(outbound),
  };
}
