import { z } from 'zod';
import type { Problem } from '../errors.ts';
import type { Profiles } from '../authorization-server/profiles/profiles.ts';
import { allowedDeliveryModes, cibaSchema } from './protocols/ciba-schema.ts';
import { bankAppSchema, findBankAppProblem } from './consents/bank-app-schema.ts';
import { bankApiSchema } from './consents/bank-api-schema.ts';
import { detailScopesOf, detailTypesSchema, findDetailTypeProblems } from './consents/detail-type-schema.ts';
import { auditSchema } from './audit-schema.ts';
import { clientCertificateSchema } from './client-certificate-schema.ts';
import { CUSTOMER_CLAIM_NAMES } from '../authorization-server/customer/claims/customer-claims.ts';
import { clientSchema, findClientProblems } from '../authorization-server/clients/client-schema.ts';
import { connectionSchema } from './connection-schema.ts';
import { dashboardSchema } from './consents/dashboard-schema.ts';
import { grantManagementSchema } from './consents/grant-management-schema.ts';
import { healthAddressSchema } from './health-schema.ts';
import { metricsSchema } from './metrics-schema.ts';
import { withAbsoluteFiles } from './configured-files.ts';
import { revocationSchema } from './tpp/revocation-schema.ts';
import { shutdownSchema } from './shutdown-schema.ts';
import { storageSchema } from './storage-schema.ts';
import { registrySchema } from './tpp/registry-schema.ts';
import { trustSchema } from './tpp/trust-schema.ts';
import { findScaProblems, scaSchema } from './consents/sca-schema.ts';
import { pagesSchema } from './consents/pages-schema.ts';
import { managementSchema } from './management/management-schema.ts';
import { parseValue, type ValueToParse } from './layers/parsed-value.ts';
import { type ConfigLayers, type OpenedConfig, readLayers } from './layers/read-layers.ts';
import { WITHOUT_SLASH } from './issuer-schema.ts';
import { clientKeysSchema } from './registration/client-keys-schema.ts';
import { outboundSchema, proxyOverrides } from './outbound-schema.ts';
import {
  clientProfiles,
  findDemandProblems,
  profilesSchema,
  senderConstraintFields,
} from './profile-schema.ts';
import { secondPairSchema } from './callers/second-pair-schema.ts';
import { findSigningKeyProblems, signingKeysSchema } from './keys/signing-keys-schema.ts';
import { registrationSchema } from './registration/registration-schema.ts';
import { selfCheckSchema } from './registration/self-check-schema.ts';
import { requestLimitsSchema } from './request-limits-schema.ts';
import { resourceServerSchema } from './resource-server-schema.ts';

const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const origin = httpsUrl.refine(
  (text) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ''),
  {
    error: 'must be an https URL without a path',
  },
);
const file = z.string().min(1);
const port = z.int().min(0).max(65_535);
const seconds = z.int().positive();
const scopeToken = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope token (RFC 6749 §3.3)');

/** The configuration file. Every field says what it means; docs/configuration.md is made from this. */
export const configSchema = z.strictObject({
  issuer: origin.refine(...WITHOUT_SLASH).meta({
    description:
      'Public URL of the front channel, and the issuer identifier (RFC 8414 §2), to the letter: without a slash at its end.',
  }),
  mtlsUrl: origin.meta({ description: 'Public URL of the listener that asks for client certificates.' }),
  listen: z
    .strictObject({
      host: z.string().default('::').meta({ description: 'Address that both listeners bind.' }),
      front: port.default(8443).meta({ description: 'Port of the front channel.' }),
      mtls: port.default(8444).meta({ description: 'Port of the mTLS listener.' }),
      health: healthAddressSchema.prefault(9000).meta({
        description:
          'Where `/health/started`, `/health/ready` and `/health/live` are served, in plain HTTP: a port of loopback, or `host:port` for balancers and probes of a cluster. On loopback it has the management API and the console too ([management.md](management.md)).',
      }),
    })
    .prefault({}),
  tls: z.strictObject({
    certificateFile: file.meta({
      description:
        'PEM of the server certificate and its intermediates; RSA of 2048 bits or more, or EC. Read again when it changes.',
    }),
    privateKeyFile: file.meta({
      description: 'PEM of its private key, not encrypted. Read again when it changes.',
    }),
    ocspStapling: z.boolean().default(true).meta({
      description:
        'Whether handshakes show an OCSP answer about the certificate to clients that ask (RFC 6066 §8), where the certificate names a responder. Asked for ahead, within the limits of `revocation`.',
    }),
    issuersFile: file.optional().meta({
      description: 'PEM of the issuer, for OCSP answers, where `certificateFile` does not hold it.',
    }),
    second: secondPairSchema,
  }),
  clientCertificate: clientCertificateSchema,
  connections: connectionSchema,
  storage: storageSchema,
  audit: auditSchema,
  signingKeysFile: file.optional().meta({
    description:
      'Private JSON Web Key Set with an ES256 key; made when there is none. Either this or `signingKeys`.',
  }),
  signingKeys: signingKeysSchema.optional(),
  workers: z.int().min(1).max(64).default(1).meta({
    description: 'Processes that serve requests; more than one share the ports of this machine.',
  }),
  shutdown: shutdownSchema,
  resource: z.url().meta({ description: 'Identifier of the account APIs: the audience of access tokens.' }),
  apiScopes: z
    .array(scopeToken)
    .default(['accounts', 'payments', 'fundsconfirmations'])
    .meta({ description: 'Scopes of the account APIs.' }),
  authorizationDetailsTypes: detailTypesSchema.meta({
    description: 'Types of authorization details of the bank beside those of this server (RFC 9396).',
  }),
  accessToken: z
    .strictObject({
      format: z.enum(['jwt', 'opaque']).default('jwt').meta({
        description: '`jwt` needs no call per request; `opaque` is known to the introspection endpoint only.',
      }),
      lifetimeSeconds: seconds.max(3600).default(600).meta({ description: 'Life of an access token.' }),
    })
    .prefault({}),
  consent: z
    .strictObject({
      lifetimeSeconds: seconds
        .default(180 * 86_400)
        .meta({ description: 'Life of a consent, its grant and refresh tokens (RTS article 10: 180 days).' }),
      paymentsByScope: z.enum(['refuse', 'allow']).default('refuse').meta({
        description:
          '`allow`: the scope `payments` alone asks for payments, without amount and payee, so that nothing is shown or linked (RTS article 5). Otherwise a request has to name each payment ([consents.md](consents.md)).',
      }),
    })
    .prefault({}),
  profiles: profilesSchema,
  ...senderConstraintFields,
  ciba: cibaSchema,
  sca: scaSchema,
  dashboard: dashboardSchema,
  grantManagement: grantManagementSchema,
  refreshToken: z
    .strictObject({
      rotation: z.boolean().default(false).meta({
        description:
          'A new refresh token at each use, for every client whose market allows it; FAPI 2.0 advises against it (§5.3.2.1). A second use of an old one ends the grant.',
      }),
    })
    .prefault({}),
  trust: z.array(trustSchema).min(1),
  revocation: revocationSchema,
  outbound: outboundSchema,
  clientKeys: clientKeysSchema,
  registry: registrySchema,
  blockList: z
    .strictObject({
      file: file.meta({
        description: 'Certificates and TPPs to refuse, YAML or JSON; read again when it changes.',
      }),
      pollSeconds: seconds.default(1).meta({ description: 'How often the file is checked for a change.' }),
    })
    .optional(),
  hostCountry: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be two capital letters (ISO 3166-1)')
    .optional()
    .meta({
      description: "The bank's country. When set, TPPs of other countries must be passported into it.",
    }),
  resourceServers: z.array(resourceServerSchema).default([]),
  bankApi: bankApiSchema,
  bankApp: bankAppSchema,
  management: managementSchema,
  aspspModule: file.optional().meta({
    description: 'JavaScript module whose export `createAspsp` plugs in the login and accounts of the bank.',
  }),
  aspspCallSeconds: seconds.max(60).default(10).meta({
    description: 'How long one call of that module may take; then the customer gets an error page.',
  }),
  acrValues: z
    .array(z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be a value of acr'))
    .max(20)
    .default([])
    .meta({
      description: 'Authentication contexts (`acr`) that logins of the bank can reach; told by discovery.',
    }),
  defaultAcr: z.string().optional().meta({
    description: 'The one of them that a login has reached when the module names none.',
  }),
  pages: pagesSchema.prefault({}),
  customerClaims: z.array(z.enum(CUSTOMER_CLAIM_NAMES)).default([]).meta({
    description:
      'Claims about customers that TPPs may ask for by the `claims` parameter; the customer sees them before he agrees.',
  }),
  logLevel: z
    .enum(['error', 'warn', 'info'])
    .default('info')
    .meta({ description: 'Least level that is logged.' }),
  metrics: metricsSchema,
  clientLimits: z
    .strictObject({
      pushedRequestsPerMinute: z.int().min(1).default(600).meta({
        description: 'Authorization requests that one client may push, in each process. Beyond: 429.',
      }),
      recordsPerMinute: z.int().min(1).default(60_000).meta({
        description:
          'Other records that one client may make, above all tokens, in each process. Beyond: 429.',
      }),
    })
    .prefault({}),
  requestLimits: requestLimitsSchema,
  registration: registrationSchema,
  selfCheck: selfCheckSchema,
  clients: z
    .array(clientSchema)
    .default([])
    .meta({ description: 'Registered clients, in the names of RFC 7591.' }),
  clientsFile: file.optional().meta({
    description: 'YAML or JSON with more `clients`; a change counts two seconds later, without a restart.',
  }),
});

/** The validated configuration; frozen. File names are absolute. */
export type Config = z.infer<typeof configSchema>;

/**
 * Reads a configuration file (YAML or JSON). File names in it are relative to its folder. Variables of the environment
 * take the place of values of the file.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export async function loadConfig(path: string, layers: ConfigLayers = {}): Promise<Config> {
  return (await openConfig(path, layers)).config;
}

/**
 * As `loadConfig`, with where each value comes from.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export async function openConfig(path: string, layers: ConfigLayers): Promise<OpenedConfig<Config>> {
  const { layered, toParse, folder } = await readLayers(configSchema, path, layers, proxyOverrides);
  return { config: configOf(toParse, folder), layered };
}

/**
 * Validates a configuration value and freezes it.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export function parseConfig(
  value: unknown,
  { source, folder }: { readonly source: string; readonly folder: string },
): Config {
  return configOf({ value, source }, folder);
}

function configOf(toParse: ValueToParse, folder: string): Config {
  return frozen(withAbsoluteFiles(parseValue(configSchema, toParse, findConfigProblems), folder));
}

/** The rules that concern several parts. */
function findConfigProblems(config: Config): readonly Problem[] {
  const profiles = clientProfiles(config);
  const { apiScopes, acrValues } = config;
  const deliveryModes = allowedDeliveryModes(config.ciba);
  const rules = { apiScopes, acrValues, profiles, deliveryModes, detailScopes: detailScopesOf(config) };
  return [
    ...findAcrProblems(config, profiles),
    ...findScaProblems(config),
    ...findBankAppProblem(config),
    ...findSigningKeyProblems(config),
    ...findDemandProblems(config, profiles),
    ...findDetailTypeProblems(config),
    ...findClientProblems(config.clients, rules),
  ];
}

function findAcrProblems({ acrValues, defaultAcr }: Config, profiles: Profiles): readonly Problem[] {
  const isKnown = (value: string) => acrValues.includes(value);
  const unmet = profiles.flatMap(({ name, market }) =>
    market === undefined || market.acrValues.some(isKnown)
      ? []
      : [{ path: 'acrValues', message: `needs ${market.acrValues.join(' or ')} for ${name}` }],
  );
  return defaultAcr === undefined || isKnown(defaultAcr)
    ? unmet
    : [...unmet, { path: 'defaultAcr', message: 'must be one of acrValues' }];
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
}
