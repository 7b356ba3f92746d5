import { z } from 'zod';
import { invalidConfig } from '../../errors.ts';
import { exchange, type ExchangeOptions } from './exchange.ts';

/** The server under test, as its metadata and the command line describe it. */
export interface Target {
  readonly issuer: string | undefined;
  readonly tokenEndpoint: URL | undefined;
  readonly parEndpoint: URL | undefined;
  readonly authorizationEndpoint: URL | undefined;
  readonly resource: URL | undefined;
  /** Undefined: the metadata does not say. */
  readonly authMethods: readonly string[] | undefined;
  readonly grantTypes: readonly string[] | undefined;
  readonly signingAlgorithms: readonly string[] | undefined;
}

export interface TargetOptions {
  readonly issuer?: string | undefined;
  readonly tokenEndpoint?: string | undefined;
  readonly parEndpoint?: string | undefined;
  readonly resource?: string | undefined;
}

const list = z.array(z.string()).optional();
const address = z.url({ protocol: /^https$/ }).optional();
const metadataSchema = z.looseObject({
  issuer: z.string(),
  token_endpoint: address,
  pushed_authorization_request_endpoint: address,
  authorization_endpoint: address,
  token_endpoint_auth_methods_supported: list,
  token_endpoint_auth_signing_alg_values_supported: list,
  grant_types_supported: list,
  mtls_endpoint_aliases: z
    .looseObject({ token_endpoint: address, pushed_authorization_request_endpoint: address })
    .optional(),
});

type Metadata = z.infer<typeof metadataSchema>;

/**
 * Reads the metadata of the issuer; addresses of the command line come first.
 *
 * @throws ERR_CONFIG_INVALID when the issuer is not reached, or its metadata cannot be used
 */
export async function readTarget(options: TargetOptions, exchangeOptions: ExchangeOptions): Promise<Target> {
  const metadata = options.issuer === undefined ? undefined : await discovered(options, exchangeOptions);
  const aliases = metadata?.mtls_endpoint_aliases;
  const url = (...candidates: readonly (string | undefined)[]) => {
    const found = candidates.find((one) => one !== undefined);
    return found === undefined ? undefined : new URL(found);
  };
  return {
    issuer: options.issuer,
    tokenEndpoint: url(options.tokenEndpoint, aliases?.token_endpoint, metadata?.token_endpoint),
    parEndpoint: url(
      options.parEndpoint,
      aliases?.pushed_authorization_request_endpoint,
      metadata?.pushed_authorization_request_endpoint,
    ),
    authorizationEndpoint: url(metadata?.authorization_endpoint),
    resource: url(options.resource),
    authMethods: metadata?.token_endpoint_auth_methods_supported,
    grantTypes: metadata?.grant_types_supported,
    signingAlgorithms: metadata?.token_endpoint_auth_signing_alg_values_supported,
  };
}

/** OpenID Connect Discovery §4, then RFC 8414 §3. Without them the addresses of the command line must do. */
async function discovered(
  options: TargetOptions,
  exchangeOptions: ExchangeOptions,
): Promise<Metadata | undefined> {
  const { issuer = '', tokenEndpoint, parEndpoint } = options;
  const problems: string[] = [];
  for (const url of metadataUrls(issuer)) {
    const answer = await exchange({ url }, exchangeOptions);
    const result = 'failure' in answer ? undefined : metadataSchema.safeParse(parsed(answer.body));
    if (result?.success === true && result.data.issuer === issuer) return result.data;
    problems.push(`${url.href}: ${problemOf(answer, result)}`);
  }
  if (tokenEndpoint !== undefined || parEndpoint !== undefined) return undefined;
  throw invalidConfig('command line', [
    ...problems.map((message) => ({ path: '--issuer', message })),
    { path: '--token-endpoint', message: 'is needed for a server without metadata' },
    { path: '--ca', message: 'is needed for a server whose certificate is of a CA of its own' },
  ]);
}

function metadataUrls(issuer: string): readonly URL[] {
  const base = new URL(issuer);
  const path = base.pathname.replace(/\/$/, '');
  return [
    new URL(`${path}/.well-known/openid-configuration`, base),
    new URL(`/.well-known/oauth-authorization-server${path}`, base),
  ];
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function problemOf(
  answer: Awaited<ReturnType<typeof exchange>>,
  result: z.ZodSafeParseResult<Metadata> | undefined,
): string {
  if ('failure' in answer) return answer.text;
  if (result?.success === true) return `names another issuer, ${result.data.issuer}`;
  return answer.status === 200 ? 'is not the metadata of an https server' : `HTTP ${answer.status}`;
}
