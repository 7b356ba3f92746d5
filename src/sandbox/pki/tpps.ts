import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import type { PspRole } from '../../../tpp-registry/index.ts';
import type { Authority, IssuedCertificate, IssueOptions } from './pki.ts';

/** A third-party provider of the sandbox, before it has certificates. */
export interface TppPlan {
  readonly name: string;
  readonly legalName: string;
  readonly tradingName: string;
  /** Without `PSD…-…-`. */
  readonly number: string;
  readonly roles: readonly PspRole[];
  readonly status: 'active' | 'withdrawn';
}

export const NCA = { id: 'GB-FCA', name: 'Financial Conduct Authority' } as const;
const EVERY_ROLE: readonly PspRole[] = ['PSP_PI', 'PSP_AI', 'PSP_IC'];

export const TPP_PLANS: readonly TppPlan[] = [
  {
    name: 'accounts-app',
    legalName: 'Sandbox Accounts App Ltd',
    tradingName: 'Accounts App',
    number: '900001',
    roles: ['PSP_AI'],
    status: 'active',
  },
  {
    name: 'pay-by-bank',
    legalName: 'Sandbox Pay by Bank Ltd',
    tradingName: 'Pay by Bank',
    number: '900002',
    roles: ['PSP_PI'],
    status: 'active',
  },
  {
    name: 'money-one',
    legalName: 'Sandbox Money One Ltd',
    tradingName: 'Money One',
    number: '900003',
    roles: EVERY_ROLE,
    status: 'active',
  },
  {
    name: 'money-two',
    legalName: 'Sandbox Money Two Ltd',
    tradingName: 'Money Two',
    number: '900004',
    roles: EVERY_ROLE,
    status: 'active',
  },
  {
    name: 'gone-fintech',
    legalName: 'Sandbox Gone Fintech Ltd',
    tradingName: 'Gone Fintech',
    number: '900005',
    roles: EVERY_ROLE,
    status: 'withdrawn',
  },
];

export function organizationIdentifierOf(plan: TppPlan): string {
  return `PSD${NCA.id}-${plan.number}`;
}

/** A TPP's certificates and signing key. */
export interface TppMaterial {
  readonly qwac: IssuedCertificate;
  /** The next certificate of the same TPP: new key, new serial number. */
  readonly renewed: IssuedCertificate;
  readonly qsealc: IssuedCertificate;
  readonly signingKey: JWK;
}

export interface Period {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What every QWAC of the TPP has in common. */
export function qwacOf(plan: TppPlan, period: Period): IssueOptions {
  return {
    profile: 'qwac',
    subject: { commonName: `${plan.name}.tpp.example`, organization: plan.legalName },
    authorizationNumber: plan.number,
    nca: NCA,
    roles: plan.roles,
    dnsNames: [`${plan.name}.tpp.example`],
    ...period,
  };
}

export async function makeTppMaterial(
  issuer: Authority,
  plan: TppPlan,
  period: Period,
): Promise<TppMaterial> {
  const [qwac, renewed, qsealc, signingKey] = await Promise.all([
    issuer.issue(qwacOf(plan, period)),
    issuer.issue(qwacOf(plan, period)),
    issuer.issue({ ...qwacOf(plan, period), profile: 'qsealc' }),
    makeSigningKey(),
  ]);
  return { qwac, renewed, qsealc, signingKey };
}

async function makeSigningKey(): Promise<JWK> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}
