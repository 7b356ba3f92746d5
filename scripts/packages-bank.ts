import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { tppNamed } from '../src/sandbox/curl-lines.ts';
import { type CertificateFiles, pathsOf } from '../src/sandbox/folder.ts';
import { freePort } from '../src/sandbox/ports.ts';
import { startSandbox } from '../src/sandbox/sandbox.ts';

/** The files of a bank before the start of its server: certificates, a configuration, a module of its own, one client. */
export interface Bank {
  readonly configurationFile: string;
  readonly mtlsUrl: string;
  readonly clientId: string;
  readonly caFile: string;
  readonly tpp: CertificateFiles;
  readonly otherTpp: CertificateFiles;
  /** For an API of the bank. */
  readonly api: object;
}

const AUDIENCE = 'https://api.bank.example';
const BANK_MODULE = `export const createAspsp = async () => ({
  name: 'Example Bank',
  answerAuthentication: async () => ({ type: 'refused', reason: 'wrong-credentials' }),
  listAccounts: async () => [],
});`;

/** Writes all of it to the folder. */
export async function prepareBank(folder: string): Promise<Bank> {
  // Only for its certificates, its registry and free ports.
  const sandbox = await startSandbox({ folder, ports: { front: 0, mtls: 0, resource: 0, tpp: 0 } });
  await sandbox.close();
  const { issuer, mtlsUrl, caFile } = sandbox.description;
  const paths = pathsOf(folder);
  const tpp = tppNamed(sandbox.description, 'money-one');
  const clientId = tpp.clients.tls_client_auth.client_id;
  const portOf = (url: string) => Number(new URL(url).port);
  const configuration = {
    issuer,
    mtlsUrl,
    listen: { host: '127.0.0.1', front: portOf(issuer), mtls: portOf(mtlsUrl), health: await freePort() },
    tls: { certificateFile: paths.server.certificateFile, privateKeyFile: paths.server.keyFile },
    storage: { file: 'bank.sqlite', secretFile: 'bank.secret' },
    signingKeysFile: 'bank.keys.json',
    resource: AUDIENCE,
    trust: [
      {
        profile: 'eu-qualified',
        anchorsFile: paths.root,
        allowSandboxAnchors: true,
        intermediatesFile: paths.issuingCa,
        revocation: { mode: 'none' },
      },
    ],
    registry: { file: paths.registry },
    shutdown: { noticeSeconds: 0 },
    aspspModule: 'bank.mjs',
    clients: [
      {
        client_id: clientId,
        client_name: 'Money One',
        authorization_number: tpp.organizationIdentifier,
        token_endpoint_auth_method: 'tls_client_auth',
        grant_types: ['client_credentials'],
        scope: 'accounts',
      },
    ],
  };
  const configurationFile = join(folder, 'tallystick.yaml');
  writeFileSync(configurationFile, stringify(configuration));
  writeFileSync(join(folder, 'bank.mjs'), BANK_MODULE);
  const { certificateFile, keyFile: privateKeyFile } = paths.server;
  return {
    configurationFile,
    mtlsUrl,
    clientId,
    caFile,
    tpp,
    otherTpp: tppNamed(sandbox.description, 'money-two'),
    api: { issuer, audience: AUDIENCE, caFile, certificateFile, privateKeyFile },
  };
}

/** A token of the TPP, as soon as the server gives one. @throws when none is given within 20 seconds */
export async function tokenFrom(bank: Bank): Promise<string> {
  const form = `grant_type=client_credentials&client_id=${bank.clientId}&scope=accounts`;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { status, body } = await call(bank, { url: `${bank.mtlsUrl}/token`, tpp: bank.tpp, form });
      if (status !== 200) throw new Error(`the token endpoint answered ${status}: ${body}`);
      return JSON.parse(body).access_token;
    } catch (error) {
      if (attempt >= 100) throw error;
      await sleep(200);
    }
  }
}

/** The status for the token from its own TPP, from another, and for no token. */
export async function useToken(
  bank: Bank,
  { port, token }: { readonly port: number; readonly token: string },
): Promise<readonly number[]> {
  const url = `https://localhost:${port}/accounts`;
  const answers = await Promise.all([
    call(bank, { url, tpp: bank.tpp, token }),
    call(bank, { url, tpp: bank.otherTpp, token }),
    call(bank, { url, tpp: bank.tpp }),
  ]);
  return answers.map(({ status }) => status);
}

interface Call {
  readonly url: string;
  readonly tpp: CertificateFiles;
  readonly token?: string;
  readonly form?: string;
}

function call({ caFile }: Bank, { url, tpp, token, form }: Call): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      ca: readFileSync(caFile),
      cert: readFileSync(tpp.certificateFile),
      key: readFileSync(tpp.keyFile),
      agent: false,
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.end(form);
  });
}
