import * as oauth from 'openid-client';
import { type CustomerAnswer, walkPages } from './demo-browser.ts';
import type { DemoTpp } from './demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../folder.ts';

/** How a TPP asks for an authorization; each profile allows some of them. */
export type RequestForm = 'pushed' | 'pushed-signed' | 'signed';

/** An authorization that went through the pages of the bank. */
export interface DemoAuthorization {
  /** Where the bank sent the customer. */
  readonly callback: URL;
  redeem(): ReturnType<typeof oauth.authorizationCodeGrant>;
}

/** Asks for an authorization, walks through the pages, and takes the answer. Each step is that of openid-client. */
export async function authorize(
  tpp: DemoTpp,
  options: {
    readonly caFile: string;
    readonly answer: CustomerAnswer;
    /** Default: pushed, not signed. */
    readonly form?: RequestForm;
    /** In place of these parameters, or besides them. */
    readonly parameters?: Readonly<Record<string, string>>;
  },
): Promise<DemoAuthorization> {
  const verifier = oauth.randomPKCECodeVerifier();
  const [state, nonce] = [oauth.randomState(), oauth.randomNonce()];
  const parameters = {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...options.parameters,
  };
  const url = await authorizationUrl(tpp, parameters, options.form ?? 'pushed');
  const callback = await walkPages(url, options);
  return {
    callback,
    redeem: () =>
      oauth.authorizationCodeGrant(tpp.config, callback, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      }),
  };
}

async function authorizationUrl(
  { config, signingKey }: DemoTpp,
  parameters: Readonly<Record<string, string>>,
  form: RequestForm,
): Promise<URL> {
  if (form === 'pushed') return oauth.buildAuthorizationUrlWithPAR(config, parameters);
  const signed = await oauth.buildAuthorizationUrlWithJAR(config, parameters, signingKey);
  return form === 'signed' ? signed : oauth.buildAuthorizationUrlWithPAR(config, signed.searchParams);
}
