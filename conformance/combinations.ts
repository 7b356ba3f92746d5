import { matchesGlob } from 'node:path';
import { invalidConfig } from '../src/errors.ts';

/** One plan of the suite with its variant, and so one column of a certification. */
export interface Combination {
  /** Short and unique: `sp-mtls-dpop-openid`. */
  readonly name: string;
  /** The suite's name of the plan. */
  readonly plan: string;
  /** In the names and values of the suite. */
  readonly variant: Readonly<Record<string, string>>;
}

const CLIENT_AUTHENTICATION = { mtls: 'mtls', jwt: 'private_key_jwt' } as const;
const SECURITY_PROFILE = 'fapi2-security-profile-final-test-plan';
export const MESSAGE_SIGNING = 'fapi2-message-signing-final-test-plan';
export const FAPI1_ADVANCED = 'fapi1-advanced-final-test-plan';
export const CIBA = 'fapi-ciba-id1-test-plan';
export const BRAZIL_DCR = 'fapi1-advanced-final-brazil-dcr-test-plan';
/** The suite's name of UK Open Banking. */
export const UK = 'openbanking_uk';

/** Every combination that this server claims to pass. */
export const COMBINATIONS: readonly Combination[] = [
  ...combinationsOf('sp', SECURITY_PROFILE, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { mtls: 'mtls', dpop: 'dpop' } },
    { openid: { openid: 'openid_connect', oauth: 'plain_oauth' } },
    { fapi_profile: { '': 'plain_fapi' } },
  ]),
  ...combinationsOf('sp', SECURITY_PROFILE, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { mtls: 'mtls', dpop: 'dpop' } },
    { openid: { '': 'openid_connect' } },
    { fapi_profile: { '': 'plain_fapi' } },
    { authorization_request_type: { rar: 'rar' } },
  ]),
  ...combinationsOf('cc', SECURITY_PROFILE, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { mtls: 'mtls', dpop: 'dpop' } },
    { openid: { '': 'plain_oauth' } },
    { fapi_profile: { '': 'fapi_client_credentials_grant' } },
  ]),
  ...combinationsOf('ms', MESSAGE_SIGNING, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { mtls: 'mtls', dpop: 'dpop' } },
    { openid: { '': 'openid_connect' } },
    { fapi_profile: { '': 'plain_fapi' } },
    { fapi_request_method: { '': 'signed_non_repudiation' } },
    { fapi_response_mode: { plain: 'plain_response', jarm: 'jarm' } },
  ]),
  ...combinationsOf('fapi1', FAPI1_ADVANCED, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { fapi_auth_request_method: { value: 'by_value', pushed: 'pushed' } },
    { fapi_profile: { '': 'plain_fapi' } },
    { fapi_response_mode: { plain: 'plain_response', jarm: 'jarm' } },
  ]),
  ...combinationsOf('uk-fapi1', FAPI1_ADVANCED, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { fapi_auth_request_method: { value: 'by_value' } },
    { fapi_profile: { '': UK } },
    { fapi_response_mode: { '': 'plain_response' } },
  ]),
  ...combinationsOf('uk-sp', SECURITY_PROFILE, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { '': 'mtls' } },
    { openid: { '': 'openid_connect' } },
    { fapi_profile: { '': UK } },
  ]),
  ...combinationsOf('uk-ms', MESSAGE_SIGNING, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { sender_constrain: { '': 'mtls' } },
    { openid: { '': 'openid_connect' } },
    { fapi_profile: { '': UK } },
    { fapi_request_method: { '': 'signed_non_repudiation' } },
    { fapi_response_mode: { '': 'plain_response' } },
  ]),
  ...combinationsOf('brazil-dcr', BRAZIL_DCR, [
    { client_auth_type: { '': 'private_key_jwt' } },
    { fapi_auth_request_method: { '': 'pushed' } },
    { fapi_profile: { '': 'openbanking_brazil' } },
    { fapi_response_mode: { '': 'plain_response' } },
  ]),
  ...combinationsOf('ciba', CIBA, [
    { client_auth_type: CLIENT_AUTHENTICATION },
    { fapi_ciba_profile: { '': 'plain_fapi' } },
    { client_registration: { '': 'static_client' } },
    { ciba_mode: { poll: 'poll', ping: 'ping' } },
  ]),
];

/** One parameter of the suite, with the part of the combination's name that stands for each of its values. */
type Parameter = Readonly<Record<string, Readonly<Record<string, string>>>>;

function combinationsOf(family: string, plan: string, parameters: readonly Parameter[]): Combination[] {
  const start: Combination[] = [{ name: family, plan, variant: {} }];
  return parameters
    .flatMap((parameter) => Object.entries(parameter))
    .reduce(
      (made, [parameter, values]) =>
        made.flatMap(({ name, variant }) =>
          Object.entries(values).map(([part, value]) => {
            const longer = part === '' ? name : `${name}-${part}`;
            return { name: longer, plan, variant: { ...variant, [parameter]: value } };
          }),
        ),
      start,
    );
}

/** The combinations whose names match one of the patterns (`sp-*`). @throws ERR_CONFIG_INVALID for a pattern that matches none */
export function chosenCombinations(patterns: readonly string[]): readonly Combination[] {
  const useless = patterns.find((pattern) => !COMBINATIONS.some(({ name }) => matchesGlob(name, pattern)));
  if (useless !== undefined) {
    const names = COMBINATIONS.map(({ name }) => name).join(' ');
    const message = `no combination is named ${useless}; there are ${names}`;
    throw invalidConfig('command line', [{ path: '--combinations', message }]);
  }
  return COMBINATIONS.filter(
    ({ name }) => patterns.length === 0 || patterns.some((pattern) => matchesGlob(name, pattern)),
  );
}
