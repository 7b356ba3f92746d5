export { OpenBankingError } from '../errors.ts';
export { type PresentedCertificate, presentedCertificate } from '../mutual-tls/client-certificate.ts';
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
export type { ProtectionOptions } from './protection.ts';
