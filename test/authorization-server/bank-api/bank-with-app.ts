import * as oauth from 'openid-client';
import { parseConfig } from '../../../src/configuration/config.ts';
import { type EventFields, type EventName, logTo } from '../../../src/events.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';
import { type BankCaller, type BankPrograms, createBankPrograms } from './bank-programs.ts';
import { Browser, type Page } from './browser.ts';

/** An authorization whose browser is on its way to the application of the bank. */
export interface Begun {
  readonly browser: Browser;
  /** The page of the authorization server that leads to the application. */
  readonly sent: Page;
  readonly handle: string;
  /** Follows the way back, and redeems the code. @throws when there is none */
  redeem(back: Page): Promise<Awaited<ReturnType<typeof oauth.authorizationCodeGrant>>>;
}

/** A bank without a module: its application, and its core, use the bank API. */
export interface BankWithApp {
  readonly bank: TestBank;
  readonly programs: BankPrograms;
  readonly server: RunningServer;
  readonly tpp: DemoTpp;
  readonly app: BankCaller;
  readonly core: BankCaller;
  readonly events: readonly { readonly name: EventName; readonly fields: EventFields }[];
  /** A TPP asks, and a browser of the customer follows. */
  begin(parameters?: Readonly<Record<string, string>>): Promise<Begun>;
  /** The same for a client that names consents of the bank (Berlin Group). */
  beginNamed(scope: string): Promise<Begun>;
  browser(): Promise<Browser>;
  /** The address to which a TPP sends a browser. */
  authorizationUrl(): Promise<string>;
  /** As after the end of the process. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Its requests name consents that the bank keeps. */
export const NAMING_CLIENT = 'money-one-naming';
export const ACR = 'urn:openbanking:psd2:sca';

export async function startBankWithApp(appUrl: string, amended: object = {}): Promise<BankWithApp> {
  const [bank, programs] = await Promise.all([createTestBank({ format: 'jwt' }), createBankPrograms()]);
  const events: { readonly name: EventName; readonly fields: EventFields }[] = [];
  const log = logTo((name, _definition, fields) => void events.push({ name, fields }));
  const config = parseConfig(
    {
      ...bank.config,
      acrValues: [ACR],
      clients: [namingClient(bank)],
      shutdown: { noticeSeconds: 0 },
      bankApi: programs.section,
      bankApp: { url: appUrl, bankName: 'Python Bank' },
      ...amended,
    },
    { source: 'test', folder: bank.folder },
  );
  const start = () => startServer(config, { log });
  let server = await start();
  const { description } = bank;
  const owner = tppNamed(description, 'money-one');
  const [tpp, naming] = await Promise.all([
    connectTpp({ description, tpp: owner }),
    connectTpp({ description, tpp: owner, clientId: NAMING_CLIENT }),
  ]);
  const [app, core] = await Promise.all([
    programs.caller(programs.certificates.app, description),
    programs.caller(programs.certificates.core, description),
  ]);
  const browsers: Browser[] = [];
  const browser = async () => {
    const opened = await Browser.open(description.caFile);
    browsers.push(opened);
    return opened;
  };
  const push = async (
    parameters: Readonly<Record<string, string>>,
    verifier: string,
    { config: client }: Pick<DemoTpp, 'config'> = tpp,
  ) =>
    oauth.buildAuthorizationUrlWithPAR(client, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
  const begin = async (parameters: Readonly<Record<string, string>>, by: DemoTpp): Promise<Begun> => {
    const verifier = oauth.randomPKCECodeVerifier();
    const own = await browser();
    const sent = await own.follow(await push(parameters, verifier, by), [description.issuer]);
    return {
      browser: own,
      sent,
      handle: sent.next?.searchParams.get('interaction') ?? '',
      redeem: (back) => {
        if (back.next === undefined) throw new Error(`the way back ends with ${back.status}: ${back.text}`);
        return oauth.authorizationCodeGrant(by.config, back.next, { pkceCodeVerifier: verifier });
      },
    };
  };
  return {
    bank,
    programs,
    get server() {
      return server;
    },
    tpp,
    app,
    core,
    events,
    browser,
    authorizationUrl: async () => (await push({}, oauth.randomPKCECodeVerifier())).href,
    begin: (parameters = {}) => begin(parameters, tpp),
    beginNamed: (scope) => begin({ scope }, naming),
    restart: async () => {
      await server.close();
      server = await start();
    },
    stop: async () => {
      await Promise.all([app, core, tpp, naming, ...browsers].map((one) => one.close()));
      await server.close();
      await Promise.all([bank.remove(), programs.remove()]);
    },
  };
}

function namingClient({ description }: TestBank) {
  const { organizationIdentifier, clients } = tppNamed(description, 'money-one');
  return {
    client_id: NAMING_CLIENT,
    client_name: 'money-one',
    authorization_number: organizationIdentifier,
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: clients.tls_client_auth.redirect_uris,
    grant_types: ['authorization_code', 'refresh_token'],
    scope: 'accounts payments',
    consent_references: ['berlin-group'],
  };
}
