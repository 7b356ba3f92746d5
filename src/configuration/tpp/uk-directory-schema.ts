import { z } from 'zod';

const file = z.string().min(1);
const seconds = z.int().positive();
const httpsUrl = z
  .url({ protocol: /^https$/, error: 'must be an https URL' })
  .regex(/^[^?#]*[^/?#]$/, 'must have no query, and no slash at its end');

const connection = z.strictObject({
  address: httpsUrl.meta({
    description:
      'Address of SCIM, `https://matls-api.openbanking.org.uk/scim/v2`. Without `connection` nothing is fetched; `tallystick registry import` reads a list.',
  }),
  tokenEndpoint: httpsUrl.meta({
    description:
      'Token endpoint of the directory, `https://matls-sso.openbanking.org.uk/as/token.oauth2`, also the audience of the client assertion.',
  }),
  clientId: z.string().min(1).max(256).meta({
    description: "The client of this server at the directory: the id of the bank's software statement.",
  }),
  scope: z
    .string()
    .min(1)
    .max(256)
    .default('TPPReadAccess')
    .meta({ description: 'Scope of the access token.' }),
  signingKeyFile: file.meta({ description: 'Private key of the client assertions, PEM.' }),
  signingKeyId: z.string().min(1).max(256).meta({
    description: 'The `kid` that the directory gave to the signing certificate.',
  }),
  signingAlgorithm: z.enum(['PS256', 'ES256', 'RS256']).default('PS256').meta({
    description: 'Algorithm of the client assertions. `RS256` where the directory takes no other.',
  }),
  certificateFile: file.meta({
    description:
      'Transport certificate of the bank at the directory, PEM, with its chain. Read again at each refresh.',
  }),
  privateKeyFile: file.meta({ description: 'Private key of the transport certificate, PEM.' }),
  caFile: file.optional().meta({
    description:
      'PEM of the only CAs that are trusted for the hosts of the directory. Default: the public ones.',
  }),
  keyStoreAddress: httpsUrl.optional().meta({
    description:
      'Address of the key stores, `https://keystore.openbanking.org.uk`. Absent: keys and certificates of software statements are not read. They are kept in `uk-directory.json`, and decide nothing.',
  }),
  privateHosts: z.array(z.string()).default([]).meta({
    description: 'Hosts (`host` or `host:port`) of the directory that may have private addresses.',
  }),
});

/** `registry.ukDirectory` of a configuration file. */
export const ukDirectory = z.strictObject({
  folder: file.meta({
    description:
      'Where the last good copy of the UK directory is kept, `uk-directory.json`. Processes and hosts may share it.',
  }),
  /** Absent: nothing is fetched; `tallystick registry import` reads a list. */
  connection: connection.optional(),
  refreshSeconds: seconds.default(3600).meta({ description: 'How often the directory is read.' }),
  maxAgeSeconds: seconds.default(86_400).meta({
    description: 'How long a copy counts after the directory was last read with success.',
  }),
  overdue: z.enum(['refuse', 'accept-and-report']).default('refuse').meta({
    description:
      'TPPs of a copy that counts no longer. `accept-and-report`: those that were active in it are accepted, and an event says so.',
  }),
});

export type UkDirectoryValue = z.infer<typeof ukDirectory>;
export type UkDirectoryConnectionValue = z.infer<typeof connection>;
