import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { tppNamed } from '../curl-lines.ts';
import { type CustomerAnswer, walkPages } from './demo-browser.ts';
import { connectTpp, type DemoTpp, type DemoTppOptions } from './demo-tpp.ts';
import { DEMO_REDIRECT_URI, type SandboxDescription } from '../folder.ts';

/** One step of the walk: the attempt and its outcome, in one line. */
export interface DemoStep {
  readonly title: string;
  readonly isRight: boolean;
  readonly happened: string;
}

/** From a code's second use to the refusal of its access token: the status list is at most five seconds old. */
const REVOCATION_SECONDS = 8;

interface Walk {
  readonly description: SandboxDescription;
  readonly report: (step: DemoStep) => void;
  readonly open: DemoTpp[];
}

/** Walks as TPPs would, against a running sandbox. True when every step did what it should. */
export async function runDemo(
  description: SandboxDescription,
  report: (step: DemoStep) => void,
): Promise<boolean> {
  let isRight = true;
  const walk: Walk = {
    description,
    open: [],
    report: (step) => {
      isRight &&= step.isRight;
      report(step);
    },
  };
  try {
    await showBinding(walk);
    await showRefusals(walk);
    await showBrokenCertificates(walk);
    await showConsent(walk);
  } finally {
    await Promise.all(walk.open.map((tpp) => tpp.close()));
  }
  return isRight;
}

async function showBinding(walk: Walk): Promise<void> {
  const one = await connect(walk, 'money-one');
  const two = await connect(walk, 'money-two');
  const nobody = await connect(walk, 'money-one', { certificate: 'none' });
  const token = await must(walk, 'a token by certificate (tls_client_auth)', async () => {
    const answer = await oauth.clientCredentialsGrant(one.config, { scope: 'accounts' });
    return {
      value: answer.access_token,
      happened: `token for "${answer.scope}", bound to ${boundTo(answer.access_token)}`,
    };
  });
  await must(walk, 'a token by signed assertion (private_key_jwt)', async () => {
    const jwt = await connect(walk, 'money-one', { method: 'private_key_jwt' });
    const answer = await oauth.clientCredentialsGrant(jwt.config, { scope: 'accounts' });
    return { value: answer.access_token, happened: `token, bound to ${boundTo(answer.access_token)}` };
  });
  await apiStep(walk, 'the bank answers to it', { tpp: one, token, status: 200 });
  await apiStep(walk, "the same token from another TPP's certificate", {
    tpp: two,
    token,
    status: 401,
    code: 'ERR_TOKEN_BINDING',
  });
  await apiStep(walk, 'the same token without a certificate', {
    tpp: nobody,
    token,
    status: 401,
    code: 'ERR_CERT_MISSING',
  });
}

async function showRefusals(walk: Walk): Promise<void> {
  const aisp = await connect(walk, 'accounts-app');
  await refusalStep(walk, 'an account information provider asks for payments', {
    code: 'ERR_TPP_ROLE_MISSING',
    run: () => oauth.clientCredentialsGrant(aisp.config, { scope: 'payments' }),
  });
  const gone = await connect(walk, 'gone-fintech');
  await refusalStep(walk, 'a TPP whose authorization was withdrawn', {
    code: 'ERR_TPP_NOT_AUTHORIZED',
    run: () => oauth.clientCredentialsGrant(gone.config, { scope: 'accounts' }),
  });
  const other = tppNamed(walk.description, 'money-two');
  for (const method of ['tls_client_auth', 'private_key_jwt'] as const) {
    const posing = await connect(walk, 'money-one', { method, certificate: other });
    await refusalStep(walk, `a client with another TPP's certificate (${method})`, {
      code: 'ERR_TPP_CLIENT_MISMATCH',
      run: () => oauth.clientCredentialsGrant(posing.config, { scope: 'accounts' }),
    });
  }
}

async function showBrokenCertificates(walk: Walk): Promise<void> {
  for (const broken of walk.description.broken) {
    const tpp = await connect(walk, 'money-one', { certificate: broken, presentsWeak: true });
    await refusalStep(walk, `a broken certificate: ${broken.name}`, {
      code: broken.expectedCode,
      run: () => oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' }),
    });
  }
}

async function showConsent(walk: Walk): Promise<void> {
  const one = await connect(walk, 'money-one');
  const [customer] = walk.description.customers;
  if (customer === undefined) throw new TypeError('the sandbox has no customer');
  const allowed = { decision: 'allow', ...customer } as const;
  await must(walk, 'the customer cancels', async () => {
    const { callback } = await authorize(walk, one, { decision: 'cancel' });
    const error = callback.searchParams.get('error');
    if (error !== 'access_denied') throw new Error(`the answer was ${callback.search}`);
    return { value: undefined, happened: `sent back with ${error}, iss ${callback.searchParams.get('iss')}` };
  });
  const flow = await must(walk, 'PAR, login, consent, code, token', async () => {
    const value = await authorize(walk, one, allowed);
    const tokens = await value.redeem();
    return { value: { ...value, tokens }, happened: `token for "${tokens.scope}", refresh token, ID token` };
  });
  if (flow === undefined) return;
  await apiStep(walk, "the bank shows the customer's accounts", {
    tpp: one,
    token: flow.tokens.access_token,
    status: 200,
    describe: (body) => `${(body.accounts as unknown[]).length} accounts`,
  });
  const renewed = await connect(walk, 'money-one', {
    certificate: tppNamed(walk.description, 'money-one').renewed,
  });
  const refreshToken = flow.tokens.refresh_token ?? '';
  const fresh = await must(walk, 'the TPP renews its certificate and refreshes', async () => {
    const answer = await oauth.refreshTokenGrant(renewed.config, refreshToken);
    return { value: answer.access_token, happened: `token, bound to ${boundTo(answer.access_token)}` };
  });
  await apiStep(walk, 'the bank answers to the renewed certificate', {
    tpp: renewed,
    token: fresh,
    status: 200,
  });
  await apiStep(walk, 'that token from the old certificate', {
    tpp: one,
    token: fresh,
    status: 401,
    code: 'ERR_TOKEN_BINDING',
  });
  await refusalStep(walk, 'the code is used a second time', { code: 'invalid_grant', run: flow.redeem });
  await refusalStep(walk, '… and its refresh token is dead', {
    code: 'invalid_grant',
    run: () => oauth.refreshTokenGrant(renewed.config, refreshToken),
  });
  await apiStep(walk, '… and its access tokens are dead', {
    tpp: one,
    token: flow.tokens.access_token,
    status: 401,
    code: 'ERR_TOKEN_REVOKED',
    withinSeconds: REVOCATION_SECONDS,
  });
}

async function authorize(walk: Walk, tpp: DemoTpp, answer: CustomerAnswer) {
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const nonce = oauth.randomNonce();
  const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  });
  const callback = await walkPages(url, { caFile: walk.description.caFile, answer });
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

async function connect(walk: Walk, name: string, options: Partial<DemoTppOptions> = {}): Promise<DemoTpp> {
  const { description } = walk;
  const tpp = await connectTpp({ description, tpp: tppNamed(description, name), ...options });
  walk.open.push(tpp);
  return tpp;
}

/** A step that has to succeed; undefined when it did not. */
async function must<T>(
  walk: Walk,
  title: string,
  run: () => Promise<{ readonly value: T; readonly happened: string }>,
): Promise<T | undefined> {
  try {
    const { value, happened } = await run();
    walk.report({ title, isRight: true, happened });
    return value;
  } catch (error) {
    walk.report({ title, isRight: false, happened: describeError(error) });
    return undefined;
  }
}

/** A step that has to be refused, with this code in the answer. */
async function refusalStep(
  walk: Walk,
  title: string,
  expected: { readonly code: string; readonly run: () => Promise<unknown> },
): Promise<void> {
  try {
    await expected.run();
    walk.report({ title, isRight: false, happened: 'it was allowed' });
  } catch (error) {
    const happened = describeError(error);
    walk.report({ title, isRight: happened.includes(expected.code), happened });
  }
}

interface ApiExpectation {
  readonly tpp: DemoTpp;
  readonly token: string | undefined;
  readonly status: number;
  readonly code?: string;
  readonly describe?: (body: Record<string, unknown>) => string;
  /** Tries again until then. */
  readonly withinSeconds?: number;
}

async function apiStep(walk: Walk, title: string, expected: ApiExpectation): Promise<void> {
  const { tpp, token = '', code } = expected;
  for (let waited = 0; ; waited += 1) {
    const { status, body } = await tpp.call('/accounts', token);
    const text = status === 200 ? (expected.describe?.(body) ?? '') : String(body.error_description ?? '');
    const isRight = status === expected.status && (code === undefined || text.includes(code));
    if (isRight || waited >= (expected.withinSeconds ?? 0)) {
      walk.report({ title, isRight, happened: [`HTTP ${status}`, text].filter(Boolean).join(', ') });
      return;
    }
    await sleep(1000);
  }
}

function describeError(error: unknown): string {
  if (error instanceof oauth.ResponseBodyError) {
    return `HTTP ${error.status} ${error.error}, ${error.error_description ?? ''}`;
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    const [challenge] = error.cause;
    return `HTTP ${error.status}, ${challenge?.parameters.error_description ?? ''}`;
  }
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function boundTo(token: string): string {
  const [, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
    readonly cnf?: Record<string, string>;
  };
  return `${claims.cnf?.['x5t#S256']?.slice(0, 12) ?? 'NOTHING'}…`;
}
