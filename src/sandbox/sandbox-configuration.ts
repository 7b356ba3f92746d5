import { readFile } from 'node:fs/promises';
import { CIBA_GRANT } from '../authorization-server/clients/registered-client.ts';
import type { CertificateDemand } from '../authorization-server/request/tpp-gate.ts';
import { pathsOf, type SandboxDescription } from './folder.ts';
import { BANK_API } from './sandbox-paths.ts';

/** Exempt from limits by address: a developer's tests open as many connections as they like. */
export const LOOPBACK = ['127.0.0.0/8', '::1'];
const SCOPES = 'openid accounts payments fundsconfirmations';

/** Settings of the server that a sandbox may have. */
export interface SandboxRules {
  /** Where TPPs must present their certificate. */
  readonly certificatesDemanded?: CertificateDemand | undefined;
  /** Customers authenticate with two elements. Default: the password is enough, for tests of a TPP that fill its form. */
  readonly strongAuthentication?: boolean | undefined;
  /** Whether the server keeps an audit record. Default true; tests that ask for many tokens go without. */
  readonly isAudited?: boolean | undefined;
}

/** The configuration of a sandbox's server, before it is validated. */
export async function sandboxConfiguration(
  folder: string,
  description: SandboxDescription,
  { certificatesDemanded, strongAuthentication = false, isAudited = true }: SandboxRules = {},
): Promise<Readonly<Record<string, unknown>>> {
  const paths = pathsOf(folder);
  const [front, mtls] = [description.issuer, description.mtlsUrl].map((url) => Number(new URL(url).port));
  const revocationHost = new URL(description.revocationUrl).host;
  return {
    issuer: description.issuer,
    mtlsUrl: description.mtlsUrl,
    listen: { host: bindAddressOf(description), front, mtls, health: 0 },
    connections: { exemptAddresses: LOOPBACK },
    tls: {
      certificateFile: paths.server.certificateFile,
      privateKeyFile: paths.server.keyFile,
      issuersFile: paths.root,
    },
    storage: { file: paths.store, secretFile: paths.secret },
    signingKeysFile: paths.signingKeys,
    ...(isAudited ? { audit: { folder: paths.audit.folder, signingKeyFile: paths.audit.keyFile } } : {}),
    shutdown: { noticeSeconds: 0 },
    resource: description.resourceUrl,
    resourceServers: [
      {
        client_id: BANK_API,
        resource: description.resourceUrl,
        anchorsFile: paths.bank.ca,
        tls_client_auth_subject_dn: `CN=${BANK_API}`,
      },
    ],
    // For TPPs to try.
    profiles: { allowed: ['fapi2-security', 'fapi2-message-signing', 'fapi1-advanced', 'uk-open-banking'] },
    senderConstraints: { allowed: ['certificate', 'certificate-and-dpop', 'dpop'] },
    ...(certificatesDemanded === undefined ? {} : { certificatesDemanded }),
    // The demo TPP, and a test on this machine, take pings at any port.
    ciba: {
      enabled: true,
      notifications: { caFile: paths.root, privateHosts: [new URL(description.issuer).hostname] },
    },
    // So do their keys.
    clientKeys: {
      caFile: paths.root,
      privateHosts: [new URL(description.issuer).hostname],
      maxAgeSeconds: 30,
    },
    trust: [
      {
        profile: 'eu-qualified',
        anchorsFile: paths.root,
        allowSandboxAnchors: true,
        intermediatesFile: paths.intermediates,
        // Each answer is made for its request, so none is kept; a revocation shows within seconds.
        revocation: { mode: 'ocsp-first', nonce: 'required', refreshSeconds: 2, hosts: [revocationHost] },
      },
    ],
    // Nothing is asked for more often than that.
    revocation: { privateHosts: [revocationHost], coolDownSeconds: 1 },
    registry: { file: paths.registry, pollSeconds: 1 },
    // A TPP that is developed has its redirect URIs on its own machine.
    registration: {
      profiles: [{ profile: 'certificate' }],
      allowLoopbackRedirects: true,
      // Tests of a TPP register again and again.
      quotas: { clients: 100, requestsPerHour: 3600 },
    },
    hostCountry: 'GB',
    acrValues: ['urn:openbanking:psd2:sca', 'urn:openbanking:psd2:ca'],
    defaultAcr: 'urn:openbanking:psd2:ca',
    // The simplest of the TPPs that are tried here ask by scopes.
    consent: { paymentsByScope: 'allow' },
    sca: { enabled: strongAuthentication },
    dashboard: { enabled: true },
    customerClaims: ['name', 'given_name', 'family_name', 'email', 'email_verified'],
    clients: (await Promise.all(description.tpps.map(clientsOf))).flat(),
  };
}

/** Loopback, or every address when the sandbox has another name. */
export function bindAddressOf({ issuer }: SandboxDescription): string {
  const { hostname } = new URL(issuer);
  if (hostname === 'localhost') return '127.0.0.1';
  return hostname.startsWith('[') ? '::' : '0.0.0.0';
}

async function clientsOf(tpp: SandboxDescription['tpps'][number]): Promise<readonly unknown[]> {
  const { d, ...publicKey } = JSON.parse(await readFile(tpp.signingKeyFile, 'utf8')) as Record<
    string,
    unknown
  >;
  const { tls_client_auth: mtls, private_key_jwt: jwt } = tpp.clients;
  const common = {
    authorization_number: tpp.organizationIdentifier,
    client_name: tpp.legalName.replace(/^Sandbox | Ltd$/g, ''),
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
    scope: SCOPES,
  };
  return [
    { ...common, ...mtls, token_endpoint_auth_method: 'tls_client_auth' },
    { ...common, ...jwt, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicKey] } },
    ...tpp.moreClients.map((client) => ({
      ...common,
      ...client,
      // Of assertions, or of request objects.
      jwks: { keys: [publicKey] },
    })),
    ...tpp.cibaClients.map((client) => ({
      ...common,
      ...client,
      grant_types: [CIBA_GRANT, 'refresh_token'],
      jwks: { keys: [publicKey] },
    })),
  ];
}
