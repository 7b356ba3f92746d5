import { z } from 'zod';
import type { PspRole } from '../../record.ts';

/** A key of a software statement, with the certificate that the directory shows for it. */
export interface DirectoryKey {
  readonly kid: string;
  readonly use?: string | undefined;
  /** Base64url SHA-256 of the certificate. */
  readonly thumbprint?: string | undefined;
}

export interface SoftwareStatement {
  readonly id: string;
  readonly roles: readonly PspRole[];
  /** Keys and certificates of its key store. Undefined where they were never read. */
  readonly keys?: readonly DirectoryKey[] | undefined;
}

/** A participant of the UK directory, cut down to what decides. A value of JSON. */
export interface Participant {
  readonly organisationId: string;
  readonly name: string;
  /** The organization identifiers of its certificates, such as `PSDGB-FCA-123456`. */
  readonly identifiers: readonly string[];
  readonly isActive: boolean;
  /** The directory's own word, such as `Withdrawn`. */
  readonly status: string;
  /** Roles that the competent authority has given for the United Kingdom, and that are active. */
  readonly roles: readonly PspRole[];
  /** Since when the participant is as it is, where the directory has a time. */
  readonly since?: string | undefined;
  /** Active ones. */
  readonly softwareStatements: readonly SoftwareStatement[];
}

const ORGANISATION = 'urn:openbanking:organisation:1.0';
const CLAIMS = 'urn:openbanking:competentauthorityclaims:1.0';
const NEWER_CLAIMS = 'urn:trustframework:competentauthorityclaims:1.1';
const DOMAINS = 'urn:openbanking:authorisationdomainstatus:1.0';
const SOFTWARE = 'urn:openbanking:softwarestatement:1.0';

const short = z.string().max(256);
const resource = z.looseObject({
  [ORGANISATION]: z.looseObject({
    OBOrganisationId: z.string().regex(/^[A-Za-z0-9]{1,40}$/),
    OrganisationCommonName: short.min(1),
    status: short.optional(),
    ModifyTimestamp: short.optional(),
  }),
  [DOMAINS]: z
    .looseObject({
      Status: z.array(z.looseObject({ AuthorizationDomain: short, Status: short })).default([]),
    })
    .optional(),
  [CLAIMS]: z
    .looseObject({
      AuthorityId: short.optional(),
      RegistrationId: short.optional(),
      EtsiIdentifier: short.optional(),
      Authorisations: z
        .array(z.looseObject({ MemberState: short, Psd2Role: short, Active: z.unknown() }))
        .default([]),
    })
    .optional(),
  [NEWER_CLAIMS]: z
    .looseObject({
      AuthorisationAuthorities: z
        .array(
          z.looseObject({
            AuthorityId: short,
            RegistrationId: short,
            AuthorizationDomain: short.optional(),
            X509OrganisationIdentifier: z.array(short).default([]),
          }),
        )
        .default([]),
      Authorisations: z
        .array(
          z.looseObject({
            MemberState: short,
            Role: short,
            AuthorizationDomain: short.optional(),
            Active: z.unknown(),
          }),
        )
        .default([]),
    })
    .optional(),
  [SOFTWARE]: z
    .looseObject({
      SoftwareStatements: z
        .array(
          z.looseObject({
            Id: z.string().regex(/^[A-Za-z0-9]{1,40}$/),
            Active: z.unknown(),
            Roles: z.array(short).default([]),
          }),
        )
        .max(1000)
        .default([]),
    })
    .optional(),
});
type Resource = z.infer<typeof resource>;

const ROLE_OF: ReadonlyMap<string, PspRole> = new Map([
  ['AISP', 'PSP_AI'],
  ['PISP', 'PSP_PI'],
  ['CBPII', 'PSP_IC'],
]);
/** Roles that are none of a TPP of the United Kingdom: account servicing, and the Crown Dependencies. */
const OTHER_ROLES: readonly string[] = ['ASPSP', 'CD_AISP', 'CD_ASPSP', 'CD_CBPII'];
/** The authority of an identifier, by the directory's name for it. `OB` stands for the directory itself. */
const AUTHORITY_OF: ReadonlyMap<string, string> = new Map([
  ['FCA', 'FCA'],
  ['FCAGBR', 'FCA'],
  ['OB', 'OB'],
  ['OBGBR', 'OB'],
]);
const DOMAIN = 'PSD2';
/** The passports of the United Kingdom ended with the year 2020. */
const HOME = 'GB';

/** The participant of a SCIM resource, and what of it is no good. A text for one that cannot be read. */
export function readParticipant(
  value: unknown,
): { readonly participant: Participant; readonly problems: readonly string[] } | string {
  const parsed = resource.safeParse(value);
  if (parsed.data === undefined) {
    const [issue] = parsed.error.issues;
    return `a participant is not as the directory writes it: ${issue?.path.join('.')} ${issue?.message}`;
  }
  const { OBOrganisationId: organisationId, OrganisationCommonName: name } = parsed.data[ORGANISATION];
  const since = timeOf(parsed.data[ORGANISATION].ModifyTimestamp);
  const authorised = authorisedRoles(parsed.data);
  const statements = parsed.data[SOFTWARE]?.SoftwareStatements ?? [];
  const unknown = [...authorised, ...statements.flatMap(({ Roles }) => Roles)].filter(
    (role) => !ROLE_OF.has(role) && !OTHER_ROLES.includes(role),
  );
  const participant: Participant = {
    organisationId,
    name,
    identifiers: identifiersOf(parsed.data),
    ...statusOf(parsed.data),
    roles: rolesOf(authorised),
    ...(since === undefined ? {} : { since }),
    softwareStatements: statements
      .filter(({ Active }) => isTrue(Active))
      .map(({ Id, Roles }) => ({ id: Id, roles: rolesOf(Roles) })),
  };
  const problems = [...new Set(unknown)].map(
    (role) => `${organisationId}: the role ${JSON.stringify(role)} is unknown and grants nothing`,
  );
  return { participant, problems };
}

/** Organisation and PSD2 domain must both be active, where the directory states both. */
function statusOf(value: Resource): Pick<Participant, 'isActive' | 'status'> {
  const domains = (value[DOMAINS]?.Status ?? []).filter((one) => one.AuthorizationDomain === DOMAIN);
  const stated = [value[ORGANISATION].status, ...domains.map(({ Status }) => Status)].filter(
    (one) => one !== undefined,
  );
  const other = stated.find((one) => one.toLowerCase() !== 'active');
  if (stated.length === 0) return { isActive: false, status: 'no status' };
  return { isActive: other === undefined, status: other ?? 'Active' };
}

/** Of two versions of the authority's claims, the roles that both have. */
function authorisedRoles(value: Resource): readonly string[] {
  const older = value[CLAIMS]?.Authorisations.filter(
    ({ Active, MemberState }) => isTrue(Active) && MemberState === HOME,
  ).map(({ Psd2Role }) => Psd2Role);
  const newer = value[NEWER_CLAIMS]?.Authorisations.filter(
    ({ Active, MemberState, AuthorizationDomain = DOMAIN }) =>
      isTrue(Active) && MemberState === HOME && AuthorizationDomain === DOMAIN,
  ).map(({ Role }) => Role);
  if (older === undefined || newer === undefined) return newer ?? older ?? [];
  return older.filter((role) => newer.includes(role));
}

function identifiersOf(value: Resource): readonly string[] {
  const older = value[CLAIMS];
  const authorities = (value[NEWER_CLAIMS]?.AuthorisationAuthorities ?? []).filter(
    ({ AuthorizationDomain = DOMAIN }) => AuthorizationDomain === DOMAIN,
  );
  const found = [
    older?.EtsiIdentifier,
    identifierOf(older?.AuthorityId, older?.RegistrationId),
    ...authorities.flatMap(({ X509OrganisationIdentifier }) => X509OrganisationIdentifier),
    ...authorities.map(({ AuthorityId, RegistrationId }) => identifierOf(AuthorityId, RegistrationId)),
  ];
  return [...new Set(found.flatMap((one) => (one?.startsWith('PSDGB-') === true ? [one] : [])))];
}

function identifierOf(authorityId: string | undefined, number: string | undefined): string | undefined {
  const authority = AUTHORITY_OF.get(authorityId ?? '');
  if (authority === undefined || number === undefined || number === '') return undefined;
  return `PSDGB-${authority}-${number}`;
}

function rolesOf(names: readonly string[]): PspRole[] {
  return [...new Set(names.flatMap((name) => ROLE_OF.get(name) ?? []))];
}

/** The directory itself warns of booleans that are texts. */
function isTrue(value: unknown): boolean {
  return value === true || (typeof value === 'string' && /^(true|active)$/i.test(value));
}

/** `20190509101010Z` or `20190509101010.123Z` of LDAP, or RFC 3339. */
function timeOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z$/, '$1-$2-$3T$4:$5:$6Z');
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}
