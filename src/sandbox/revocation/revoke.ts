import { existsSync } from 'node:fs';
import { invalidConfig } from '../../errors.ts';
import { pathsOf } from '../folder.ts';
import { loadCertificate, readIssued } from './published-authority.ts';
import { readRevocations, type Revocation, type RevocationReason, writeRevocations } from './revocations.ts';
import { TPP_PLANS } from '../pki/tpps.ts';
import { REGISTERED_TPP_PLANS } from '../registers/register-plans.ts';

/** Which certificates of a sandbox: every one of a TPP, one by its serial number, or the issuing CA's own. */
export type RevocationTarget =
  | { readonly tpp: string }
  | { readonly serialNumber: string }
  | { readonly authority: 'issuing-ca' };

export interface RevokeOptions {
  readonly target: RevocationTarget;
  readonly at: Date;
  readonly reason: RevocationReason;
  /** Forgets the revocation, whatever its reason: a liberty that only a sandbox has. */
  readonly isUndone?: boolean;
}

/**
 * Writes revocations into the folder of a sandbox. A running sandbox publishes them from its next answer on.
 *
 * @throws ERR_CONFIG_INVALID for a folder that is no sandbox, or a target that it does not have
 */
export async function revokeInSandbox(
  folder: string,
  options: RevokeOptions,
): Promise<readonly Revocation[]> {
  const paths = pathsOf(folder);
  if (!existsSync(paths.issued))
    throw invalidConfig(folder, [{ path: '--dir', message: 'there is no sandbox in this folder' }]);
  const serials = await serialsOf(folder, options.target);
  const issued = await readIssued(folder);
  const concerned = serials.map((serialNumber) => {
    const authority = Object.keys(issued).find((name) => issued[name]?.includes(serialNumber));
    if (authority === undefined)
      throw invalidConfig(folder, [{ path: '--serial', message: `no authority has given ${serialNumber}` }]);
    return { authority, serialNumber, at: options.at, reason: options.reason };
  });
  const others = (await readRevocations(paths.revocations)).filter(
    (one) => !serials.includes(one.serialNumber),
  );
  await writeRevocations(paths.revocations, options.isUndone === true ? others : [...others, ...concerned]);
  return concerned;
}

async function serialsOf(folder: string, target: RevocationTarget): Promise<readonly string[]> {
  const paths = pathsOf(folder);
  if ('serialNumber' in target) return [target.serialNumber.toLowerCase().replaceAll(':', '')];
  if ('authority' in target) {
    return [(await loadCertificate(paths.authority(target.authority).certificateFile)).serialNumber];
  }
  const plans = existsSync(paths.registers.state) ? [...TPP_PLANS, ...REGISTERED_TPP_PLANS] : TPP_PLANS;
  const plan = plans.find(({ name }) => name === target.tpp);
  if (plan === undefined) {
    const names = plans.map(({ name }) => name).join(', ');
    throw invalidConfig(folder, [{ path: '--tpp', message: `must be one of ${names}` }]);
  }
  const files = ['qwac.pem', 'renewed.pem', 'qsealc.pem'].map((file) => paths.tpp(plan.name, file));
  return (await Promise.all(files.map(loadCertificate))).map(({ serialNumber }) => serialNumber);
}
