import type { Ports } from '../../durability/bank.ts';
import { codeOf, kept, onwardOf, type Tpp } from '../../durability/tpp.ts';

/** The forms of the pages that oidc-provider brings: any name and password, then consent. */
const BARE_FORMS = {
  login: { prompt: 'login', login: 'c1', password: 'any' },
  consent: { prompt: 'consent' },
};
const STEPS = 12;

/** The authorization code at the end of them. */
export async function bareCode(tpp: Tpp, ports: Ports, requestUri: string): Promise<string | undefined> {
  const cookies = new Map<string, string>();
  let path = `/authorize?${new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri })}`;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < STEPS; step += 1) {
    const sent = { cookies, ...(form === undefined ? {} : { form }) };
    const answer = kept(cookies, await tpp.browse({ ports }, path, sent));
    const onward = onwardOf(answer);
    form = undefined;
    if (onward?.startsWith(tpp.redirectUri) === true) return codeOf(answer);
    if (onward !== undefined) {
      const next = new URL(onward, 'https://none');
      path = next.pathname + next.search;
      continue;
    }
    if (answer.status !== 200) throw new Error(`the pages: ${answer.status} ${answer.text.slice(0, 500)}`);
    const name = answer.text.includes('name="prompt" value="login"') ? 'login' : 'consent';
    form = new URLSearchParams(BARE_FORMS[name]);
  }
  throw new Error('the flow does not end');
}
