import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SENDER_CONSTRAINTS } from '../../../src/authorization-server/profiles/sender-constraint.ts';
import { bindToken, type TokenToBind } from '../../../src/authorization-server/tokens/token-binding.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { createProver, type Prover } from '../dpop-prover.ts';
import { signedForm } from '../signed-form.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

describe('the last step before an access token', () => {
  it('leaves no token without the confirmations of its client, whatever came before', () => {
    const text = fc.constantFrom(undefined, 'a', 'b');
    fc.assert(
      fc.property(
        fc.constantFrom(...SENDER_CONSTRAINTS, undefined, 'none', 'bearer'),
        fc.record({ jkt: text, 'x5t#S256': text, presented: text }),
        (constraint, { presented, ...confirmations }) => {
          const token: TokenToBind = { ...confirmations, client: { sender_constraint: constraint } as never };
          const certificate = presented && { thumbprint: presented };
          try {
            bindToken({ state: { certificate } } as never, token);
          } catch {
            return;
          }
          const isCertificate = constraint !== 'dpop';
          expect(SENDER_CONSTRAINTS).toContain(constraint);
          if (isCertificate) expect([token['x5t#S256'], presented]).toEqual([presented, expect.any(String)]);
          expect(token.jkt === undefined).toBe(constraint === 'certificate');
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  it('makes none outside a request, and none for no client', () => {
    expect(() => bindToken(undefined, { client: { sender_constraint: 'dpop' } as never })).toThrow(TypeError);
    expect(() => bindToken({ state: {} } as never, {})).toThrow(TypeError);
  });
});

describe('a request for a token, of each client with each proof (A2, A7, RFC 8705 §3, RFC 9449 §5)', () => {
  const CLIENTS = [
    'money-one-mtls',
    'money-one-jwt',
    'money-one-mtls-certificate-and-dpop',
    'money-one-jwt-certificate-and-dpop',
    'money-one-mtls-dpop',
    'money-one-jwt-dpop',
  ];
  const CERTIFICATES = ['own', 'renewed', "another TPP's", 'none'] as const;
  const CASES = CLIENTS.flatMap((client) =>
    CERTIFICATES.flatMap((certificate) => [true, false].map((proves) => ({ client, certificate, proves }))),
  );

  let sandbox: TestSandbox;
  let prover: Prover;
  beforeAll(async () => {
    [sandbox, prover] = await Promise.all([
      startTestSandbox({ certificatesDemanded: 'where-tokens-are-bound-to-one' }),
      createProver(),
    ]);
  });
  afterAll(() => sandbox.stop());

  it.each(CASES)(
    '$client, certificate: $certificate, proof: $proves',
    async ({ client, certificate, proves }) => {
      const one = tppNamed(sandbox.description, 'money-one');
      const files = {
        own: one,
        renewed: one.renewed,
        "another TPP's": tppNamed(sandbox.description, 'money-two'),
        none: undefined,
      }[certificate];
      const url = `${sandbox.description.mtlsUrl}/token`;
      const form = { grant_type: 'client_credentials', client_id: client, scope: 'accounts' };
      const { status, json } = await sandbox.send(url, {
        method: 'POST',
        ...(files === undefined ? {} : { certificate: files }),
        headers: proves ? { dpop: await prover.proof(url) } : {},
        body: new URLSearchParams({
          ...form,
          ...(client.includes('-jwt') ? await signedForm(sandbox.description, client) : {}),
        }),
      });
      const isKeyBound = client.includes('dpop');
      const isCertificateBound = !client.endsWith('t-dpop') && !client.endsWith('s-dpop');
      const isIdentified =
        certificate === 'own' ||
        certificate === 'renewed' ||
        (certificate === 'none' && client === 'money-one-jwt-dpop');
      if (!isIdentified || proves !== isKeyBound) {
        expect([status, json.access_token]).toEqual([400, undefined]);
        return;
      }
      expect([status, json.token_type]).toEqual([200, isKeyBound ? 'DPoP' : 'Bearer']);
      expect(decodeJwt(String(json.access_token)).cnf).toEqual({
        ...(isKeyBound ? { jkt: prover.jkt } : {}),
        ...(isCertificateBound && files !== undefined
          ? { 'x5t#S256': thumbprintOf(new X509Certificate(readFileSync(files.certificateFile)).raw) }
          : {}),
      });
    },
  );
});
