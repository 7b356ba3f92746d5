import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { Agent, fetch as fetchBy } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { freePort } from '../free-port.ts';
import { type RunningSandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { layFolder } from '../sandbox/made-folders.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const BANK = `export const createAspsp = async () => ({
  name: 'Example Bank',
  answerAuthentication: async () => ({}),
  listAccounts: async () => [],
});`;

let folder: string;
let sandbox: RunningSandbox;
let freeFolder: () => Promise<void>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-serve-'));
  // Only for its certificates, registry and free ports.
  freeFolder = await layFolder(folder);
  sandbox = await startSandbox({ folder, ports: { front: 0, mtls: 0, resource: 0, tpp: 0 } });
  await sandbox.close();
});
afterAll(async () => {
  await freeFolder();
  await rm(folder, { recursive: true, force: true });
});

/** What a resource server reads in the status list of a token. */
async function isStatusSet(token: string, dispatcher: Agent): Promise<boolean> {
  const { status } = decodeJwt<{ status: { status_list: { idx: number; uri: string } } }>(token);
  const { idx, uri } = status.status_list;
  const list = await (await fetchBy(uri, { dispatcher })).text();
  const { lst } = decodeJwt<{ status_list: { lst: string } }>(list).status_list;
  return (inflateSync(Buffer.from(lst, 'base64url')).readUInt8(idx >> 3) & (1 << (idx & 7))) !== 0;
}

describe('tallystick serve', () => {
  it('runs from a file, --set and a module of the bank, and stops on SIGTERM', async () => {
    const { description } = sandbox;
    const paths = pathsOf(folder);
    const health = await freePort();
    const tpp = tppNamed(description, 'money-one');
    const config = {
      issuer: description.issuer,
      mtlsUrl: description.mtlsUrl,
      listen: {
        host: '127.0.0.1',
        front: Number(new URL(description.issuer).port),
        mtls: Number(new URL(description.mtlsUrl).port),
        // A port that no user may bind: the one of --set takes its place.
        health: 1,
      },
      tls: { certificateFile: 'pki/server.pem', privateKeyFile: 'pki/server.key' },
      storage: { file: 'bank.sqlite', secretFile: 'bank.secret' },
      signingKeysFile: 'bank.keys.json',
      resource: 'https://api.bank.example',
      trust: [
        {
          profile: 'eu-qualified',
          anchorsFile: paths.root,
          allowSandboxAnchors: true,
          intermediatesFile: paths.issuingCa,
          revocation: { mode: 'none' },
        },
      ],
      registry: { file: 'registry.yaml' },
      blockList: { file: 'blocked.yaml', pollSeconds: 1 },
      shutdown: { noticeSeconds: 0 },
      aspspModule: 'bank.mjs',
      clients: [
        {
          client_id: tpp.clients.tls_client_auth.client_id,
          client_name: 'Money One',
          authorization_number: tpp.organizationIdentifier,
          token_endpoint_auth_method: 'tls_client_auth',
          // RFC 8705 §2.1.2: this client is narrowed to one subject, in the order of RFC 4514.
          tls_client_auth_subject_dn: `CN=money-one.tpp.example,organizationIdentifier=${tpp.organizationIdentifier},O=${tpp.legalName},C=GB`,
          grant_types: ['client_credentials'],
          scope: 'accounts',
        },
        {
          client_id: 'money-one-other',
          client_name: 'Money One',
          authorization_number: tpp.organizationIdentifier,
          token_endpoint_auth_method: 'tls_client_auth',
          tls_client_auth_san_dns: 'other.tpp.example',
          grant_types: ['client_credentials'],
          scope: 'accounts',
        },
      ],
    };
    await writeFile(join(folder, 'tallystick.yaml'), stringify(config));
    await writeFile(join(folder, 'bank.mjs'), BANK);
    await writeFile(join(folder, 'blocked.yaml'), 'blocked: []');
    const words = ['--config', join(folder, 'tallystick.yaml'), '--set', `listen.health=${health}`];
    const server = spawn(process.execPath, [MAIN, 'serve', ...words]);
    let output = '';
    server.stdout.on('data', (chunk) => {
      output += chunk.toString();
    });
    server.stderr.on('data', (chunk) => {
      output += chunk.toString();
    });
    const ended = new Promise((resolve) => server.once('exit', resolve));
    const statusOf = (path: string) =>
      fetch(`http://127.0.0.1:${health}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    await expect.poll(() => statusOf('/health/ready'), { timeout: 30_000, message: output }).toBe(200);
    expect([await statusOf('/health/live'), await statusOf('/')]).toEqual([200, 401]);

    const connected = await connectTpp({ description, tpp });
    const granted = await oauth.clientCredentialsGrant(connected.config, { scope: 'accounts' });
    expect(granted.token_type).toBe('bearer');
    const agent = new Agent({ connect: { ca: await readFile(description.caFile, 'utf8') } });
    const isEnded = () => isStatusSet(granted.access_token, agent);
    expect(await isEnded()).toBe(false);
    await connected.close();
    const other = await connectTpp({
      description,
      tpp: {
        ...tpp,
        clients: { ...tpp.clients, tls_client_auth: { client_id: 'money-one-other', redirect_uris: [] } },
      },
    });
    const refused = await oauth
      .clientCredentialsGrant(other.config, { scope: 'accounts' })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({
      error: 'invalid_client',
      error_description: expect.stringContaining('ERR_CLIENT_SUBJECT_MISMATCH'),
    });
    await other.close();

    const blocked = [
      { authorizationNumber: tpp.organizationIdentifier, reason: 'fraud', since: '2026-11-20' },
    ];
    await writeFile(join(folder, 'blocked.yaml'), stringify({ blocked }));
    const again = await connectTpp({ description, tpp });
    const answer = () =>
      oauth.clientCredentialsGrant(again.config, { scope: 'accounts' }).then(
        () => 'token',
        (error) => error.error_description,
      );
    await expect.poll(answer, { timeout: 10_000, interval: 250 }).toContain('ERR_TPP_BLOCKED');
    await again.close();
    await expect.poll(isEnded, { timeout: 15_000, interval: 500 }).toBe(true);
    await agent.close();

    server.kill('SIGTERM');
    expect(await ended).toBe(0);
    const events = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(
      expect.arrayContaining(['registry.loaded', 'server.started', 'client.auth.refused', 'server.stopped']),
    );
  }, 60_000);

  it('says what is wrong with the module of the bank', async () => {
    const { spawnSync } = await import('node:child_process');
    await writeFile(join(folder, 'bank.mjs'), 'export const createAspsp = () => ({});');
    const run = spawnSync(process.execPath, [MAIN, 'serve', '--config', join(folder, 'tallystick.yaml')], {
      encoding: 'utf8',
    });
    expect([run.status, run.stderr]).toEqual([
      2,
      expect.stringContaining('aspspModule: createAspsp must answer'),
    ]);
  });
});
