import { z } from 'zod';
import type { Problem } from '../errors.ts';
import { clientCertificateSchema } from './client-certificate-schema.ts';
import { connectionSchema } from './connection-schema.ts';
import { healthAddressSchema } from './health-schema.ts';
import { withAbsoluteFiles } from './configured-files.ts';
import { WITHOUT_SLASH } from './issuer-schema.ts';
import { secondPairSchema } from './callers/second-pair-schema.ts';
import { ROLE_OIDS } from '../tpp/psp-role.ts';
import { shutdownSchema } from './shutdown-schema.ts';
import { parseValue } from './layers/parsed-value.ts';
import { type ConfigLayers, type OpenedConfig, readLayers } from './layers/read-layers.ts';
import type { PspRole } from '../../tpp-registry/record.ts';

const ROLES = Object.keys(ROLE_OIDS) as readonly PspRole[];
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const file = z.string().min(1);

/** Where the registered keys of clients are read: `/client-keys/` of the authorization server's mTLS host. */
const clientKeys = z.strictObject({
  endpoint: httpsUrl.endsWith('/', 'must end with a slash'),
  certificateFile: file,
  privateKeyFile: file,
});
const answerKey = { keyId: z.string().min(1), privateKeyFile: file };
const signed = {
  maxAgeSeconds: z.int().min(1).max(300).optional(),
  once: z.boolean().optional(),
  maxBodyBytes: z.int().min(0).optional(),
  maxAnswerBytes: z.int().min(0).optional(),
};
/** Signatures of the requests of routes that ask for them, and of the answers to them. */
const signaturesSchema = z.discriminatedUnion('format', [
  z.strictObject({
    ...signed,
    format: z.literal('fapi-2'),
    origin: httpsUrl,
    clientKeys,
    covers: z.array(z.string().min(1)).optional(),
    response: z.strictObject(answerKey).optional(),
  }),
  z.strictObject({
    ...signed,
    format: z.literal('uk-detached-jws'),
    clientKeys,
    /** `iss` of each client, by `client_id`. */
    issuers: z.record(z.string().min(1), z.array(z.string().min(1)).min(1)),
    trustAnchors: z.array(z.string().min(1)).min(1).optional(),
    b64: z.enum(['absent', 'false']).optional(),
    response: z
      .strictObject({ ...answerKey, issuer: z.string().min(1), trustAnchor: z.string().min(1) })
      .optional(),
  }),
  z.strictObject({
    ...signed,
    format: z.literal('berlin-group'),
    seals: z.strictObject({ anchorsFile: file, intermediatesFile: file.optional() }),
    covers: z.array(z.string().min(1)).optional(),
  }),
]);

/** The part of a request that the consent must cover, besides an account in the path of the route. */
const code = z.string().min(1);
const coversSchema = z.strictObject({
  permissions: z
    .array(z.union([code, z.array(code).min(1)]))
    .min(1)
    .optional(),
  payment: z.literal('body').optional(),
  maxBodyBytes: z.int().min(0).optional(),
});

/** The configuration of `tallystick gateway`. */
export const gatewayConfigSchema = z.strictObject({
  /** Plain HTTP without `tls`: on loopback, or where only the proxy can reach it. */
  listen: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(4000),
      /** Port of loopback, or `host:port`, of `/health/…`. Without it no health is served. */
      health: healthAddressSchema.optional(),
    })
    .prefault({}),
  tls: z.strictObject({ certificateFile: file, privateKeyFile: file, second: secondPairSchema }).optional(),
  issuer: httpsUrl.refine(...WITHOUT_SLASH),
  /** Resource identifier of the APIs: the audience of access tokens. */
  audience: z.url(),
  /** PEM of the CA of the issuer's TLS certificate, where it is not a public one. */
  caFile: file.optional(),
  /** Introspection of opaque tokens; without it only JWTs are accepted. */
  introspection: z
    .strictObject({
      endpoint: httpsUrl,
      clientId: z.string().min(1),
      certificateFile: file,
      privateKeyFile: file,
      response: z.enum(['signed', 'plain']).default('signed'),
    })
    .optional(),
  /** Questions about the consents of customers, for routes with `covers`. */
  consents: z
    .strictObject({
      endpoint: httpsUrl.endsWith('/', 'must end with a slash'),
      clientId: z.string().min(1),
      certificateFile: file,
      privateKeyFile: file,
      response: z.enum(['signed', 'plain']).default('signed'),
      maxAgeSeconds: z.int().min(0).max(5).default(2),
    })
    .optional(),
  /** How tokens may be bound to their sender; `dpop` alone must be named. */
  senderConstraints: z
    .array(z.enum(['certificate', 'certificate-and-dpop', 'dpop']))
    .min(1)
    .optional(),
  /** Age of a status list when it decides, 0 to ask at each request; the treatment of an outage. */
  status: z
    .strictObject({
      maxAgeSeconds: z.int().min(0).max(3600).default(2),
      whenUnavailable: z.enum(['refuse', 'tolerate']).default('refuse'),
    })
    .optional(),
  /** Proofs of tokens that are bound to a DPoP key. */
  dpop: z
    .strictObject({
      /** Scheme and authority under which clients know the APIs. Default: those of `audience`. */
      origin: httpsUrl.optional(),
      maxAgeSeconds: z.int().min(1).max(300).default(60),
    })
    .optional(),
  /** Serves metadata of the APIs (RFC 9728); challenges then name their address. */
  resourceMetadata: z
    .strictObject({
      name: z.string().min(1).optional(),
      documentation: httpsUrl.optional(),
      policy: httpsUrl.optional(),
      termsOfService: httpsUrl.optional(),
    })
    .optional(),
  proxy: z.enum(['nginx', 'envoy', 'forward']),
  /** The API to which `proxy: forward` sends what it lets through. */
  upstream: z
    .strictObject({
      origin: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
      caFile: file.optional(),
      timeoutSeconds: z.int().min(1).max(600).default(30),
    })
    .optional(),
  signatures: signaturesSchema.optional(),
  /** `path_prefix` of Envoy. */
  pathPrefix: z.string().startsWith('/').optional(),
  clientCertificate: clientCertificateSchema.refine(({ from }) => from === 'proxy', {
    error: 'must be from: proxy',
  }),
  connections: connectionSchema,
  routes: z
    .array(
      z.strictObject({
        path: z.string().startsWith('/'),
        methods: z.array(z.string().regex(/^[A-Z]+$/, 'must be capital letters')).optional(),
        scopes: z.array(z.string().min(1)),
        roles: z.array(z.enum(ROLES)),
        signatures: z.enum(['required', 'if-present']).optional(),
        acr: z.array(z.string().min(1)).min(1).optional(),
        maxAgeSeconds: z.int().min(1).optional(),
        covers: coversSchema.optional(),
      }),
    )
    .min(1),
  shutdown: shutdownSchema,
  logLevel: z.enum(['error', 'warn', 'info']).default('info'),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
export type GatewaySignatureConfig = z.infer<typeof signaturesSchema>;

/**
 * Reads the configuration of a gateway (YAML or JSON). File names in it are relative to its folder. Variables of the
 * environment take the place of values of the file.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export async function loadGatewayConfig(path: string, layers: ConfigLayers = {}): Promise<GatewayConfig> {
  return (await openGatewayConfig(path, layers)).config;
}

/**
 * As `loadGatewayConfig`, with where each value comes from.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export async function openGatewayConfig(
  path: string,
  layers: ConfigLayers,
): Promise<OpenedConfig<GatewayConfig>> {
  const { layered, toParse, folder } = await readLayers(gatewayConfigSchema, path, layers);
  const config = parseValue(gatewayConfigSchema, toParse, findGatewayProblems);
  return { config: withAbsoluteFiles(config, folder), layered };
}

function findGatewayProblems({ clientCertificate, tls, routes, signatures }: GatewayConfig): Problem[] {
  const problems: Problem[] = [];
  if (clientCertificate.proxyCertificates !== undefined && tls === undefined) {
    const message = 'need tls: without it the proxies present no certificate';
    problems.push({ path: 'clientCertificate.proxyCertificates', message });
  }
  const unsigned = routes.findIndex((route) => route.signatures !== undefined);
  if (signatures === undefined && unsigned >= 0) {
    const message = 'needs signatures: without it no format and no keys are named';
    problems.push({ path: `routes[${unsigned}].signatures`, message });
  }
  return problems;
}
