export { OpenBankingError } from '../errors.ts';
export {
  type ClientCertificate,
  type ClientCertificateOptions,
  type ClientCertificateSource,
  createClientCertificateSource,
  type PresentedCertificate,
} from '../mutual-tls/client-certificate.ts';
export {
  type Authorization,
  type Authorizer,
  type AuthorizerOptions,
  createAuthorizer,
  type RequestWithCertificate,
  type Requirement,
} from './authorize.ts';
export { type RefusalAnswer, refusalAnswer } from './challenge.ts';
export { koaProtection } from './koa.ts';
export { type AuthorizedHandler, nodeProtection } from './node.ts';
export {
  authorizationOf,
  createProtection,
  type OriginalRequest,
  type Protection,
  type ProtectionOptions,
  type Verdict,
} from './protection.ts';
