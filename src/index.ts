export type {
  AccountChoice,
  Aspsp,
  AuthenticationCall,
  AuthenticatedPsu,
  AuthenticationAnswer,
  AuthenticationContext,
  AuthenticationRefusal,
  AuthenticationState,
  AuthenticationStep,
  FormStep,
  RedirectStep,
  StepField,
  WaitStep,
} from './authorization-server/customer/bank/aspsp.ts';
export type {
  CustomerClaim,
  CustomerClaimValues,
} from './authorization-server/customer/claims/customer-claims.ts';
export type {
  Approval,
  ApprovalRequest,
  Approvals,
  AspspCall,
  CustomerHint,
  DecoupledApproval,
  FoundCustomer,
  StandingDecision,
} from './authorization-server/customer/bank/decoupled-approval.ts';
export type {
  Amount,
  AskedOf,
  CodeMessage,
  Confirmation,
  ConfirmationRequest,
  Confirmations,
  CustomerFactors,
  ExemptibleAccess,
  LinkedPayment,
  StrongAuthentication,
  TotpSecret,
} from './authorization-server/customer/bank/strong-authentication.ts';
export type { RegisteredClients } from './authorization-server/clients/clients.ts';
export type { RegisteredClient } from './authorization-server/clients/registered-client.ts';
export { type Clock, systemClock } from './clock.ts';
export { type Config, loadConfig, parseConfig } from './configuration/config.ts';
export type { FeedEntry, FeedPage } from './consent/change-feed.ts';
export type { AskedConsent, Attribution, ChangedContent } from './consent/consent-changes.ts';
export type { ConsentPage, PageRequest } from './consent/consent-records.ts';
export type {
  Actor,
  Consent,
  ConsentAuthentication,
  ConsentChange,
  ConsentRequester,
  ConsentStatus,
} from './consent/consent.ts';
export type { Consents } from './consent/consents.ts';
export type { AuthorizationDetail, Json } from './consent/details/authorization-detail.ts';
export type { ConsentReference } from './consent/details/consent-reference.ts';
export { ERROR_CODES, type ErrorCode, isRefusal, OpenBankingError, ruleOf } from './errors.ts';
export {
  type EventDefinition,
  type EventFields,
  type EventLevel,
  type EventName,
  type EventSink,
  type Log,
  logTo,
  silentLog,
} from './events.ts';
export { createLog, type LogOptions } from './log.ts';
export {
  type ConnectionLimits,
  createConnectionLimits,
} from './mutual-tls/limits/connection-limits.ts';
export type { ConnectionLimitOptions } from './mutual-tls/limits/connection-settings.ts';
export { createListener, type Listener, type ListenerOptions } from './mutual-tls/listeners.ts';
export { type RunningServer, type ServerParts, startServer } from './server/server.ts';
export type { RecordToStore, Store, StoredRecord } from './storage/store.ts';
export type { Tpp, TppAuthenticator } from './tpp/authenticate.ts';
export type { BlockList } from './tpp/block-list/block-list.ts';
