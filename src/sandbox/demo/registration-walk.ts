import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import * as oauth from 'openid-client';
import { epochSeconds, systemClock } from '../../clock.ts';
import { tppNamed } from '../curl-lines.ts';
import { DEMO_REDIRECT_URI } from '../folder.ts';
import { SoftwareDirectory } from '../registers/software-directory.ts';
import type { DemoTpp } from './demo-tpp.ts';
import { boundTo, type Walk } from './walk.ts';

const TPP = 'money-one';
const ALGORITHM = 'ES256';
const MEMBERS = {
  redirect_uris: [DEMO_REDIRECT_URI],
  grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
  token_endpoint_auth_method: 'tls_client_auth',
};

type Members = Readonly<Record<string, unknown>>;

/** One way to register: the body of a request with these members. */
interface Way {
  readonly title: string;
  readonly type: 'application/json' | 'application/jwt';
  readonly body: (members: Members) => Promise<string>;
}

/** A TPP registers a client in each way, uses the client, renews its certificate, changes and deletes the client. */
export async function showRegistration(walk: Walk): Promise<void> {
  const tpp = await walk.connect(TPP);
  const renewed = await walk.connect(TPP, { certificate: tppNamed(walk.description, TPP).renewed });
  const json: Way = {
    title: 'the certificate is the statement (RFC 7591)',
    type: 'application/json',
    body: async (members) => JSON.stringify(members),
  };
  const jwt: Way = {
    title: 'the same under the seal of the TPP (QSealC)',
    type: 'application/jwt',
    body: (members) => sealed(walk, members),
  };
  for (const way of [json, jwt]) await showClient(walk, { way, tpp, renewed });
  if (walk.description.registers === undefined) return;
  const uk: Way = {
    title: "a software statement of the sandbox's directory (UK)",
    type: 'application/jwt',
    body: async (members) => ukRequest(tpp, { ...members, software_statement: await statement(walk, tpp) }),
  };
  await showClient(walk, { way: uk, tpp, renewed });
  await showBroken(walk, tpp);
}

async function showClient(
  walk: Walk,
  { way, tpp, renewed }: { readonly way: Way; readonly tpp: DemoTpp; readonly renewed: DemoTpp },
): Promise<void> {
  const { type, body } = way;
  const registered = await walk.succeeds(
    `a client is registered: ${way.title}`,
    async () => send(tpp, { type, body: await body(MEMBERS) }),
    ({ client_name: name, scope, profile }) => `${name}, for "${scope}"${profile ? `, ${profile}` : ''}`,
  );
  if (registered === undefined) return;
  const clientId = String(registered.client_id);
  const ofClient = (certificate?: 'renewed') => {
    const { renewed: other } = tppNamed(walk.description, TPP);
    return walk.connect(TPP, { clientId, ...(certificate === undefined ? {} : { certificate: other }) });
  };
  await walk.succeeds('… and gets a token', async () => tokenOf(await ofClient()), described);
  const fresh = await ofClient('renewed');
  await walk.succeeds('… and one by the renewed certificate', () => tokenOf(fresh), described);
  const manage = { url: registered.registration_client_uri, token: registered.registration_access_token };
  await walk.succeeds(
    '… which may change the client: accounts only',
    async () => {
      const members = { ...MEMBERS, client_id: clientId, scope: 'openid accounts' };
      return send(renewed, { ...manage, method: 'PUT', type, body: await body(members) });
    },
    ({ scope }) => `for "${scope}"`,
  );
  await walk.isRefused('… so that no payment is possible', 'invalid_scope', () => tokenOf(fresh, 'payments'));
  await walk.succeeds(
    '… and delete it',
    () => send(renewed, { ...manage, method: 'DELETE' }),
    () => 'the client has ended',
  );
  await walk.isRefused('… after which there is no such client', 'invalid_client', () => tokenOf(fresh));
}

/** Statements and requests that are not good. */
async function showBroken(walk: Walk, tpp: DemoTpp): Promise<void> {
  const register = async (members: Members, key?: CryptoKey) =>
    send(tpp, { type: 'application/jwt', body: await ukRequest(tpp, { ...MEMBERS, ...members }, key) });
  const good = async () => ({ software_statement: await statement(walk, tpp) });
  const { privateKey: otherKey } = await generateKeyPair(ALGORITHM);
  const jwks = { keys: [] };
  const redirect = ['https://attacker.example/callback'];
  const refusals: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    [
      'a statement that has expired',
      'more than 1800 seconds ago',
      async () => register({ software_statement: await statement(walk, tpp, '&expired=true') }),
    ],
    [
      "another TPP's statement",
      'is of the organisation',
      async () =>
        register({ iss: 'money-two', software_statement: await statement(walk, tpp, '', 'money-two') }),
    ],
    [
      'a statement of another directory',
      'a key that the key set does not have',
      async () => register({ software_statement: await ofOtherDirectory() }),
    ],
    [
      'a statement without a signature (alg none)',
      'JWS in compact form',
      () => register({ software_statement: new UnsecuredJWT({ iss: 'OpenBanking Ltd' }).encode() }),
    ],
    [
      'a redirect URI outside the statement',
      'invalid_redirect_uri',
      async () => register({ ...(await good()), redirect_uris: redirect }),
    ],
    ['keys by value', 'jwks', async () => register({ ...(await good()), jwks })],
    ['a request that another key signed', 'does not verify', async () => register(await good(), otherKey)],
    ['a request that is sent a second time', 'has registered a client already', () => replayed(walk, tpp)],
  ];
  for (const [title, code, run] of refusals) await walk.isRefused(title, code, run);
}

/** The first request registers a client, which is deleted; its copy comes after that. */
async function replayed(walk: Walk, tpp: DemoTpp): Promise<unknown> {
  const members = { ...MEMBERS, software_statement: await statement(walk, tpp) };
  const request = { type: 'application/jwt', body: await ukRequest(tpp, members) };
  const { registration_client_uri: url, registration_access_token: token } = await send(tpp, request);
  await send(tpp, { url, token, method: 'DELETE' });
  return send(tpp, request);
}

/** Sends a request of registration. @throws with the status and the reason of a refusal */
async function send(
  { config, fetch }: DemoTpp,
  request: {
    readonly url?: unknown;
    readonly token?: unknown;
    readonly method?: 'PUT' | 'DELETE';
    readonly type?: string;
    readonly body?: string;
  },
): Promise<Members> {
  const { url = config.serverMetadata().registration_endpoint, token, method = 'POST', type, body } = request;
  const headers = {
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const response = await fetch(String(url), { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const answer = text === '' ? {} : JSON.parse(text);
  if (response.ok) return answer;
  throw new Error(`HTTP ${response.status} ${answer.error}, ${answer.error_description}`);
}

/** The members as claims under the seal, with the certificate of the seal. */
async function sealed({ description }: Walk, members: Members): Promise<string> {
  const { seal, organizationIdentifier: iss } = tppNamed(description, TPP);
  const certificate = new X509Certificate(await readFile(seal.certificateFile));
  const claims = { ...members, ...ofNow(), iss, aud: description.issuer };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, x5c: [certificate.raw.toString('base64')] })
    .sign(createPrivateKey(await readFile(seal.keyFile)));
}

/** The members as claims, under the key that the software statement names. */
function ukRequest(
  { signingKey: { key, kid } }: DemoTpp,
  members: Members,
  signedBy: CryptoKey = key,
): Promise<string> {
  return new SignJWT({ iss: TPP, ...ofNow(), jti: randomUUID(), ...members })
    .setProtectedHeader({ alg: ALGORITHM, ...(kid === undefined ? {} : { kid }) })
    .sign(signedBy);
}

function ofNow(): JWTPayload {
  const now = epochSeconds(systemClock.now());
  return { iat: now, exp: now + 300 };
}

/** A software statement of the sandbox's directory. */
async function statement(
  { description: { registers } }: Walk,
  { fetch }: DemoTpp,
  more = '',
  name = TPP,
): Promise<string> {
  const url = `${registers?.softwareDirectoryUrl}/statements?market=uk-obie&tpp=${name}${more}`;
  return (await fetch(url, { method: 'POST' })).text();
}

async function ofOtherDirectory(): Promise<string> {
  const software = { softwareId: TPP, orgId: 'SANDBOX900003', registrationId: '900003' };
  const address = { jwksUri: 'https://attacker.example/jwks', redirectUris: [DEMO_REDIRECT_URI] };
  const names = { name: 'Money One', organisation: 'Sandbox Money One Ltd' };
  return (await SoftwareDirectory.create()).statement('uk-obie', { ...software, ...address, ...names });
}

function tokenOf(tpp: DemoTpp, scope = 'accounts') {
  return oauth.clientCredentialsGrant(tpp.config, { scope });
}

function described(answer: { readonly access_token: string }): string {
  return `token, bound to ${boundTo(answer)}`;
}
