export { isRefusal, OpenBankingError } from '../errors.ts';
export {
  type EventDefinition,
  type EventFields,
  type EventName,
  type EventSink,
  type Log,
  logTo,
} from '../events.ts';
export {
  type ClientCertificate,
  type ClientCertificateOptions,
  type ClientCertificateSource,
  createClientCertificateSource,
  type PresentedCertificate,
} from '../mutual-tls/client-certificate.ts';
export {
  type ConnectionLimits,
  createConnectionLimits,
} from '../mutual-tls/limits/connection-limits.ts';
export type { ConnectionLimitOptions } from '../mutual-tls/limits/connection-settings.ts';
export type { Authorization } from './token/access-token.ts';
export { type Authorizer, createAuthorizer } from './decision/authorize.ts';
export type {
  AuthorizerOptions,
  ConsentOptions,
  DpopOptions,
  IntrospectionOptions,
  IssuerQuestion,
} from './decision/authorizer-options.ts';
export { type ChallengeFacts, type RefusalAnswer, refusalAnswer } from './decision/challenge.ts';
export type {
  AcceptedTokens,
  ResourceMetadata,
  ResourceMetadataOptions,
} from './decision/resource-metadata.ts';
export { expressProtection, expressResourceMetadata } from './frameworks/express.ts';
export { fastifyProtection, fastifyResourceMetadata } from './frameworks/fastify.ts';
export type { Upstream } from './gateway/forwarding.ts';
export { createGateway, type GatewayOptions } from './gateway/gateway.ts';
export type { GatewayRoute } from './gateway/gateway-routes.ts';
export { koaProtection, koaResourceMetadata } from './frameworks/koa.ts';
export { type AuthorizedHandler, nodeProtection, nodeResourceMetadata } from './frameworks/node.ts';
export type { SenderConstraint } from './token/confirmation.ts';
export type { RequestWithCertificate } from './token/presented-token.ts';
export type { ConsentInformation } from './consent/consent-information.ts';
export { type PaymentDetail, paymentHashOf } from '../consent/details/payment-hash.ts';
export type { Covers } from './decision/coverage.ts';
export {
  type AskedRequest,
  createProtection,
  type OriginalRequest,
  type Protection,
  type ProtectionOptions,
  type Verdict,
} from './decision/protection.ts';
export { authorizationOf, signatureOf } from './decision/proven-request.ts';
export type { RouteRequirement } from './decision/route-requirement.ts';
export type { Requirement } from './decision/requirement.ts';
export type { CheckedTpp, TppCheck } from './decision/tpp-check.ts';
export type { AnswerKey } from './signatures/answer-signer.ts';
export type { KeysOf } from './signatures/client-keys.ts';
export {
  type IssuerClientKeys,
  type IssuerClientKeysOptions,
  issuerClientKeys,
} from './signatures/issuer-client-keys.ts';
export type { MessageSignatures } from './signatures/message-signatures.ts';
export type { SealCheck, SealTrust } from './signatures/seal.ts';
export type { AnswerSigner, SignatureProof } from './signatures/signature-format.ts';
export {
  type BerlinSignatureOptions,
  createMessageSignatures,
  type DetachedJwsOptions,
  type FapiSignatureOptions,
  type MessageSignatureOptions,
} from './signatures/signature-options.ts';
