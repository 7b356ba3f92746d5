import type { PspRole } from '../../../tpp-registry/index.ts';
import type { IssueOptions, Nca, Validity } from './issue-options.ts';

/** A third-party provider of the sandbox, before it has certificates. */
export interface TppPlan {
  readonly name: string;
  readonly legalName: string;
  readonly tradingName: string;
  /** Without `PSD…-…-`. */
  readonly number: string;
  readonly roles: readonly PspRole[];
  /** The competent authority that authorised the TPP. */
  readonly nca: Nca;
  readonly status: 'active' | 'withdrawn';
}

export const SANDBOX_NCA: Nca = { id: 'GB-FCA', name: 'Financial Conduct Authority' };
const EVERY_ROLE: readonly PspRole[] = ['PSP_PI', 'PSP_AI', 'PSP_IC'];

export const TPP_PLANS: readonly TppPlan[] = [
  planOf('Accounts App', '900001', ['PSP_AI']),
  planOf('Pay by Bank', '900002', ['PSP_PI']),
  planOf('Money One', '900003', EVERY_ROLE),
  planOf('Money Two', '900004', EVERY_ROLE),
  { ...planOf('Gone Fintech', '900005', EVERY_ROLE), status: 'withdrawn' },
];

function planOf(tradingName: string, number: string, roles: readonly PspRole[]): TppPlan {
  const name = tradingName.toLowerCase().replaceAll(' ', '-');
  const legalName = `Sandbox ${tradingName} Ltd`;
  return { name, legalName, tradingName, number, roles, nca: SANDBOX_NCA, status: 'active' };
}

export function organizationIdentifierOf(plan: TppPlan): string {
  return `PSD${plan.nca.id}-${plan.number}`;
}

/** The common options of every QWAC of the TPP. */
export function qwacOf(plan: TppPlan, period: Validity): IssueOptions {
  return {
    profile: 'qwac',
    subject: { commonName: `${plan.name}.tpp.example`, organization: plan.legalName },
    authorizationNumber: plan.number,
    nca: plan.nca,
    roles: plan.roles,
    dnsNames: [`${plan.name}.tpp.example`],
    ...period,
  };
}
