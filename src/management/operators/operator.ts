import { OpenBankingError } from '../../errors.ts';

/** `viewer` sees; each other role sees as well, and may what `RIGHTS` adds. */
export const ROLES = ['viewer', 'support', 'operator', 'security'] as const;
export type Role = (typeof ROLES)[number];

/** A kind of operations that some roles allow. */
export type Right = 'view' | 'certificates' | 'consents' | 'clients' | 'blocks' | 'keys';

const RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  viewer: ['view'],
  support: ['view', 'certificates', 'consents'],
  operator: ['view', 'certificates', 'clients', 'blocks'],
  security: ['view', 'certificates', 'keys'],
};

/** The listener that a request came to. The loopback listener is plain HTTP, the other one demands certificates. */
export type ManagementListenerName = 'loopback' | 'management';

/** A person or a program that manages the server. Changes are attributed to the name. */
export interface Operator {
  readonly name: string;
  readonly roles: readonly Role[];
  /** The proof of who it is: a client certificate, the OpenID provider of the bank, or the files of this machine. */
  readonly by: 'certificate' | 'openid' | 'local';
}

export function mayDo({ roles }: Pick<Operator, 'roles'>, right: Right): boolean {
  return roles.some((role) => RIGHTS[role].includes(right));
}

/** @throws ERR_MANAGEMENT_ROLE */
export function assertMay(operator: Operator, right: Right): void {
  if (mayDo(operator, right)) return;
  throw new OpenBankingError('ERR_MANAGEMENT_ROLE', { operator: operator.name, right });
}

/** The roles that have a right. */
export function rolesWith(right: Right): readonly Role[] {
  return ROLES.filter((role) => RIGHTS[role].includes(right));
}
