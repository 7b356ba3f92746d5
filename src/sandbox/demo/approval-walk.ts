import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { systemClock, epochSeconds } from '../../clock.ts';
import type { DemoTpp } from './demo-tpp.ts';
import { answerOnPhone } from './phone.ts';
import { boundTo, type Walk } from './walk.ts';

const CLIENT = 'money-one-mtls-ciba-poll';
const ALGORITHM = 'ES256';

/** A client of CIBA: the customer is asked on the phone, and there is no browser. */
export async function showApprovals(walk: Walk): Promise<void> {
  const { description } = walk;
  const tpp = await walk.connect('money-one', { clientId: CLIENT });
  const [customer] = description.customers;
  const ask = () => askCustomer(tpp, description.issuer, customer?.username ?? '');
  const asked = await walk.succeeds(
    'a signed request for a customer, without a browser (CIBA)',
    ask,
    ({ expires_in: seconds }) => `the customer has ${seconds} seconds to answer`,
  );
  if (asked === undefined) return;
  const poll = (authReqId: string) =>
    oauth.genericGrantRequest(tpp.config, 'urn:openid:params:grant-type:ciba', { auth_req_id: authReqId });
  await walk.isRefused('a poll before the answer', 'authorization_pending', () => poll(asked.auth_req_id));
  const tokens = await walk.succeeds(
    'the customer allows it on the phone, and the next poll has the tokens',
    async () => {
      await answerOnPhone(description, 'approve');
      return poll(asked.auth_req_id);
    },
    (granted) => `token for "${granted.scope}", bound to ${boundTo(granted)}`,
  );
  await walk.calls('… and the bank answers to its token', { tpp, token: tokens?.access_token });
  await walk.isRefused('the customer rejects the next request', 'access_denied', async () => {
    const next = await ask();
    await answerOnPhone(description, 'reject');
    return poll(next.auth_req_id);
  });
}

async function askCustomer({ config, signingKey }: DemoTpp, issuer: string, username: string) {
  const now = epochSeconds(systemClock.now());
  const claims = {
    iss: CLIENT,
    aud: issuer,
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: randomUUID(),
    scope: 'openid accounts',
    login_hint: username,
    binding_message: 'Order 4711',
  };
  const { key, kid } = signingKey;
  const header = { alg: ALGORITHM, ...(kid === undefined ? {} : { kid }) };
  const request = await new SignJWT(claims).setProtectedHeader(header).sign(key);
  return oauth.initiateBackchannelAuthentication(config, { request });
}
