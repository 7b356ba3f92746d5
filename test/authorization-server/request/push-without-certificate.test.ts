import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { importJWK, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { sandboxConfiguration } from '../../../src/sandbox/sandbox-configuration.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const CALLBACK = 'https://tpp.example/callback';

describe.each(['where-tokens-are-issued', 'everywhere'] as const)(
  'certificatesDemanded: %s',
  (certificatesDemanded) => {
    const isAllowed = certificatesDemanded !== 'everywhere';
    let bank: TestBank;
    let server: RunningServer;
    let caller: ReturnType<typeof createCaller>;
    beforeAll(async () => {
      bank = await createTestBank({ format: 'jwt' });
      const clients = ['money-one', 'gone-fintech'].map((name) => clientOf(name));
      const config = { ...bank.config, clients, certificatesDemanded };
      server = await startServer(parseConfig(config, { source: 'test', folder: bank.folder }), {
        aspsp: demoAspsp(),
        log: silentLog,
      });
      caller = createCaller(bank.description);
    });
    afterAll(async () => {
      await caller.close();
      await server.close();
      await bank.remove();
    });

    function clientOf(name: string) {
      const { organizationIdentifier, signingKeyFile } = tppNamed(bank.description, name);
      const { kty, crv, x, y, kid }: JWK = JSON.parse(readFileSync(signingKeyFile, 'utf8'));
      return {
        client_id: `${name}-signs`,
        client_name: name,
        authorization_number: organizationIdentifier,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty, crv, x, y, kid }] },
        redirect_uris: [CALLBACK],
        grant_types: ['client_credentials', 'authorization_code'],
        scope: 'openid accounts',
      };
    }

    async function signed(name: string, form: Record<string, string>) {
      const jwk: JWK = JSON.parse(readFileSync(tppNamed(bank.description, name).signingKeyFile, 'utf8'));
      const clientId = `${name}-signs`;
      return {
        ...form,
        client_id: clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await new SignJWT({ jti: randomUUID() })
          .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
          .setIssuer(clientId)
          .setSubject(clientId)
          .setAudience(bank.description.issuer)
          .setExpirationTime('1m')
          .sign(await importJWK(jwk, 'ES256')),
      };
    }

    const REQUEST = {
      response_type: 'code',
      scope: 'openid accounts',
      redirect_uri: CALLBACK,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    };

    /** The status, and the code of a refusal. */
    async function outcome(path: string, form: Record<string, string>, presentedBy?: string) {
      const { status, json } = await caller.send(`${bank.description.mtlsUrl}${path}`, {
        form,
        ...(presentedBy === undefined ? {} : { certificate: tppNamed(bank.description, presentedBy) }),
      });
      return [status, /^ERR_\w+/.exec(String(json.error_description ?? ''))?.[0]];
    }

    it('decides whether a client that signs may push without a certificate', async () => {
      expect(await outcome('/par', await signed('money-one', REQUEST))).toEqual(
        isAllowed ? [201, undefined] : [400, 'ERR_CERT_MISSING'],
      );
      expect(await outcome('/par', await signed('money-one', REQUEST), 'money-one')).toEqual([
        201,
        undefined,
      ]);
    });

    it('is a flag of the sandbox too', async () => {
      const value = await sandboxConfiguration(bank.folder, bank.description, {
        certificatesDemanded,
      });
      expect(value).toMatchObject({ certificatesDemanded });
    });

    it('opens no other endpoint (RFC 8705 §3)', async () => {
      const token = { grant_type: 'client_credentials', scope: 'accounts' };
      for (const [path, form] of [
        ['/token', token],
        ['/introspect', { token: 'x' }],
        ['/revoke', { token: 'x' }],
      ] as const) {
        const answer = await outcome(path, await signed('money-one', form));
        expect([path, ...answer]).toEqual([path, 400, 'ERR_CERT_MISSING']);
      }
    });

    it('is nothing for a client that authenticates by its certificate', async () => {
      expect(await outcome('/par', { ...REQUEST, client_id: 'money-one-mtls' })).toEqual([
        400,
        'ERR_CERT_MISSING',
      ]);
    });

    it('leaves a certificate that is there to be checked', async () => {
      const request = await signed('money-one', REQUEST);
      expect(await outcome('/par', request, 'money-two')).toEqual([400, 'ERR_TPP_CLIENT_MISMATCH']);
    });

    it('lets no client push whose TPP is not authorised (PSD2 article 14)', async () => {
      expect(await outcome('/par', await signed('gone-fintech', REQUEST))).toEqual([
        400,
        isAllowed ? 'ERR_TPP_NOT_AUTHORIZED' : 'ERR_CERT_MISSING',
      ]);
    });
  },
);
