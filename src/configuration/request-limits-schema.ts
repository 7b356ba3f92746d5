import { z } from 'zod';
import type { RequestRateOptions } from '../mutual-tls/limits/request-rate-options.ts';

const count = z.int().min(1);

/** `requestLimits` of a configuration file: requests in a minute, in each process. */
export const requestLimitsSchema = z
  .strictObject({
    perTpp: count.default(60_000).meta({
      description: 'Requests of one TPP on the mTLS listener. Beyond: 429.',
    }),
    perAddress: count.default(12_000).meta({
      description:
        'Requests of one address (IPv6: of one /64) on the front channel. Beyond: 429. `connections.exemptAddresses` are exempt, and so are the addresses behind trusted proxies.',
    }),
    refusedPerAddress: count.default(3000).meta({
      description:
        'Requests of one address on the mTLS listener that are refused before their TPP is known. Beyond: 429, without a look at the certificate.',
    }),
    loopDelayMilliseconds: z.int().min(5).max(5000).default(50).meta({
      description:
        'How long requests may wait for others that the process serves, in CPU time. Once some have waited longer, those that would wait longer are answered 503 at once.',
    }),
  })
  .prefault({});

/** The options of a validated value. */
export function requestRateOptions({
  requestLimits,
  connections,
}: {
  readonly requestLimits: z.infer<typeof requestLimitsSchema>;
  readonly connections: { readonly exemptAddresses: readonly string[] };
}): RequestRateOptions {
  const { loopDelayMilliseconds: _delay, ...limits } = requestLimits;
  return { ...limits, exemptAddresses: connections.exemptAddresses };
}
