import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI, type SandboxDescription } from '../../../src/sandbox/folder.ts';

/** The first customer allows `money-one` one account: the token for it, and its consent. */
export async function allowAccess(description: SandboxDescription, account: string) {
  const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
  const verifier = oauth.randomPKCECodeVerifier();
  const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: 's',
  });
  const [customer] = description.customers;
  if (customer === undefined) throw new Error('no customer');
  const chooses = (accountId: string) => accountId === account;
  const answer = { decision: 'allow', ...customer, chooses } as const;
  const callback = await walkPages(url, { caFile: description.caFile, answer });
  const checks = { pkceCodeVerifier: verifier, expectedState: 's' };
  const { access_token: token } = await oauth.authorizationCodeGrant(tpp.config, callback, checks);
  await tpp.close();
  return { token, consentId: String(decodeJwt(token).consent_id) };
}
