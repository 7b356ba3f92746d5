import { z } from 'zod';

const file = z.string().min(1);
const hostAndPort = z.string().regex(/^(\[[0-9A-Fa-f:]+\]|[^\s:[\]/@]+):\d{1,5}$/, 'must be host:port');
const addresses = z.array(hostAndPort).min(1).max(100);

/** The connection to Redis. */
export const redisSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^rediss?$/, error: 'must be a redis: or rediss: URL' })
      .regex(/^[^@]*$/, 'must not hold a password: it belongs into passwordFile')
      .regex(/^\w+:\/\/[^/?#]+(\/\d{0,3})?$/, 'must end with the host, or with the number of the database')
      .optional()
      .meta({
        description:
          'One Redis, `redis://host:port/database`, or `rediss://` for TLS. Either this, `sentinels` or `nodes`.',
      }),
    sentinels: addresses
      .optional()
      .meta({ description: '`host:port` of each Sentinel; `sentinelName` is the primary that they watch.' }),
    sentinelName: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'The name under which the Sentinels know the primary.' }),
    nodes: addresses.optional().meta({ description: '`host:port` of some nodes of a Redis Cluster.' }),
    tls: z
      .strictObject({
        caFile: file.optional().meta({
          description: 'PEM of the CA that issued the certificates of Redis. Default: those that Node knows.',
        }),
        certificateFile: file
          .optional()
          .meta({ description: 'PEM of the client certificate, where Redis asks for one.' }),
        privateKeyFile: file.optional().meta({ description: 'PEM of its private key.' }),
        serverName: z.string().min(1).optional().meta({
          description: 'The name in the certificate of Redis, where it is not the host in the address.',
        }),
      })
      .optional(),
    usernameFile: file.optional().meta({ description: 'File that holds the name of the ACL user.' }),
    passwordFile: file
      .optional()
      .meta({ description: 'File that holds its password; read again at each new connection.' }),
    sentinelUsernameFile: file.optional().meta({ description: 'The same for the Sentinels.' }),
    sentinelPasswordFile: file.optional().meta({ description: 'The same for the Sentinels.' }),
    keyPrefix: z
      .string()
      .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits and "_.:-"')
      .default('tallystick')
      .meta({ description: 'Begins every key: one Redis can serve several servers.' }),
    waitReplicas: z.int().min(0).max(10).optional().meta({
      description:
        'Replicas that must have a write before it is acknowledged (WAIT). Default 0 with `url`, else 1. Fewer: 503.',
    }),
    waitTimeoutMilliseconds: z
      .int()
      .min(10)
      .max(1000)
      .default(400)
      .meta({ description: 'How long a write waits for its replicas.' }),
    timeoutMilliseconds: z
      .int()
      .min(100)
      .max(1800)
      .default(1000)
      .meta({ description: 'The longest that one operation of the store takes before it is 503.' }),
  })
  .superRefine((value, context) => {
    const fault = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const kinds = (['url', 'sentinels', 'nodes'] as const).filter((name) => value[name] !== undefined);
    if (kinds.length !== 1) fault(kinds[1] ?? 'url', 'exactly one of url, sentinels and nodes must be set');
    if ((value.sentinels === undefined) !== (value.sentinelName === undefined)) {
      fault('sentinelName', 'belongs to sentinels, and they need it');
    }
    if ((value.tls?.certificateFile === undefined) !== (value.tls?.privateKeyFile === undefined)) {
      fault('tls', 'certificateFile and privateKeyFile belong together');
    }
    if (value.waitTimeoutMilliseconds >= value.timeoutMilliseconds) {
      fault('waitTimeoutMilliseconds', 'must be less than timeoutMilliseconds');
    }
  })
  .transform((value) => ({
    ...value,
    waitReplicas: value.waitReplicas ?? (value.url === undefined ? 1 : 0),
  }));

/** Where everything is kept: an SQLite file, or Redis. */
export const storageSchema = z
  .strictObject({
    file: file.optional().meta({
      description: 'The SQLite file; made when there is none. Either this or `storage.redis`.',
    }),
    secretFile: file.meta({
      description:
        '32 random bytes: key of hashes and encryption in the store, and of cookies; made when there is none.',
    }),
    redis: redisSchema.optional(),
  })
  .refine((value) => (value.file === undefined) !== (value.redis === undefined), {
    error: 'needs either file or redis',
  });
