import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/errors.ts';
import {
  openRevocationPolicy,
  relaxedRevocations,
  revocationPolicySchema,
  revocationSchema,
} from '../../src/configuration/tpp/revocation-schema.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { STRICT_REVOCATION } from '../../src/x509/revocation/revocation.ts';

const parse = (value: unknown) => revocationPolicySchema.parse(value);

describe('revocation in a configuration', () => {
  it('is strict when nothing is said', async () => {
    const { ocsp, ...strict } = STRICT_REVOCATION;
    expect(await openRevocationPolicy(parse({}))).toEqual({
      ...strict,
      ocsp: { nonce: 'optional', maxAgeSeconds: 3600, maxWindowSeconds: 864_000 },
    });
    expect(relaxedRevocations([{ profile: 'eu-qualified', revocation: parse({}) }])).toEqual([]);
  });

  it('F21 says every relaxation out loud', () => {
    const relaxed = { mode: 'none', whenUnknown: 'accept-and-report', withoutPointers: 'accept' };
    const trust = [
      { profile: 'eu-qualified', revocation: parse({}) },
      { profile: 'own-ca', revocation: parse(relaxed) },
    ];
    expect(relaxedRevocations(trust)).toEqual([
      { path: 'trust[1].revocation', message: 'own-ca: revoked certificates are accepted' },
      { path: 'trust[1].revocation', message: 'own-ca: certificates of unknown status are accepted' },
      {
        path: 'trust[1].revocation',
        message: 'own-ca: certificates that do not say where their status is are accepted',
      },
    ]);
  });

  it('pins addresses to the key of an issuing CA', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pins-'));
    const period = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
    const issuing = await createAuthority({ name: 'Issuing', ...period });
    const certificateFile = join(folder, 'issuing.pem');
    await writeFile(certificateFile, issuing.certificatePem);
    const ocspUrls = ['http://ocsp.bank.internal/'];
    const { pins } = await openRevocationPolicy(parse({ issuers: [{ certificateFile, ocspUrls }] }));
    expect(pins).toEqual([
      { issuer: expect.objectContaining({ serialNumber: expect.any(String) }), ocspUrls },
    ]);
    const opened = async (text: string) => {
      await writeFile(certificateFile, text);
      return openRevocationPolicy(parse({ issuers: [{ certificateFile, ocspUrls }] }));
    };
    expect((await opened(`Issuing CA of the bank\n${issuing.certificatePem}`)).pins).toHaveLength(1);
    await expect(opened('junk')).rejects.toSatisfy((error) => isRefusal(error, 'ERR_CONFIG_INVALID'));
    const damaged = issuing.certificatePem.replace('MII', 'MIJ');
    await expect(opened(damaged + issuing.certificatePem)).rejects.toMatchObject({
      details: { problems: [{ message: expect.stringMatching(/^certificate 1/) }] },
    });
    await rm(folder, { recursive: true });
    const missing = openRevocationPolicy(parse({ issuers: [{ certificateFile }] }));
    await expect(missing).rejects.toSatisfy((error) => isRefusal(error, 'ERR_CONFIG_INVALID'));
  });

  it.each([
    ['a host with a scheme', { privateHosts: ['http://127.0.0.1'] }],
    ['a host with a path', { privateHosts: ['ocsp.example/x'] }],
    ['a CRL larger than can be read', { maxCrlBytes: 100_000_001 }],
    ['an unknown field', { privateHost: [] }],
  ])('does not take %s', (_what, value) => {
    expect(revocationSchema.safeParse(value).success).toBe(false);
  });

  it.each([
    ['fail-open by another word', { whenUnknown: 'accept' }],
    ['a responder that is no web address', { issuers: [{ certificateFile: 'x', ocspUrls: ['ldap://x/'] }] }],
    ['no time to wait', { budgetSeconds: 0 }],
  ])('of a profile does not take %s', (_what, value) => {
    expect(revocationPolicySchema.safeParse(value).success).toBe(false);
  });
});
