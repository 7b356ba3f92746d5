import * as oauth from 'openid-client';
import { systemClock } from '../../clock.ts';
import { tppNamed } from '../curl-lines.ts';
import { clientNamed } from '../sandbox-clients.ts';
import { showApprovals } from './approval-walk.ts';
import { authorize } from './authorization-request.ts';
import type { DemoTpp, DemoTppOptions } from './demo-tpp.ts';
import { showAudit } from './journeys/audit-journey.ts';
import { showBerlin } from './journeys/berlin-journey.ts';
import { showPasskey } from './journeys/passkey-journey.ts';
import { showRar } from './journeys/rar-journey.ts';
import { showSixthAttempt } from './journeys/sixth-attempt.ts';
import { showUk } from './journeys/uk-journey.ts';
import { showSignatures } from './signature-walk.ts';
import { showRegisters } from './register-walk.ts';
import { showRegistration } from './registration-walk.ts';
import { showProfiles } from './profile-walks.ts';
import type { SandboxDescription } from '../folder.ts';
import { answerOf, boundTo, type DemoStep, Walk } from './walk.ts';

/** Walks as TPPs would, against a running sandbox. True when every step did what it should. */
export async function runDemo(
  description: SandboxDescription,
  report: (step: DemoStep) => void,
): Promise<boolean> {
  const walk = new Walk(description, report);
  const since = systemClock.now();
  try {
    walk.begin('Tokens, and the certificate or key to which they are bound');
    await showBinding(walk);
    await showDpop(walk);
    walk.begin("A customer's consent, from the pushed request to the end of its tokens");
    await showConsent(walk);
    walk.begin('Clients of other profiles');
    await showProfiles(walk);
    walk.begin('A customer who is asked on the phone');
    await showApprovals(walk);
    walk.begin('Access to accounts and payments, as the UK has them');
    await showUk(walk);
    walk.begin('The same by the Berlin Group: the certificate is the registration');
    await showBerlin(walk);
    walk.begin('The same by authorization details (RFC 9396)');
    await showRar(walk);
    walk.begin('A payment that a passkey confirms');
    await showPasskey(walk);
    walk.begin('A stranger who guesses passwords');
    await showSixthAttempt(walk);
    walk.begin('Signed requests and answers of the bank');
    await showSignatures(walk);
    walk.begin('A TPP that registers its clients by itself');
    await showRegistration(walk);
    walk.begin('Registers: who may act, and who may issue certificates');
    await showRegisters(walk);
    walk.begin('Requests that are refused');
    await showRefusals(walk);
    walk.begin('The audit record of this walk');
    await showAudit(walk, { since });
  } finally {
    await walk.close();
  }
  return walk.isRight;
}

async function showBinding(walk: Walk): Promise<void> {
  const one = await walk.connect('money-one');
  const two = await walk.connect('money-two');
  const nobody = await walk.connect('money-one', { certificate: 'none' });
  await walk.succeeds(
    "the bank's challenge leads to its authorization server",
    () => nobody.discover('/accounts'),
    ({ authorization_servers: servers, scopes_supported: scopes }) => `${servers} for ${scopes.join(', ')}`,
  );
  const tokens = await walk.succeeds(
    'a token by certificate (tls_client_auth)',
    () => tokensOf(one, 'accounts'),
    (answer) => `token for "${answer.scope}", bound to ${boundTo(answer)}`,
  );
  await walk.succeeds(
    'a token by signed assertion (private_key_jwt)',
    async () => tokensOf(await walk.connect('money-one', { method: 'private_key_jwt' }), 'accounts'),
    (answer) => `token, bound to ${boundTo(answer)}`,
  );
  const token = tokens?.access_token;
  await walk.calls('the bank answers to it', { tpp: one, token });
  const stolen = "the same token from another TPP's certificate";
  await walk.calls(stolen, { tpp: two, token, code: 'ERR_TOKEN_BINDING' });
  await walk.calls('the same token without a certificate', { tpp: nobody, token, code: 'ERR_CERT_MISSING' });
}

async function showDpop(walk: Walk): Promise<void> {
  const client = clientNamed(tppNamed(walk.description, 'money-one'), '-mtls-certificate-and-dpop');
  const holder = await walk.connect('money-one', { client });
  const tokens = await walk.succeeds(
    'a token of a DPoP key besides the certificate',
    () => tokensOf(holder, 'accounts'),
    (answer) => `token, bound to ${boundTo(answer)}`,
  );
  const token = tokens?.access_token;
  await walk.calls('the bank answers to a proof of the key', { tpp: holder, token });
  const other = await walk.connect('money-one', { client });
  await walk.calls('a proof of another key', { tpp: other, token, code: 'ERR_DPOP_PROOF' });
  const bearer = await walk.connect('money-one');
  await walk.calls('no proof', { tpp: bearer, token, code: 'ERR_DPOP_PROOF' });
}

/** A request for a token that has to be refused. */
interface GrantRefusal {
  readonly title: string;
  readonly code: string;
  /** Default: money-one. */
  readonly tpp?: string;
  /** Default: accounts. */
  readonly scope?: string;
  readonly options?: Partial<DemoTppOptions>;
}

function grantRefusals(description: SandboxDescription): readonly GrantRefusal[] {
  const other = tppNamed(description, 'money-two');
  return [
    {
      title: 'an account information provider asks for payments',
      code: 'ERR_TPP_ROLE_MISSING',
      tpp: 'accounts-app',
      scope: 'payments',
    },
    { title: 'a TPP whose authorization was withdrawn', code: 'ERR_TPP_NOT_AUTHORIZED', tpp: 'gone-fintech' },
    ...(['tls_client_auth', 'private_key_jwt'] as const).map((method) => ({
      title: `a client with another TPP's certificate (${method})`,
      code: 'ERR_TPP_CLIENT_MISMATCH',
      options: { method, certificate: other },
    })),
    ...description.broken.map((broken) => ({
      title: `a broken certificate: ${broken.name}`,
      code: broken.expectedCode,
      options: { certificate: broken, presentsWeak: true },
    })),
  ];
}

async function showRefusals(walk: Walk): Promise<void> {
  for (const refusal of grantRefusals(walk.description)) {
    const { title, code, tpp = 'money-one', scope = 'accounts', options } = refusal;
    const client = await walk.connect(tpp, options);
    await walk.isRefused(title, code, () => tokensOf(client, scope));
  }
}

async function showConsent(walk: Walk): Promise<void> {
  const one = await walk.connect('money-one');
  const { caFile } = walk.description;
  await walk.succeeds(
    'the customer cancels',
    async () => {
      const { searchParams, search } = (await authorize(one, { caFile, answer: { decision: 'cancel' } }))
        .callback;
      if (searchParams.get('error') !== 'access_denied') throw new Error(`the answer was ${search}`);
      return searchParams;
    },
    (answer) => `sent back with ${answer.get('error')}, iss ${answer.get('iss')}`,
  );
  const flow = await walk.succeeds(
    'PAR, login, consent, code, token',
    async () => {
      const { redeem } = await authorize(one, { caFile, answer: answerOf(walk) });
      return { redeem, tokens: await redeem() };
    },
    ({ tokens }) => `token for "${tokens.scope}", refresh token, ID token`,
  );
  if (flow === undefined) return;
  const { access_token: first, refresh_token: refreshToken = '' } = flow.tokens;
  await walk.calls("the bank shows the customer's accounts", {
    tpp: one,
    token: first,
    describe: (body) => `${(body.accounts as unknown[]).length} accounts`,
  });
  const certificate = tppNamed(walk.description, 'money-one').renewed;
  const renewed = await walk.connect('money-one', { certificate });
  const refresh = () => oauth.refreshTokenGrant(renewed.config, refreshToken);
  const fresh = await walk.succeeds(
    'the TPP renews its certificate and refreshes',
    refresh,
    (answer) => `token, bound to ${boundTo(answer)}`,
  );
  const token = fresh?.access_token;
  await walk.calls('the bank answers to the renewed certificate', { tpp: renewed, token });
  await walk.calls('that token from the old certificate', { tpp: one, token, code: 'ERR_TOKEN_BINDING' });
  await walk.isRefused('the code is used a second time', 'invalid_grant', flow.redeem);
  await walk.isRefused('… and its refresh token is dead', 'invalid_grant', refresh);
  await walk.calls('… and its access tokens are dead', {
    tpp: one,
    token: first,
    code: 'ERR_TOKEN_REVOKED',
  });
}

function tokensOf(tpp: DemoTpp, scope: string) {
  return oauth.clientCredentialsGrant(tpp.config, { scope }, tpp.binding);
}
