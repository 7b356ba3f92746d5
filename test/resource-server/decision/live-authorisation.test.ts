import { type ChildProcess, fork } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI, pathsOf } from '../../../src/sandbox/folder.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { formatName } from '../../../src/x509/certificate/distinguished-name.ts';
import type { ApiOptions } from './api-child.ts';
import { clientsText, createCaller, createTestBank, type TestBank } from '../test-bank.ts';

/** What docs/quickstart-api.md promises, and how much later a loaded machine may show it. */
const PROMISED_SECONDS = 5;
const SLACK_SECONDS = 5;
const POLL_MILLISECONDS = 50;
/** An answer or a list decides for two seconds; the last one may be one second old when it is used. */
const REMEMBERED_MILLISECONDS = 900;

interface Trouble {
  readonly holder: readonly [tpp: string, token: string];
  readonly happen: () => Promise<unknown>;
}

const scriptAt = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe.each(['jwt', 'opaque'] as const)('live status of %s tokens, in two processes', (format) => {
  let bank: TestBank;
  let caller: ReturnType<typeof createCaller>;
  let server: ChildProcess;
  let api: ChildProcess;

  const startServer = async () => {
    server = fork(scriptAt('authorization-server-child.ts'), [join(bank.folder, 'config.json')]);
    await isReady(server);
  };
  beforeAll(async () => {
    bank = await createTestBank({ format });
    caller = createCaller(bank.description);
    await writeFile(join(bank.folder, 'config.json'), JSON.stringify(bank.config));
    await startServer();
    api = fork(scriptAt('api-child.ts'), [JSON.stringify(apiOptions(bank, format))]);
    await isReady(api);
  });
  afterAll(async () => {
    await Promise.all([ended(server), ended(api)]);
    await caller.close();
    await bank.remove();
  });

  const call = async (tpp: string, token: string) => {
    const { status, json } = await caller.send(`${bank.description.resourceUrl}/accounts`, {
      certificate: tppNamed(bank.description, tpp),
      headers: { authorization: `Bearer ${token}` },
    });
    const code = /ERR_\w+/.exec(String(json.error_description))?.[0] ?? '';
    return { status, code, json };
  };

  /** Calls the API again and again; seconds until it says something else than 200, and what it said then. */
  const untilRefused = async (tpp: string, token: string) => {
    const start = performance.now();
    for (;;) {
      const answer = await call(tpp, token);
      const seconds = (performance.now() - start) / 1000;
      if (answer.status !== 200 || seconds > PROMISED_SECONDS + SLACK_SECONDS) return { ...answer, seconds };
      await sleep(POLL_MILLISECONDS);
    }
  };

  const customerToken = async () => {
    const tpp = await connectTpp({
      description: bank.description,
      tpp: tppNamed(bank.description, 'money-one'),
    });
    const verifier = oauth.randomPKCECodeVerifier();
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: 's',
    });
    const [customer] = bank.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const answer = { decision: 'allow', ...customer } as const;
    const callback = await walkPages(url, { caFile: bank.description.caFile, answer });
    const checks = { pkceCodeVerifier: verifier, expectedState: 's' };
    return { tpp, tokens: await oauth.authorizationCodeGrant(tpp.config, callback, checks) };
  };

  const withdrawFromRegistry = async (tpp: string) => {
    const registry = parse(await readFile(bank.files.registry, 'utf8'));
    const { organizationIdentifier } = tppNamed(bank.description, tpp);
    for (const record of registry.tpps) {
      if (record.authorizationNumber === organizationIdentifier) record.status = 'withdrawn';
    }
    await replaceFile(bank.files.registry, stringify(registry));
  };

  const blockCertificate = async (tpp: string) => {
    const pem = await readFile(tppNamed(bank.description, tpp).certificateFile);
    const { issuer, serialNumber } = parseCertificate(new X509Certificate(pem).raw);
    const block = {
      issuer: formatName(issuer),
      serialNumber,
      reason: 'its key was lost',
      since: '2026-01-01',
    };
    await replaceFile(bank.files.blocks, stringify({ blocked: [block] }));
  };

  it('token, consent, client, certificate and TPP: refused within the promised time (A13, L2, L6)', async () => {
    const { tpp, tokens } = await customerToken();
    const [single, ofClient, ofCertificate, ofTpp, control] = await Promise.all([
      caller.clientToken('money-one'),
      caller.clientToken('money-two'),
      caller.clientToken('accounts-app'),
      caller.clientToken('pay-by-bank', 'payments'),
      caller.clientToken('money-one'),
    ]);
    const consentId = (await call('money-one', tokens.access_token)).json.consentId;
    expect(consentId).toBeTypeOf('string');
    const mtls = bank.description.mtlsUrl;
    const troubles: Readonly<Record<string, Trouble>> = {
      token: {
        holder: ['money-one', single],
        happen: () =>
          caller.send(`${mtls}/revoke`, {
            certificate: tppNamed(bank.description, 'money-one'),
            form: { client_id: 'money-one-mtls', token: single },
          }),
      },
      consent: {
        holder: ['money-one', tokens.access_token],
        happen: async () => {
          server.send(String(consentId));
          await once(server, 'message');
        },
      },
      client: {
        holder: ['money-two', ofClient],
        happen: () => replaceFile(bank.files.clients, clientsText(bank.description, 'money-two-mtls')),
      },
      certificate: {
        holder: ['accounts-app', ofCertificate],
        happen: () => blockCertificate('accounts-app'),
      },
      TPP: { holder: ['pay-by-bank', ofTpp], happen: () => withdrawFromRegistry('pay-by-bank') },
    };
    for (const { holder } of Object.values(troubles)) expect((await call(...holder)).status).toBe(200);

    const seen = await Promise.all(
      Object.entries(troubles).map(async ([name, { holder, happen }]) => {
        await happen();
        return [name, await untilRefused(...holder)] as const;
      }),
    );
    const figures = seen.map(([name, { seconds }]) => `${name} ${seconds.toFixed(2)} s`);
    process.stdout.write(`${format}, from revocation to refusal: ${figures.join(', ')}\n`);
    const expected = format === 'jwt' ? 'ERR_TOKEN_REVOKED' : 'ERR_TOKEN_INVALID';
    for (const [name, { status, code, seconds }] of seen) {
      expect([name, status, code]).toEqual([name, 401, expected]);
      expect(seconds).toBeLessThan(PROMISED_SECONDS + SLACK_SECONDS);
    }
    expect((await call('money-one', control)).status).toBe(200);
    await expect(oauth.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '')).rejects.toThrow();
    await tpp.close();
  });

  it('goes on for a while without the authorization server, then is a 503, and heals (L7)', async () => {
    const token = await caller.clientToken('money-one');
    const asked = performance.now();
    expect((await call('money-one', token)).status).toBe(200);
    await ended(server);
    const first = await call('money-one', token);
    // On a machine that is busy, what is remembered may be over before it is asked for again.
    if (performance.now() - asked < REMEMBERED_MILLISECONDS) expect(first.status).toBe(200);
    const { status, code } = await untilRefused('money-one', token);
    expect([status, code]).toEqual([
      503,
      format === 'jwt' ? 'ERR_TOKEN_STATUS_UNAVAILABLE' : 'ERR_TOKEN_INTROSPECTION_UNAVAILABLE',
    ]);
    await startServer();
    const start = performance.now();
    while ((await call('money-one', token)).status !== 200) {
      expect(performance.now() - start).toBeLessThan(10_000);
      await sleep(POLL_MILLISECONDS);
    }
  });
});

async function ended(child: ChildProcess): Promise<void> {
  const isGone = once(child, 'exit');
  child.kill('SIGKILL');
  await isGone;
}

async function isReady(child: ChildProcess): Promise<void> {
  const isOver = once(child, 'exit').then(() => {
    throw new Error('the process ended before it was ready');
  });
  await Promise.race([once(child, 'message'), isOver]);
}

function apiOptions(bank: TestBank, format: 'jwt' | 'opaque'): ApiOptions {
  const { issuer, resourceUrl, caFile, mtlsUrl } = bank.description;
  const own = { issuer, resourceUrl, caFile, ...pathsOf(bank.folder).server };
  if (format === 'jwt') return own;
  const endpoint = `${mtlsUrl}/introspect`;
  return {
    ...own,
    introspection: { endpoint, clientId: 'accounts-api', response: 'signed', ...bank.apis.accounts },
  };
}
