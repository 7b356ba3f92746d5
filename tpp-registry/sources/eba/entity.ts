import { z } from 'zod';
import { canonicalNca } from '../../nca.ts';

/** The types of entities that can be a TPP. Agents, most of which are natural persons, are never kept. */
export const ENTITY_TYPES = ['PSD_PI', 'PSD_EMI', 'PSD_AISP', 'PSD_ENL'] as const;
export type EntityType = (typeof ENTITY_TYPES)[number];

/** A payment institution as the EBA register has it, cut down to what decides. A value of JSON. */
export interface EbaEntity {
  /** Such as `IE_CBI!C58301`. With the type it is unique; alone it is not. */
  readonly entityCode: string;
  readonly type: EntityType;
  /** The competent authority in the spelling of certificates, such as `IE-CBI`. */
  readonly nca: string;
  readonly name: string;
  /** The number that the authority has given (ENT_NAT_REF_COD), where there is one. */
  readonly reference?: string | undefined;
  /**
   * Days of authorisation and withdrawal in turns (ENT_AUT). Undefined when they are missing, no days, or not in order: the
   * status is then unknown, never active.
   */
  readonly days?: readonly string[] | undefined;
  /** Country → codes of services, `PS_070` and the like: where it may provide them. */
  readonly services: Readonly<Record<string, readonly string[]>>;
}

const oneOrMore = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? [value] : value));
const entity = z.looseObject({
  CA_OwnerID: z.string().min(1).max(64),
  EntityCode: z.string().min(1).max(256),
  EntityType: z.enum(ENTITY_TYPES),
  Properties: z.array(z.record(z.string(), z.unknown())),
  Services: z.array(z.record(z.string(), z.unknown())).optional(),
});
/** Services that the decision is about: payment initiation, account information, issuing. */
const KEPT_SERVICES = ['PS_070', 'PS_080', 'PS_05A'];
const MAX_NAME = 256;

/** The entity of a record of the bulk file; undefined for one that cannot be a TPP; a text for one that is no good. */
export function readEntity(bytes: Buffer): EbaEntity | string | undefined {
  const type = typeOf(bytes);
  if (type === undefined || !ENTITY_TYPES.some((kept) => kept === type)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return 'an entity is not JSON';
  }
  const parsed = entity.safeParse(value);
  if (parsed.error !== undefined) {
    const [issue] = parsed.error.issues;
    return `an entity is not as the register writes it: ${issue?.path.join('.')} ${issue?.message}`;
  }
  const { CA_OwnerID: owner, EntityCode: entityCode, EntityType, Properties, Services } = parsed.data;
  const nca = canonicalNca(owner);
  // Authorities that no certificate can name.
  if (nca === undefined) return undefined;
  const names = valuesOf(Properties, 'ENT_NAM');
  const [reference] = valuesOf(Properties, 'ENT_NAT_REF_COD');
  return {
    entityCode,
    type: EntityType,
    nca,
    name: names.join(' / ').slice(0, MAX_NAME) || entityCode,
    ...(reference === undefined ? {} : { reference }),
    days: daysOf(valuesOf(Properties, 'ENT_AUT')),
    services: servicesOf(Services ?? []),
  };
}

/** Without parsing: 97 of 100 records are agents. Of a text that names two types JSON.parse takes the last. */
function typeOf(bytes: Buffer): string | undefined {
  const at = bytes.indexOf('"EntityType"');
  if (at === -1) return undefined;
  return /^"EntityType"\s*:\s*"([A-Z_]{1,16})"/.exec(bytes.toString('latin1', at, at + 64))?.[1];
}

/** The values of a property: each is a list of one object with one member, whose value is a text or a list of texts. */
function valuesOf(properties: readonly Readonly<Record<string, unknown>>[], code: string): string[] {
  const found = properties.find((property) => Object.hasOwn(property, code));
  const values = oneOrMore.safeParse(found?.[code]);
  return (values.data ?? []).filter((value) => value !== '');
}

function daysOf(days: readonly string[]): readonly string[] | undefined {
  const inOrder = days.every((day, at) => isDay(day) && (at === 0 || (days[at - 1] ?? '') <= day));
  return days.length > 0 && inOrder ? days : undefined;
}

function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return (
    /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
  );
}

function servicesOf(services: readonly Readonly<Record<string, unknown>>[]): Record<string, string[]> {
  const kept: Record<string, string[]> = {};
  for (const [country, codes] of services.flatMap((one) => Object.entries(one))) {
    const found = (oneOrMore.safeParse(codes).data ?? []).filter((code) => KEPT_SERVICES.includes(code));
    if (!/^[A-Z]{2}$/.test(country) || found.length === 0) continue;
    kept[country] = [...new Set([...(kept[country] ?? []), ...found])];
  }
  return kept;
}
