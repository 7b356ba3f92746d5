import { z } from 'zod';
import { PROFILE_NAMES } from '../../authorization-server/profiles/profiles.ts';
import type { AuthorizationServerOptions } from '../../authorization-server/authorization-server.ts';

const unknownMembers = z.enum(['drop', 'refuse']).default('drop');

/** A directory that issues software statements: `iss`, the address of its keys, and the age of a statement that registers. */
const directoryOf = (maxAgeSeconds: number, issuer?: string) =>
  z.strictObject({
    issuer: issuer === undefined ? z.string().min(1).max(200) : z.string().min(1).max(200).default(issuer),
    jwksUri: z.url({ protocol: /^https$/, error: 'must be an https URL' }),
    maxAgeSeconds: z.int().min(30).max(86_400).default(maxAgeSeconds),
  });

/** One way to register: `profile` names what is the statement. */
const statementProfileSchema = z.discriminatedUnion('profile', [
  z.strictObject({
    profile: z.literal('certificate'),
    unknownMembers,
    selfSignedCertificates: z.enum(['refuse', 'accept']).default('refuse'),
  }),
  z.strictObject({
    profile: z.literal('uk-obie'),
    directory: directoryOf(1800, 'OpenBanking Ltd'),
    organisationId: z.string().min(1).max(64).optional(),
    clientProfile: z.enum(PROFILE_NAMES).default('uk-open-banking'),
  }),
  z.strictObject({
    profile: z.literal('open-finance-brasil'),
    directory: directoryOf(300),
    clientProfile: z.enum(PROFILE_NAMES).default('open-finance-brasil'),
  }),
  z.strictObject({
    profile: z.literal('cdr'),
    directory: directoryOf(600, 'cdr-register'),
    clientProfile: z.enum(PROFILE_NAMES).default('cdr-au'),
  }),
]);

/** `registration` of a configuration file. */
export const registrationSchema = z
  .strictObject({
    profiles: z.array(statementProfileSchema).max(8).default([]).meta({
      description:
        'How TPPs may register clients by themselves: entries with `profile`: `certificate` (with `unknownMembers`: `drop`, the default of RFC 7591, or `refuse`; and `selfSignedCertificates`: `refuse`, the default, or `accept`), or `uk-obie`, `open-finance-brasil`, `cdr` with the `directory` of the software statements (`issuer`, `jwksUri`, `maxAgeSeconds`) and `clientProfile`. Without an entry there is no registration: [registration.md](registration.md).',
    }),
    approval: z.enum(['automatic', 'manual']).default('automatic').meta({
      description: '`manual`: a client that a TPP registers may do nothing until the bank approves it.',
    }),
    quotas: z
      .strictObject({
        clients: z.int().min(1).max(1000).default(10).meta({
          description: 'Clients that one TPP may have in the store. Beyond: 403.',
        }),
        requestsPerHour: z.int().min(1).max(100_000).default(60).meta({
          description: 'Requests of one TPP to the registration endpoints, in each process. Beyond: 429.',
        }),
      })
      .prefault({}),
    redirectHosts: z.enum(['any', 'certificate']).default('any').meta({
      description:
        'Hosts of the redirect URIs that a TPP registers: any public name, or the names of its certificate (subjectAltName) only.',
    }),
    allowLoopbackRedirects: z.boolean().default(false).meta({
      description: 'Lets TPPs register redirect URIs of their own machine. For a sandbox only.',
    }),
    onFirstSight: z
      .strictObject({
        redirectHosts: z
          .array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be a host name in lower case'))
          .min(1)
          .optional()
          .meta({
            description:
              'With `onFirstSight: {}` a TPP needs no registration: a `client_id` that is the organizationIdentifier of its certificate works. These are the hosts that the redirect URIs of such clients may have; absent: the names of the certificate (subjectAltName).',
          }),
      })
      .optional(),
    accessTokenRotation: z.boolean().default(false).meta({
      description:
        'Each answer to a registration access token brings the next one; the one before stays good until the next is used (RFC 7592 §5).',
    }),
  })
  .prefault({});

/** The registration of a validated value. */
export function registrationOptions({
  profiles,
  accessTokenRotation,
  allowLoopbackRedirects,
  onFirstSight,
  ...rest
}: z.infer<typeof registrationSchema>): AuthorizationServerOptions['registration'] {
  return {
    ...rest,
    statements: profiles,
    onFirstSight: onFirstSight && (onFirstSight.redirectHosts ?? 'certificate'),
    rotatesAccessTokens: accessTokenRotation,
    allowsLoopbackRedirects: allowLoopbackRedirects,
  };
}
