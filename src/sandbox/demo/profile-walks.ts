import * as oauth from 'openid-client';
import { tppNamed } from '../curl-lines.ts';
import { clientNamed } from '../sandbox-clients.ts';
import { authorize, type RequestForm } from './authorization-request.ts';
import { answerOf, boundTo, type Walk } from './walk.ts';

/** A client of each profile besides the default, and how it asks. */
interface ProfileWalk {
  readonly title: string;
  /** The end of its identifier. */
  readonly client: string;
  readonly form: RequestForm;
  /** Has openid-client demand what the profile promises. */
  readonly demand: (config: oauth.Configuration) => void;
}

const PROFILE_WALKS: readonly ProfileWalk[] = [
  {
    title: 'FAPI 2.0 Message Signing: signed request, signed response',
    client: 'jwt-signing',
    form: 'pushed-signed',
    demand: (config) => oauth.useJwtResponseMode(config),
  },
  {
    title: 'FAPI 1.0 Advanced: signed request by value, hybrid response with detached signature',
    client: 'jwt-fapi1',
    form: 'signed',
    demand: (config) => {
      oauth.useCodeIdTokenResponseType(config);
      oauth.enableDetachedSignatureResponseChecks(config);
    },
  },
];

/** One authorization by a client of each profile. */
export async function showProfiles(walk: Walk): Promise<void> {
  const answer = answerOf(walk);
  const { caFile } = walk.description;
  const money = tppNamed(walk.description, 'money-one');
  for (const { title, client, form, demand } of PROFILE_WALKS) {
    const tpp = await walk.connect('money-one', { client: clientNamed(money, client) });
    demand(tpp.config);
    const tokens = await walk.succeeds(
      title,
      async () => (await authorize(tpp, { caFile, answer, form })).redeem(),
      (granted) => `token for "${granted.scope}", bound to ${boundTo(granted)}`,
    );
    await walk.calls('… and the bank answers to its token', { tpp, token: tokens?.access_token });
  }
  const plain = await walk.connect('money-one', { client: clientNamed(money, 'mtls-signing') });
  await walk.isRefused('a client that must sign pushes without a signature', 'ERR_REQUEST_INVALID', () =>
    authorize(plain, { caFile, answer }),
  );
}
