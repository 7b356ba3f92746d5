import type { Answer } from './target/answer.ts';
import { randomVerifier } from './target/client-requests.ts';
import type { Exchange } from './target/exchange.ts';
import type { Presented } from './folder/prepared-folder.ts';
import { notTried, type PlanRun, resultOf } from './plan-run.ts';
import type { ClientName } from './folder/prepared-folder.ts';
import { type Result, RULE, type Rule, type Way } from './rules.ts';

type Authorize = (url: URL) => Promise<URL>;

const API: Way = 'api';
const TOKEN: Way = 'token tls_client_auth';
const API_RULES = [RULE.apiGood, RULE.stolen, RULE.bound, RULE.bare];
const REFRESH_RULES = [RULE.refreshRenewed, RULE.refreshOther, RULE.refreshClient, RULE.refreshBare];

/** Tries the API with a token and other certificates than the token's: with the customer's token if there is one. */
export async function runApiRules(run: PlanRun, consented: string | undefined): Promise<void> {
  const { requests } = run;
  const skip = (reason: string) => report(run, API_RULES, (rule) => notTried(rule, API, reason));
  if (requests.target.resource === undefined) return skip('no API is named: --resource');
  const { prepared } = requests;
  const good = await prepared.good('tls');
  const token = consented ?? (await clientToken(run, good));
  if (token === undefined) return skip('there is no token of the good certificate');
  const call = (presented: Presented | undefined) =>
    run.ask(() => requests.call(presented, token), { success: 'any 2xx' });
  const first = resultOf(RULE.apiGood, API, await call(good));
  run.add([first]);
  const [other, renewed] = await Promise.all([prepared.good('other'), prepared.renewed('tls')]);
  for (const [rule, presented] of [
    [RULE.stolen, other],
    [RULE.bound, renewed],
    [RULE.bare, undefined],
  ] as const) {
    const isTried = first.outcome === 'passed';
    run.add([
      isTried
        ? resultOf(rule, API, await call(presented))
        : notTried(rule, API, 'the API refuses its own token too, so a refusal proves nothing'),
    ]);
  }
}

async function clientToken(run: PlanRun, good: Presented): Promise<string | undefined> {
  if (!run.isOpen(TOKEN)) return undefined;
  const { json } = await run.ask(() => run.requests.token('tls', good), { success: 'access_token' });
  return textOf(json.access_token);
}

/** Tries a refresh token of a customer's consent with other certificates. Returns the customer's access token. */
export async function runConsentRules(
  run: PlanRun,
  authorize: Authorize | undefined,
): Promise<string | undefined> {
  const skip = (reason: string) => report(run, REFRESH_RULES, (rule) => notTried(rule, TOKEN, reason));
  if (authorize === undefined) {
    skip('a refresh token needs the consent of a customer: --authorize');
    return undefined;
  }
  const good = await run.requests.prepared.good('tls');
  const tokens = await consent(run, good, authorize).catch((error: unknown) => {
    skip(`no consent: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  if (tokens === undefined) return undefined;
  const { refresh_token: refreshToken } = tokens.json;
  if (typeof refreshToken === 'string') await tryRefreshToken(run, refreshToken);
  else skip(`no refresh token came with the customer's consent: ${tokens.text}`);
  return textOf(tokens.json.access_token);
}

/** Pushed request, the customer's browser, exchange of the code. @throws Error that says what did not come */
async function consent(run: PlanRun, good: Presented, authorize: Authorize): Promise<Answer> {
  const { requests } = run;
  const { authorizationEndpoint, parEndpoint, issuer } = requests.target;
  if (authorizationEndpoint === undefined || parEndpoint === undefined) {
    throw new Error('the metadata names no authorization endpoint, or no PAR endpoint');
  }
  const verifier = randomVerifier();
  const pushed = await run.ask(() => requests.pushed('tls', good, verifier), { success: 'request_uri' });
  const requestUri = textOf(pushed.json.request_uri);
  if (requestUri === undefined) throw new Error(`the pushed request was answered ${pushed.text}`);
  const url = new URL(authorizationEndpoint);
  url.searchParams.set('client_id', requests.prepared.clientId('tls'));
  url.searchParams.set('request_uri', requestUri);
  const { searchParams } = await authorize(url);
  const code = searchParams.get('code');
  if (code === null)
    throw new Error(`the callback has no code: ${searchParams.get('error') ?? 'no error either'}`);
  const iss = searchParams.get('iss');
  if (iss !== null && iss !== issuer) throw new Error('the callback is of another issuer (RFC 9207)');
  return run.ask(
    () =>
      requests.redeem('tls', good, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: requests.prepared.tester.redirectUri,
        code_verifier: verifier,
      }),
    { success: 'access_token' },
  );
}

async function tryRefreshToken(run: PlanRun, first: string): Promise<void> {
  const { prepared } = run.requests;
  const [renewed, other] = await Promise.all([prepared.renewed('tls'), prepared.good('other')]);
  const refresh = async (token: string, presented: Presented | undefined, client: ClientName = 'tls') => {
    const grant = { grant_type: 'refresh_token', refresh_token: token };
    const request = (): Promise<Exchange> => run.requests.redeem(client, presented, grant);
    return run.ask(request, { success: 'access_token' });
  };
  const answer = await refresh(first, renewed);
  const result = resultOf(RULE.refreshRenewed, TOKEN, answer);
  run.add([result]);
  if (result.outcome !== 'passed') {
    const reason = 'the refresh token is not accepted from its own TPP, so a refusal proves nothing';
    report(run, REFRESH_RULES.slice(1), (rule) => notTried(rule, TOKEN, reason));
    return;
  }
  const token = textOf(answer.json.refresh_token) ?? first;
  run.add([resultOf(RULE.refreshOther, TOKEN, await refresh(token, other))]);
  run.add([resultOf(RULE.refreshClient, TOKEN, await refresh(token, other, 'other'))]);
  run.add([resultOf(RULE.refreshBare, TOKEN, await refresh(token, undefined))]);
}

function report(run: PlanRun, rules: readonly Rule[], result: (rule: Rule) => Result): void {
  for (const rule of rules) run.add([result(rule)]);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
