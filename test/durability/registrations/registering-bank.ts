import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { freePort } from '../../free-port.ts';
import { SoftwareDirectory } from '../../../src/sandbox/registers/software-directory.ts';
import { type Bank, openBank } from '../bank.ts';

export const REDIRECT = 'https://app.money-one.tpp.example/callback';

/** A bank where the TPP money-one registers clients by software statements, and the directory that issues them. */
export interface RegisteringBank extends Bank {
  /** What its processes are started with. */
  readonly registration: object;
  /** A request to register or to change a client, which registers once. `claims` replaces members. */
  request(claims?: Readonly<Record<string, unknown>>): Promise<string>;
}

const ORGANISATION = Object.freeze({
  softwareId: 'software-one',
  orgId: '0015800001HQQrZAAX',
  registrationId: '900003',
  name: 'Money One',
  organisation: 'Sandbox Money One Ltd',
  redirectUris: [REDIRECT, `${REDIRECT}/2`],
});
const SECONDS = 300;

/** `storage` as that of `openBank`; `registration` replaces members of that of the configuration. */
export async function openRegisteringBank(
  storage?: object,
  registration: object = {},
): Promise<RegisteringBank> {
  const [bank, directory, key] = await Promise.all([
    openBank(storage),
    SoftwareDirectory.create(),
    generateKeyPair('PS256', { extractable: true }),
  ]);
  const { tls } = bank.configuration({ front: 0, mtls: 0, health: 0 }) as {
    readonly tls: { readonly certificateFile: string; readonly privateKeyFile: string };
  };
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'software', use: 'sig' };
  const port = await freePort();
  const [cert, privateKey] = [tls.certificateFile, tls.privateKeyFile].map((file) => readFileSync(file));
  const server = createServer({ cert, key: privateKey }, ({ url }, response) => {
    response.end(JSON.stringify(url === '/directory' ? directory.jwks : { keys: [jwk] }));
  });
  server.listen(port, '127.0.0.1');
  const address = `https://localhost:${port}`;
  const software = { ...ORGANISATION, jwksUri: `${address}/software` };
  return {
    ...bank,
    registration: {
      registration: {
        profiles: [
          {
            profile: 'uk-obie',
            directory: { jwksUri: `${address}/directory` },
            clientProfile: 'fapi2-security',
          },
          { profile: 'certificate' },
        ],
        quotas: { clients: 1000, requestsPerHour: 100_000 },
        ...registration,
      },
    },
    request: async (claims = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const members = {
        iss: software.softwareId,
        iat: now,
        exp: now + SECONDS,
        jti: randomUUID(),
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: 'tls_client_auth',
        grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
        response_types: ['code'],
        scope: 'openid accounts',
        software_statement: await directory.statement('uk-obie', software),
        ...claims,
      };
      return new SignJWT(members).setProtectedHeader({ alg: 'PS256', kid: 'software' }).sign(key.privateKey);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await bank.close();
    },
  };
}
