import type { PspRole } from '../../tpp-registry/record.ts';

/** The object identifier of each role that grants something. @see TS 119 495 cl. 5.2.2, Annex A */
export const ROLE_OIDS: Readonly<Record<PspRole, string>> = Object.freeze({
  PSP_AS: '0.4.0.19495.1.1',
  PSP_PI: '0.4.0.19495.1.2',
  PSP_AI: '0.4.0.19495.1.3',
  PSP_IC: '0.4.0.19495.1.4',
});

/**
 * Roles of TS 119 495 V1.8.1 that grant nothing here: a provider without one of the four, central banks and public
 * authorities (whose authority is `NA`), and the two of the verification of payee.
 */
const OTHER_ROLES: Readonly<Record<string, string>> = {
  '0.4.0.19495.1.0': 'Unspecified',
  '0.4.0.19495.1.5': 'PSP_CB',
  '0.4.0.19495.1.6': 'PSP_PA',
  '0.4.0.19495.1.51': 'VOP_RS',
  '0.4.0.19495.1.52': 'VOP_VS',
};

const NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(ROLE_OIDS).map(([name, oid]) => [oid, name] as const),
  ...Object.entries(OTHER_ROLES),
]);
const KNOWN_NAMES: ReadonlySet<string> = new Set(NAMES.values());

/** Whether the name is one of the four that grant something. */
export function isPspRole(name: string): name is PspRole {
  return Object.hasOwn(ROLE_OIDS, name);
}

/**
 * Whether a role goes by its name (TS 119 495 REG-5.2.2-5): a known identifier has the name of the standard, and an
 * unknown one has none of those names.
 */
export function isRightRoleName(oid: string, name: string): boolean {
  const known = NAMES.get(oid);
  return known === undefined ? !KNOWN_NAMES.has(name) : known === name;
}
