import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SANDBOX_PACKAGES } from '../src/cli/sandbox-packages.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

/** Names that a public entry exports; types stand behind `type`. */
function exportsOf(path: string): string[] {
  return [...read(path).matchAll(/export (type )?\{([^}]+)\}/g)]
    .flatMap(([, type = '', names = '']) => names.split(',').map((name) => `${type}${name.trim()}`))
    .filter((name) => !/^(?:type )?$/.test(name))
    .sort();
}

// A name that goes breaks programs of banks: it goes with a new major version, and stands in CHANGELOG.md.
describe('the public names', () => {
  it.each([
    [
      'src/index.ts',
      [
        'ERROR_CODES',
        'OpenBankingError',
        'createConnectionLimits',
        'createListener',
        'createLog',
        'isRefusal',
        'loadConfig',
        'logTo',
        'parseConfig',
        'ruleOf',
        'silentLog',
        'startServer',
        'systemClock',
        'type AccountChoice',
        'type Approval',
        'type ApprovalRequest',
        'type Approvals',
        'type Aspsp',
        'type AspspCall',
        'type AuthenticatedPsu',
        'type AuthenticationAnswer',
        'type AuthenticationCall',
        'type AuthenticationContext',
        'type AuthenticationRefusal',
        'type AuthenticationState',
        'type AuthenticationStep',
        'type BlockList',
        'type Clock',
        'type Config',
        'type ConnectionLimitOptions',
        'type ConnectionLimits',
        'type Consent',
        'type Consents',
        'type CustomerClaim',
        'type CustomerClaimValues',
        'type CustomerHint',
        'type DecoupledApproval',
        'type ErrorCode',
        'type EventDefinition',
        'type EventFields',
        'type EventLevel',
        'type EventName',
        'type EventSink',
        'type FormStep',
        'type FoundCustomer',
        'type Listener',
        'type ListenerOptions',
        'type Log',
        'type LogOptions',
        'type RecordToStore',
        'type RedirectStep',
        'type RegisteredClient',
        'type RegisteredClients',
        'type RunningServer',
        'type ServerParts',
        'type StandingDecision',
        'type StepField',
        'type Store',
        'type StoredRecord',
        'type Tpp',
        'type TppAuthenticator',
        'type WaitStep',
      ],
    ],
    [
      'src/resource-server/index.ts',
      [
        'OpenBankingError',
        'authorizationOf',
        'createAuthorizer',
        'createClientCertificateSource',
        'createConnectionLimits',
        'createGateway',
        'createMessageSignatures',
        'createProtection',
        'expressProtection',
        'expressResourceMetadata',
        'fastifyProtection',
        'fastifyResourceMetadata',
        'isRefusal',
        'issuerClientKeys',
        'koaProtection',
        'koaResourceMetadata',
        'logTo',
        'nodeProtection',
        'nodeResourceMetadata',
        'refusalAnswer',
        'signatureOf',
        'type AcceptedTokens',
        'type AnswerKey',
        'type AnswerSigner',
        'type Authorization',
        'type AuthorizedHandler',
        'type Authorizer',
        'type AuthorizerOptions',
        'type BerlinSignatureOptions',
        'type ChallengeFacts',
        'type CheckedTpp',
        'type ClientCertificate',
        'type ClientCertificateOptions',
        'type ClientCertificateSource',
        'type ConnectionLimitOptions',
        'type ConnectionLimits',
        'type DetachedJwsOptions',
        'type DpopOptions',
        'type EventDefinition',
        'type EventFields',
        'type EventName',
        'type EventSink',
        'type FapiSignatureOptions',
        'type GatewayOptions',
        'type GatewayRoute',
        'type IntrospectionOptions',
        'type IssuerClientKeys',
        'type IssuerClientKeysOptions',
        'type KeysOf',
        'type Log',
        'type MessageSignatureOptions',
        'type MessageSignatures',
        'type OriginalRequest',
        'type PresentedCertificate',
        'type Protection',
        'type ProtectionOptions',
        'type RefusalAnswer',
        'type RequestWithCertificate',
        'type Requirement',
        'type ResourceMetadata',
        'type ResourceMetadataOptions',
        'type RouteRequirement',
        'type SealCheck',
        'type SealTrust',
        'type SenderConstraint',
        'type SignatureProof',
        'type TppCheck',
        'type Upstream',
        'type Verdict',
      ],
    ],
    [
      'tpp-registry/index.ts',
      [
        'OpenBankingError',
        'canonicalNca',
        'createRegistry',
        'isRefusal',
        'logTo',
        'openFileRegistry',
        'parseTppRecords',
        'sameNca',
        'type EventDefinition',
        'type EventFields',
        'type EventName',
        'type EventSink',
        'type FileRegistry',
        'type FileRegistryOptions',
        'type Log',
        'type PspRole',
        'type TppRecord',
        'type TppRegistry',
        'type TppStatus',
      ],
    ],
  ])('of %s', (path, names) => {
    expect(exportsOf(path)).toEqual(names);
  });
});

describe('package.json', () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(read('package.json'));

  it('installs nothing with the server that only the sandbox or an API needs', () => {
    const optional = [...SANDBOX_PACKAGES, 'express', 'fastify'].sort();
    expect(Object.keys(peerDependencies).sort()).toEqual(optional);
    expect(peerDependenciesMeta).toEqual(
      Object.fromEntries(optional.map((name) => [name, { optional: true }])),
    );
    expect(optional.filter((name) => name in dependencies)).toEqual([]);
  });
});
