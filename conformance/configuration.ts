import { readFile } from 'node:fs/promises';
import type { SandboxDescription, SandboxTpp } from '../src/sandbox/folder.ts';
import { AUTOMATION_PATH } from '../src/sandbox/bank/phone/phone-app.ts';
import { UK_BASE } from '../src/sandbox/bank/uk/uk-calls.ts';
import { CIBA, type Combination, UK } from './combinations.ts';
import { scopeOf, type SuiteClient } from './registrations.ts';

/** Prefixes of the modules' names, by the start of the plan's name. */
const MODULE_PREFIXES = ['fapi2-security-profile-final-', 'fapi1-advanced-final-'];
/** A sentence of every page that refuses a request. */
const REFUSAL_TEXT = 'could not be processed';
/** How long a page may take, in seconds; a machine with two plans at a time is slow. */
const PAGE_SECONDS = 20;

/** Members of the metadata that no standard has: the suite warns of them otherwise. */
const OWN_METADATA = ['consent_information_endpoint'];
/** An authentication context that the demo bank reaches (`acrValues`). */
const ACR = 'urn:openbanking:psd2:sca';

/** The demo customer that walks through the pages. */
export interface Customer {
  readonly username: string;
  readonly password: string;
}

/** The suite's configuration of one combination: addresses, keys, certificates, and the walk through our pages. */
export async function suiteConfiguration(
  combination: Combination,
  from: {
    readonly sandbox: SandboxDescription;
    readonly clients: readonly [SuiteClient, SuiteClient];
    readonly customer: Customer;
    readonly alias: string;
    readonly suite: URL;
  },
): Promise<Readonly<Record<string, unknown>>> {
  const { name, plan, variant } = combination;
  const { sandbox, customer } = from;
  const [one, two] = from.clients;
  // The suite has no use for certificates when nothing is bound to them, and treats them as an error.
  const hasCertificates = variant.client_auth_type === 'mtls' || variant.sender_constrain !== 'dpop';
  return {
    alias: from.alias,
    description: `Tallystick, ${name}`,
    server: {
      discoveryUrl: `${sandbox.issuer}/.well-known/openid-configuration`,
      allow_unexpected_metadata_fields: OWN_METADATA,
    },
    client: clientOf(one, { combination, customer }),
    client2: { ...clientOf(two, { combination, customer }), ...(plan === CIBA ? { acr_value: ACR } : {}) },
    ...(hasCertificates
      ? { mtls: await certificateOf(one.tpp, sandbox), mtls2: await certificateOf(two.tpp, sandbox) }
      : {}),
    resource: resourceOf(combination, sandbox),
    ...(plan === CIBA ? approvalOf(sandbox) : walksOf(sandbox, customer, from.suite)),
  };
}

/** The resources that the suite asks for, and the access that it asks the customer for in so many words. */
function resourceOf({ variant }: Combination, { resourceUrl }: SandboxDescription) {
  if (variant.fapi_profile === UK) {
    const accounts = `${resourceUrl}${UK_BASE}/aisp/`;
    return { resourceUrlAccountRequests: accounts, resourceUrlAccountsResource: accounts };
  }
  const asked = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
  return {
    resourceUrl: `${resourceUrl}/accounts`,
    ...(variant.authorization_request_type === 'rar' ? { richAuthorizationRequest: [asked] } : {}),
  };
}

function clientOf(
  { registration, key }: SuiteClient,
  {
    combination: { plan, variant },
    customer,
  }: { readonly combination: Combination; readonly customer: Customer },
) {
  return {
    client_id: registration.client_id,
    scope: scopeOf(variant),
    jwks: { keys: [key.privateJwk] },
    ...(plan === CIBA ? { hint_type: 'login_hint', hint_value: customer.username } : {}),
  };
}

/** The address at which the demo bank answers for the customer, who has no telephone in a test. */
function approvalOf({ appUrl }: SandboxDescription) {
  const query = 'auth_req_id={auth_req_id}&action={action}';
  return { automated_ciba_approval_url: `${appUrl}${AUTOMATION_PATH}?${query}` };
}

async function certificateOf(tpp: SandboxTpp, sandbox: SandboxDescription) {
  const [cert, key, ca] = await Promise.all(
    [tpp.certificateFile, tpp.keyFile, sandbox.caFile].map((file) => readFile(file, 'utf8')),
  );
  return { cert, key, ca };
}

/** How the suite's browser walks through our pages, by the ids that they have. */
function walksOf(sandbox: SandboxDescription, customer: Customer, suite: URL) {
  const pages = `${sandbox.issuer}/interaction/*`;
  const match = `${sandbox.issuer}/authorize*`;
  const [login, consent] = [loginTask(pages, customer), consentTask(pages)];
  const back = {
    task: 'Back',
    // From the start: a request by value has this address among its parameters.
    match: new URL('/test/a/*/callback*', suite).href,
    commands: [['wait', 'id', 'submission_complete', PAGE_SECONDS]],
  };
  const refusal = {
    task: 'Refusal',
    match,
    optional: true,
    commands: [
      ['wait', 'xpath', '//*', PAGE_SECONDS, `.*${REFUSAL_TEXT}.*`, 'update-image-placeholder-optional'],
    ],
  };
  const cancel = { task: 'Cancel', match: pages, commands: [['click', 'id', 'cancel']] };
  const nothing = { task: 'First visit: do nothing', match: pages, commands: [] };
  const walk = { match, tasks: [refusal, login, consent, { ...back, optional: true }] };
  const overrides = {
    'user-rejects-authentication': [{ match, tasks: [cancel, back] }],
    'par-ensure-reused-request-uri-prior-to-auth-completion-succeeds': [
      { match, 'match-limit': 1, tasks: [nothing] },
      { match, tasks: [login, consent, back] },
    ],
  };
  const override = Object.fromEntries(
    MODULE_PREFIXES.flatMap((prefix) =>
      Object.entries(overrides).map(([name, browser]) => [prefix + name, { browser }]),
    ),
  );
  return { browser: [walk], override };
}

function loginTask(pages: string, { username, password }: Customer) {
  return {
    task: 'Log in',
    match: pages,
    optional: true,
    commands: [
      ['text', 'id', 'username', username],
      ['text', 'id', 'password', password],
      ['click', 'id', 'login'],
    ],
  };
}

function consentTask(pages: string) {
  return {
    task: 'Consent',
    match: pages,
    optional: true,
    commands: [
      ['click', 'id', 'account-0'],
      ['click', 'id', 'approve'],
    ],
  };
}
