import { existsSync } from 'node:fs';
import { invalidConfig } from '../../errors.ts';
import { organizationIdentifierOf, TPP_PLANS } from '../pki/tpps.ts';
import { pathsOf } from '../sandbox-paths.ts';
import { changeRegisters } from './publication.ts';
import { REGISTERED_TPP_PLANS, findRegisteredTpp, QTSP_PLANS } from './register-plans.ts';

export interface WithdrawalOptions {
  readonly at: Date;
  /** Takes the withdrawal back, as if there had been none. */
  readonly isUndone?: boolean;
}

/**
 * Withdraws the authorisation of a TPP in the register of a sandbox that has it, and publishes a new copy at once.
 *
 * @param tpp organization identifier, or name in the sandbox
 * @returns its organization identifier
 * @throws ERR_CONFIG_INVALID for a folder without registers, or a TPP that no register has
 */
export async function withdrawTpp(
  folder: string,
  tpp: string,
  { at, isUndone = false }: WithdrawalOptions,
): Promise<string> {
  assertHasRegisters(folder);
  const plan = findRegisteredTpp(tpp);
  if (plan === undefined) throw invalidConfig('command line', [{ path: tpp, message: unknownTpp(tpp) }]);
  const number = organizationIdentifierOf(plan);
  await changeRegisters(
    folder,
    ({ withdrawnTpps }) => ({ withdrawnTpps: changed(withdrawnTpps, number, isUndone ? undefined : at) }),
    at,
  );
  return number;
}

/**
 * Withdraws the service of a QTSP in the trusted list of its territory, and publishes a new list at once.
 *
 * @throws ERR_CONFIG_INVALID for a folder without registers, or a QTSP that no list has
 */
export async function withdrawIssuer(
  folder: string,
  name: string,
  { at, isUndone = false }: WithdrawalOptions,
): Promise<void> {
  assertHasRegisters(folder);
  const names = QTSP_PLANS.filter(({ isFormer }) => isFormer !== true).map((plan) => plan.name);
  if (!names.includes(name)) {
    throw invalidConfig('command line', [{ path: name, message: `must be one of ${names.join(', ')}` }]);
  }
  await changeRegisters(
    folder,
    ({ withdrawnIssuers }) => ({
      withdrawnIssuers: changed(withdrawnIssuers, name, isUndone ? undefined : at),
    }),
    at,
  );
}

/** Serves the list of a territory with its withdrawn services granted, under the signature of the list before that change. */
export async function forgeList(
  folder: string,
  territory: string,
  { at, isUndone = false }: WithdrawalOptions,
): Promise<void> {
  assertHasRegisters(folder);
  await changeRegisters(folder, () => ({ forgedLists: isUndone ? [] : [territory] }), at);
}

function assertHasRegisters(folder: string): void {
  if (existsSync(pathsOf(folder).registers.state)) return;
  const message = 'there is no sandbox with registers in this folder';
  throw invalidConfig(folder, [{ path: '--dir', message }]);
}

function unknownTpp(tpp: string): string {
  const isOwn = TPP_PLANS.some((plan) => plan.name === tpp || organizationIdentifierOf(plan) === tpp);
  if (isOwn) return "is in the bank's own list: change its status in registry.yaml";
  return `must be one of ${REGISTERED_TPP_PLANS.map(organizationIdentifierOf).join(', ')}`;
}

function changed(
  all: Readonly<Record<string, Date>>,
  name: string,
  at: Date | undefined,
): Record<string, Date> {
  const { [name]: _before, ...others } = all;
  return at === undefined ? others : { ...others, [name]: at };
}
