import { organizationIdentifierOf, SANDBOX_NCA, type TppPlan } from '../pki/tpps.ts';
import type { WrittenEntity } from './eba-writer.ts';
import type { WrittenParticipant } from './uk-directory.ts';

/** Path of the file metadata of the EBA register. */
export const FILE_METADATA = '/register/api/filemetadata';

/** Path of the directory that issues software statements. */
export const SOFTWARE_DIRECTORY = '/directory';

/** Base URL of the trusted lists. They are signed, so that plain HTTP is enough. */
export function listsUrlOf(revocationUrl: string): string {
  return `${revocationUrl}/trusted-lists`;
}

/** A provider of trust services that a national list names, and whose CA issues QWACs. */
export interface QtspPlan {
  /** Of its files, and on the command line. */
  readonly name: string;
  readonly territory: string;
  /** Common name of its CA. */
  readonly authority: string;
  /** Its service was withdrawn before the sandbox was made. */
  readonly isFormer?: boolean;
}

/** A TPP that the EBA register knows, and no list of the bank. */
export interface EuTppPlan extends TppPlan {
  /** The one that issues its certificates. */
  readonly qtsp: string;
  /** Country → services of the register. */
  readonly services: Readonly<Record<string, readonly string[]>>;
}

export const QTSP_PLANS: readonly QtspPlan[] = [
  { name: 'qtsp-ie', territory: 'IE', authority: 'QTSP Ireland' },
  { name: 'qtsp-de', territory: 'DE', authority: 'QTSP Germany' },
  { name: 'former-qtsp-de', territory: 'DE', authority: 'Former QTSP Germany', isFormer: true },
];

/** Territories with a national list. */
export const TERRITORIES: readonly string[] = [...new Set(QTSP_PLANS.map(({ territory }) => territory))];

const INITIATION_AND_INFORMATION = ['PS_070', 'PS_080'];

export const EU_TPP_PLANS: readonly EuTppPlan[] = [
  {
    name: 'travel-pay',
    legalName: 'Sandbox Travel Pay Ltd',
    tradingName: 'Travel Pay',
    number: 'C900101',
    roles: ['PSP_PI', 'PSP_AI'],
    nca: { id: 'IE-CBI', name: 'Central Bank of Ireland' },
    status: 'active',
    qtsp: 'qtsp-ie',
    services: { IE: INITIATION_AND_INFORMATION, GB: INITIATION_AND_INFORMATION },
  },
  {
    name: 'home-pay',
    legalName: 'Sandbox Home Pay Ltd',
    tradingName: 'Home Pay',
    number: '900102',
    roles: ['PSP_PI', 'PSP_AI'],
    nca: { id: 'DE-BAFIN', name: 'Bundesanstalt für Finanzdienstleistungsaufsicht' },
    status: 'active',
    qtsp: 'qtsp-de',
    services: { DE: INITIATION_AND_INFORMATION, AT: INITIATION_AND_INFORMATION },
  },
];

/** TPPs that the UK directory knows; the sandbox's own CA issues their certificates. */
export const UK_TPP_PLANS: readonly TppPlan[] = [
  {
    name: 'directory-pay',
    legalName: 'Sandbox Directory Pay Ltd',
    tradingName: 'Directory Pay',
    number: '900103',
    roles: ['PSP_PI', 'PSP_AI'],
    nca: SANDBOX_NCA,
    status: 'active',
  },
];

/** The software statement of the bank at the UK directory. */
export const UK_CLIENT_ID = 'SandboxBank00000000001';

/** The institution as the register has it: authorised since a day, and withdrawn on another or not at all. */
export function entityOf(
  plan: EuTppPlan,
  { since, withdrawnOn }: { readonly since: string; readonly withdrawnOn?: string | undefined },
): WrittenEntity {
  const owner = plan.nca.id.replace('-', '_');
  return {
    type: 'PSD_PI',
    owner,
    entityCode: `${owner}!${plan.number}`,
    name: plan.legalName,
    reference: plan.number,
    days: withdrawnOn === undefined ? [since] : [since, withdrawnOn],
    services: plan.services,
  };
}

/** The participant as the UK directory has it. */
export function participantOf(
  plan: TppPlan,
  withdrawnTpps: Readonly<Record<string, unknown>>,
): WrittenParticipant {
  const isWithdrawn = Object.hasOwn(withdrawnTpps, organizationIdentifierOf(plan));
  return {
    organisationId: `0000000000SANDBOX${plan.number.at(-1)}`,
    name: plan.legalName,
    status: isWithdrawn ? 'Withdrawn' : 'Active',
    authorityId: 'FCAGBR',
    registrationId: plan.number,
    authorisations: [{ role: 'PISP' }, { role: 'AISP' }],
  };
}

/** The TPPs that no list of the bank has: public registers decide about them. */
export const REGISTERED_TPP_PLANS: readonly TppPlan[] = [...EU_TPP_PLANS, ...UK_TPP_PLANS];

/** The TPP of a public register with this organization identifier or name. */
export function findRegisteredTpp(text: string): TppPlan | undefined {
  return REGISTERED_TPP_PLANS.find((plan) => plan.name === text || organizationIdentifierOf(plan) === text);
}
