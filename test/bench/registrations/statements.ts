import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { epochSeconds, systemClock } from '../../../src/clock.ts';
import { freePort } from '../../free-port.ts';
import { SoftwareDirectory } from '../../../src/sandbox/registers/software-directory.ts';
import { pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import type { Bank } from '../../durability/bank.ts';
import type { BenchTpp } from './many-tpps.ts';

/** A directory that issues software statements, and the keys of the software of each TPP. */
export interface Statements {
  readonly jwksUri: string;
  /** Signed requests of a TPP, each of which registers one client. */
  requests(tpp: BenchTpp, count: number): Promise<readonly string[]>;
  close(): void;
}

const BODY = Object.freeze({
  token_endpoint_auth_method: 'tls_client_auth',
  grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
  response_types: ['code'],
  scope: 'openid accounts',
  application_type: 'web',
  id_token_signed_response_alg: 'PS256',
});
const LIFE_SECONDS = 1800;

/** Serves the keys on loopback. One key stands for the keys of every TPP. */
export async function openStatements(bank: Bank): Promise<Statements> {
  const { certificateFile, keyFile } = pathsOf(bank.folder).server;
  const directory = await SoftwareDirectory.create();
  const { privateKey, publicKey } = await generateKeyPair('PS256', { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'software', use: 'sig' }];
  const server = createServer(
    { cert: readFileSync(certificateFile), key: readFileSync(keyFile) },
    (request, response) => {
      response.end(JSON.stringify(request.url === '/directory' ? directory.jwks : { keys }));
    },
  );
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = `https://localhost:${port}`;
  return {
    jwksUri: `${address}/directory`,
    requests: async ({ plan }, count) => {
      const redirectUris = [`https://app.${plan.name}.tpp.example/callback`];
      const statement = await directory.statement('uk-obie', {
        ...{ softwareId: plan.name, orgId: plan.name, registrationId: plan.number, name: plan.tradingName },
        ...{ organisation: plan.legalName, jwksUri: `${address}/${plan.name}`, redirectUris },
      });
      const iat = epochSeconds(systemClock.now());
      const one = () =>
        new SignJWT({
          ...{ ...BODY, redirect_uris: redirectUris, software_statement: statement },
          ...{ iss: plan.name, iat, exp: iat + LIFE_SECONDS, jti: randomUUID() },
        })
          .setProtectedHeader({ alg: 'PS256', kid: 'software' })
          .sign(privateKey);
      return Promise.all(Array.from({ length: count }, one));
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
