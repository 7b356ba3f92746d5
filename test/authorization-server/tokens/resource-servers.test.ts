import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type RegisteredResourceServer,
  ResourceServerIdentification,
} from '../../../src/authorization-server/tokens/resource-servers.ts';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { CLIENT_AUTH } from '../../resource-server/test-bank.ts';

const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2027-01-01') };
const NOW = new Date('2026-11-24T12:00:00Z');

interface Presented {
  readonly der: Buffer;
  readonly thumbprint: string;
}

let api: Presented;
let tpp: Presented;
let impostor: Presented;
let server: RegisteredResourceServer;
let otherAnchors: RegisteredResourceServer['anchors'];
beforeAll(async () => {
  const [own, other] = [
    await createAuthority({ name: 'Own CA', ...PERIOD }),
    await createAuthority({ name: 'Own CA', ...PERIOD }),
  ];
  const issue = async (by: typeof own, commonName: string): Promise<Presented> => {
    const deviation = { extendedKeyUsage: [CLIENT_AUTH] };
    const issued = await by.issue({ profile: 'server', subject: { commonName }, deviation, ...PERIOD });
    const der = Buffer.from(issued.der);
    return { der, thumbprint: createHash('sha256').update(der).digest('base64url') };
  };
  [api, tpp, impostor] = [await issue(own, 'api'), await issue(own, 'tpp'), await issue(other, 'api')];
  otherAnchors = [parseCertificate(Buffer.from(other.der))];
  server = {
    client_id: 'accounts-api',
    resource: 'https://api.bank.example',
    anchors: [parseCertificate(Buffer.from(own.der))],
    subject: { property: 'tls_client_auth_subject_dn', value: 'CN=api' },
  };
});

/** Names found, and how often a path was sought until now. */
function identification(servers: readonly RegisteredResourceServer[]) {
  const identified = new ResourceServerIdentification(servers);
  let proofs = 0;
  const hints = () => {
    proofs += 1;
    return [];
  };
  return (presented: Presented, at = NOW) => [
    identified.find(presented, hints, at).map(({ client_id: id }) => id),
    proofs,
  ];
}

describe('the certificate of a resource server', () => {
  it('is proved once, and again after one of its dates', () => {
    const find = identification([server]);
    expect([find(api), find(api), find(api)]).toEqual([
      [['accounts-api'], 1],
      [['accounts-api'], 1],
      [['accounts-api'], 1],
    ]);
    expect(find(api, new Date('2027-01-02'))).toEqual([[], 2]);
    expect(find(api, new Date('2025-12-31'))).toEqual([[], 3]);
    expect(find(api)).toEqual([['accounts-api'], 4]);
  });

  it('is proved again by other anchors', () => {
    const followed = { ...server };
    const find = identification([followed]);
    expect(find(api)).toEqual([['accounts-api'], 1]);
    Object.assign(followed, { anchors: otherAnchors });
    expect(find(api)).toEqual([[], 2]);
    expect(find(impostor)).toEqual([['accounts-api'], 3]);
  });

  it('is refused each time anew where only its path is wrong', () => {
    const find = identification([server]);
    expect([find(impostor), find(impostor)]).toEqual([
      [[], 1],
      [[], 2],
    ]);
  });

  it('is looked for once in the certificate of a TPP', () => {
    const find = identification([server]);
    expect([find(tpp), find(tpp)]).toEqual([
      [[], 1],
      [[], 1],
    ]);
  });
});
