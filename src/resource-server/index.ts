export { OpenBankingError } from '../errors.ts';
export {
  type ClientCertificate,
  type ClientCertificateOptions,
  type ClientCertificateSource,
  createClientCertificateSource,
  type PresentedCertificate,
} from '../mutual-tls/client-certificate.ts';
export type { Authorization } from './access-token.ts';
export { type Authorizer, createAuthorizer } from './authorize.ts';
export type { AuthorizerOptions, DpopOptions, IntrospectionOptions } from './authorizer-options.ts';
export { type RefusalAnswer, refusalAnswer } from './challenge.ts';
export { expressProtection } from './express.ts';
export { fastifyProtection } from './fastify.ts';
export { createGateway, type GatewayOptions } from './gateway.ts';
export type { GatewayRoute } from './gateway-routes.ts';
export { koaProtection } from './koa.ts';
export { type AuthorizedHandler, nodeProtection } from './node.ts';
export type { RequestWithCertificate } from './presented-token.ts';
export {
  authorizationOf,
  createProtection,
  type OriginalRequest,
  type Protection,
  type ProtectionOptions,
  type RouteRequirement,
  type Verdict,
} from './protection.ts';
export type { Requirement } from './requirement.ts';
export type { CheckedTpp, TppCheck } from './tpp-check.ts';
